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
from penchant.core.errors import NotCapable
from penchant.generators._common import check_condition, check_latents, packed, reading_pretrained, write_pretrained

Component = TypeVar("Component")
_JUDGE = "judge."
"""Before the names of the discriminator's weights, where they are kept."""


class OneStep(Generator):
    """G(z) = network(z), z ~ N(0, I): deterministic, differentiable in z, one pass a sample.

    Args:
        kind: which component made it and reads it back, such as ``"generators/gan"``.
        settings: that component, a frozen dataclass.
        image: channels and size.
        network: from latents to images in about [−1, 1].
        latent_dim: width of the latents.
        condition_dim: width of the condition, which the network then takes after the latents; 0 for none.
        judge: the discriminator that it was trained against, from images in [−1, 1] to a score each; None without.
    """

    def __init__(
        self,
        kind: str,
        settings: Any,
        image: ImageSpec,
        network: nn.Module,
        latent_dim: int,
        condition_dim: int = 0,
        judge: nn.Module | None = None,
    ):
        self.kind = kind
        self.settings = settings
        self.image = image
        self.network = network.eval().requires_grad_(False)
        self.latent_dim = latent_dim
        self.condition_dim = condition_dim
        self._judge = judge
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
    def discerns(self) -> bool:
        """Whether the discriminator was kept."""
        return self._judge is not None

    @torch.no_grad()
    def realness(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The discriminator's score of images in [0, 1], higher for what it takes for real.

        Raises:
            NotCapable: the discriminator was not kept.
        """
        if self._judge is None:
            raise NotCapable(f"{self.kind} kept no discriminator; gan and dcgan do when they are trained anew")
        judge = self._judge.eval().requires_grad_(False)
        parts = [judge(part.to(self._device) * 2 - 1).float().flatten() for part in images.split(256)]
        return torch.cat(parts).to(images.device)

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
        tensors = dict(self.network.state_dict())
        if self._judge is not None:
            tensors |= {_JUDGE + name: value for name, value in self._judge.state_dict().items()}
        write_pretrained(directory, self.kind, described, packed(tensors))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def read_one_step(
    directory: Path,
    component: type[Component],
    network: Callable[[Component, ImageSpec, int], nn.Module],
    judge: Callable[[Component, ImageSpec, int], nn.Module] | None = None,
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
        made.load_state_dict({name: value for name, value in tensors.items() if not name.startswith(_JUDGE)})
        kept = {name.removeprefix(_JUDGE): value for name, value in tensors.items() if name.startswith(_JUDGE)}
        judging = judge(settings, image, condition_dim) if judge is not None and kept else None
        if judging is not None:
            judging.load_state_dict(kept)
        latent_dim: int = config["settings"]["latent_dim"]
    return OneStep(config["penchant"], settings, image, made, latent_dim, condition_dim, judging)
