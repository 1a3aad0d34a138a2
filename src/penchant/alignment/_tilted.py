"""A frozen generator whose noise goes through a learned map first."""

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.alignment._saved_map import read_map, write_map
from penchant.alignment._transport import Transport, antithetic, latent_kl
from penchant.core.contracts import Generator
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng

KL_DRAWS = 16384
"""Latents in a measurement of the KL: a standard error of about 1% of a nat; no image is decoded for it."""

FEWEST_DRAWS, NUMBERS = 1024, 2**21


def kl_draws(latent_dim: int) -> int:
    """Latents to measure the KL on: :data:`KL_DRAWS`, fewer where the noise is as large as an image."""
    return max(FEWEST_DRAWS, min(KL_DRAWS, NUMBERS // latent_dim // 2 * 2))


class TiltedGenerator(Generator):
    """u → G(T(u)): the same latents show what the original made of them and what the taste makes of them.

    ``dial`` is the strength: 0 gives the original's images, 1 what was learned. Everything that the original can do
    (gradients, codes, conditions) this one can too; its cost is the original's and one small network.
    """

    def __init__(self, base: Generator, transport: Transport, dial: float = 1.0):
        self.base = base
        self.transport = transport.requires_grad_(False)
        self.dial = dial
        self.latent_dim = base.latent_dim
        self.image = base.image
        self.condition_dim = base.condition_dim
        self.capabilities = base.capabilities

    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """Images of the tilted latents."""
        return self.base.decode(self.transport(latents, self.dial)[0], condition)

    def encode(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The original's codes."""
        return self.base.encode(images)

    def prompted(self, text: str) -> Float[Tensor, "1 c"]:
        """As the original understands the words."""
        return self.base.prompted(text)

    def dialled(self, share: float) -> "TiltedGenerator":
        """The same generator at ``share`` of its strength."""
        return TiltedGenerator(self.base, self.transport, share * self.dial)

    @torch.no_grad()
    def kl_nats(self, rng: Rng) -> tuple[float, float]:
        """KL of the tilted latents from N(0, I), exact but for its standard error, which comes second."""
        u = antithetic(kl_draws(self.latent_dim), self.latent_dim, rng.torch())
        of_pairs = latent_kl(u, *self.transport(u, self.dial)).double().unflatten(0, (2, -1)).mean(dim=0)
        return float(of_pairs.mean()), float(of_pairs.std()) / math.sqrt(len(of_pairs))

    def save_pretrained(self, directory: Path) -> None:
        """Write the map, and the original in ``base/``."""
        write_map(directory, "latent_tilt", self.transport, self.dial)
        self.base.save_pretrained(directory / "base")

    @staticmethod
    def load(directory: Path) -> "TiltedGenerator":
        """What :meth:`save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing or does not fit the others.
        """
        _, transport, dial = read_map(directory)
        return TiltedGenerator(load_generator(directory / "base"), transport, dial)
