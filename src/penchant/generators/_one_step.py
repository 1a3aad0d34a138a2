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
from penchant.generators._common import check_condition, check_latents, packed, reading_pretrained, write_pretrained

Component = TypeVar("Component")


class OneStep(Generator):
    """G(z) = network(z), z ~ N(0, I): deterministic, differentiable in z, one pass a sample.

    Args:
        kind: which component made it and reads it back, such as ``"generators/gan"``.
        settings: that component, a frozen dataclass.
        image: channels and size.
        network: from latents to images in about [−1, 1].
        latent_dim: width of the latents.
        condition_dim: width of the condition, which the network then takes after the latents; 0 for none.
    """

    def __init__(
        self,
        kind: str,
        settings: Any,
        image: ImageSpec,
        network: nn.Module,
        latent_dim: int,
        condition_dim: int = 0,
    ):
        self.kind = kind
        self.settings = settings
        self.image = image
        self.network = network.eval().requires_grad_(False)
        self.latent_dim = latent_dim
        self.condition_dim = condition_dim
        self.capabilities = Capabilities(conditional=condition_dim > 0)

    def decode(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] of the latents, on the device of the latents.

        Raises:
            BadConfiguration: latents of another width, or a condition of another shape or where none is known.
        """
        check_latents(latents, self.latent_dim)
        told = check_condition(condition, len(latents), self.condition_dim, self._device)
        given = latents.to(self._device)
        images: Tensor = self.network(given) if told is None else self.network(given, told)
        return ((images + 1) / 2).clamp(0, 1).to(latents.device)

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the weights."""
        return sha256(packed(self.network.state_dict())).hexdigest()[:16]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``weights.safetensors``; the component's ``load`` reads them back."""
        described = {
            "settings": asdict(self.settings),
            "image": asdict(self.image),
            "condition_dim": self.condition_dim,
        }
        write_pretrained(directory, self.kind, described, packed(self.network.state_dict()))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def read_one_step(
    directory: Path, component: type[Component], network: Callable[[Component, ImageSpec, int], nn.Module]
) -> OneStep:
    """The generator that :meth:`OneStep.save_pretrained` wrote, of a component with a ``latent_dim``.

    Raises:
        StudyDamaged: a file is missing, or the weights are not those that were written.
    """
    with reading_pretrained(directory) as (config, tensors):
        settings = build(component, config["settings"], where=str(directory / "config.json"))
        image = ImageSpec(**config["image"])
        condition_dim: int = config.get("condition_dim", 0)  # not written before GANs knew conditions
        made = network(settings, image, condition_dim)
        made.load_state_dict(tensors)
        latent_dim: int = config["settings"]["latent_dim"]
    return OneStep(config["penchant"], settings, image, made, latent_dim, condition_dim)
