"""What a fitted GAN is, whatever made it: one network from noise to images."""

from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from penchant.core.config import build
from penchant.core.contracts import Capabilities, Generator, ImageSpec
from penchant.core.errors import BadConfiguration
from penchant.generators._common import packed, reading_pretrained, write_pretrained

Component = TypeVar("Component")


class OneStep(Generator):
    """G(z) = network(z), z ~ N(0, I): deterministic, differentiable in z, one pass a sample.

    Args:
        kind: which component made it and reads it back, such as ``"generators/gan"``.
        settings: that component, a frozen dataclass.
        image: channels and size.
        network: from latents to images in about [−1, 1].
        latent_dim: width of the latents.
    """

    capabilities = Capabilities(differentiable=True)

    def __init__(self, kind: str, settings: Any, image: ImageSpec, network: nn.Module, latent_dim: int):
        self.kind = kind
        self.settings = settings
        self.image = image
        self.network = network.eval().requires_grad_(False)
        self.latent_dim = latent_dim

    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] of the latents, on the device of the latents.

        Raises:
            BadConfiguration: latents of another width, or a condition.
        """
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim or condition is not None:
            raise BadConfiguration(
                f"this generator decodes latents shaped n × {self.latent_dim} without a condition; "
                f"found {tuple(latents.shape)} and condition {condition!r}"
            )
        images: Tensor = self.network(latents.to(self._device))
        return ((images + 1) / 2).clamp(0, 1).to(latents.device)

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the weights."""
        return sha256(packed(self.network.state_dict())).hexdigest()[:16]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``weights.safetensors``; the component's ``load`` reads them back."""
        described = {"settings": asdict(self.settings), "image": asdict(self.image)}
        write_pretrained(directory, self.kind, described, packed(self.network.state_dict()))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def read_one_step(
    directory: Path, component: type[Component], network: Callable[[Component, ImageSpec], nn.Module]
) -> OneStep:
    """The generator that :meth:`OneStep.save_pretrained` wrote, of a component with a ``latent_dim``.

    Raises:
        StudyDamaged: a file is missing, or the weights are not those that were written.
    """
    with reading_pretrained(directory) as (config, tensors):
        settings = build(component, config["settings"], where=str(directory / "config.json"))
        image = ImageSpec(**config["image"])
        made = network(settings, image)
        made.load_state_dict(tensors)
        latent_dim: int = config["settings"]["latent_dim"]
    return OneStep(config["penchant"], settings, image, made, latent_dim)
