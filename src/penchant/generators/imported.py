"""A person's own generator: any torch module that maps noise to images, as it is."""

import math
import sys
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from penchant.core.config import build
from penchant.core.contracts import NO_ANNOTATIONS, Annotations, Budget, Capabilities, Generator, ImageSpec, Workspace
from penchant.core.errors import BadConfiguration, StudyDamaged
from penchant.core.rng import Rng
from penchant.generators._common import check_latents, image_spec, packed, reading_pretrained, write_pretrained


@dataclass(frozen=True)
class Imported:
    """``module`` names a function that makes a torch module, noise in, images out; nothing is trained.

    The study's images are then only what figures compare with. The weights are kept with the study as safetensors, so
    that later changes of the file do not change it; the code is not: keep the module importable (the current folder
    is looked in too). It runs as it is, like every Python file that you name to Penchant; weights are never unpickled.

    Args:
        module: ``package.module:function``.
        latent_dim: how many numbers of noise, N(0, 1) each, it takes.
        weights: a safetensors file with the module's state, where the function does not load it itself.
        latent_shape: the shape of one image's noise, where it is not flat: (100, 1, 1) for a DCGAN.
        low, high: which values of its images are black and white.
    """

    module: str
    latent_dim: int
    weights: str = ""
    latent_shape: tuple[int, ...] = ()
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.latent_dim < 1 or (self.latent_shape and math.prod(self.latent_shape) != self.latent_dim):
            raise ValueError(
                f"latent_dim must be at least 1 and the product of latent_shape; found {self.latent_dim} and "
                f"{self.latent_shape}"
            )
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"low must be below high, both finite; found {self.low} and {self.high}")

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> "ImportedImages":
        """Make the module and see that its images are of the study's size; ``budget`` is not used.

        Raises:
            BadImages: ``images`` are not bytes shaped n × 1 or 3 × size × size of a size that is known.
            BadConfiguration: there is no such function or file, or the module's images are not what they should be.
        """
        network = _made(self.module)
        if self.weights:
            try:
                network.load_state_dict(load_file(Path(self.weights).expanduser()))
            except (OSError, RuntimeError, SafetensorError) as error:
                raise BadConfiguration(
                    f"{self.weights} does not hold the weights of {self.module} as safetensors: {error}"
                ) from None
        generator = ImportedImages(image_spec(images, "an imported generator"), self, network)
        generator.check(rng)
        return generator

    @staticmethod
    def load(directory: Path) -> "ImportedImages":
        """What :meth:`ImportedImages.save_pretrained` wrote; the function must be importable still.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written or do not fit the module.
            BadConfiguration: there is no such function any more.
        """
        with reading_pretrained(directory) as (config, tensors):
            settings = build(Imported, config["settings"], where=str(directory / "config.json"))
            image = ImageSpec(**config["image"])
            able = bool(config["differentiable"])
        network = _made(settings.module)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise StudyDamaged(
                f"{settings.module} makes another network than the one in {directory}: {error}"
            ) from None
        return ImportedImages(image, settings, network, able)


class ImportedImages(Generator):
    """The module, its noise drawn from N(0, I) and its images brought to [0, 1]. What :class:`Imported` makes."""

    def __init__(self, image: ImageSpec, settings: Imported, network: nn.Module, differentiable: bool = True):
        self.image = image
        self.settings = settings
        self.network = network.eval().requires_grad_(False)
        self.latent_dim = settings.latent_dim
        self.capabilities = Capabilities(differentiable=differentiable)

    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1]; raises BadConfiguration for latents of another width, or a condition."""
        check_latents(latents, self.latent_dim)
        if condition is not None:
            raise BadConfiguration("an imported generator takes no condition; leave the prompt out")
        shaped = latents.unflatten(1, self.settings.latent_shape) if self.settings.latent_shape else latents
        low, high = self.settings.low, self.settings.high
        return ((self.network(shaped).float() - low) / (high - low)).clamp(0, 1)

    def check(self, rng: Rng) -> None:
        """Draw two images and find out about gradients; raises BadConfiguration where they are no such images."""
        latents = self.latents(2, rng.child("check")).requires_grad_()
        where = f"the module that {self.settings.module} makes"
        try:
            images = self.decode(latents)
        except Exception as error:
            shape = (2, *(self.settings.latent_shape or (self.latent_dim,)))
            raise BadConfiguration(
                f"{where} cannot be given noise of the shape {shape}: {type(error).__name__}: {error}"
            ) from error
        wanted = (2, self.image.channels, self.image.size, self.image.size)
        if images.shape != wanted or not images.isfinite().all():
            raise BadConfiguration(
                f"{where} should give finite images shaped {wanted}, like the study's; found {tuple(images.shape)}. "
                "--size and --grey decide about the study's"
            )
        if torch.equal(images[0], images[1]):
            raise BadConfiguration(f"{where} gives the same image for different noise; are its weights there?")
        gradients = torch.autograd.grad(images.sum(), latents, allow_unused=True) if images.requires_grad else (None,)
        able = gradients[0] is not None and bool(gradients[0].isfinite().all())
        self.capabilities = Capabilities(differentiable=able)

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the weights."""
        return sha256(self._data()).hexdigest()[:16]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``weights.safetensors``; :meth:`Imported.load` reads them back."""
        described = {
            "settings": asdict(self.settings),
            "image": asdict(self.image),
            "differentiable": self.capabilities.differentiable,
        }
        write_pretrained(directory, "generators/imported", described, self._data())

    def _data(self) -> bytes:
        # Copies, since modules may share one tensor under two names, which safetensors refuses.
        return packed({name: value.clone() for name, value in self.network.state_dict().items()})


def _made(name: str) -> nn.Module:
    """The module that the function ``package.module:function`` makes; raises BadConfiguration where there is none."""
    where, colon, function = name.partition(":")
    if not (where and colon and function):
        raise BadConfiguration(f"'{name}' names no function: write package.module:function")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        made = getattr(import_module(where), function)()
    except Exception as error:
        raise BadConfiguration(f"the generator '{name}' cannot be made: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
    if not isinstance(made, nn.Module):
        raise BadConfiguration(f"'{name}' should make a torch.nn.Module; it made {type(made).__name__}")
    return made
