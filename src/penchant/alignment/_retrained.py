"""A generator that went on training, behind a learned map of its noise, beside the original it is counted from."""

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.alignment._saved_map import read_map, write_map
from penchant.alignment._transport import Transport
from penchant.core.contracts import Generator
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng

BATCH = 128


class RetrainedGenerator(Generator):
    """u → G_θ(T(u)), where ``learned`` is G_θ and ``base`` the original G: what :mod:`joint` and :mod:`weighted` make.

    ``kind`` names the aligner that wrote it. The original stays with it, so that any later alignment starts from there
    and counts its nats from there; it costs the disk twice the room and a sample nothing. Codes are the original's,
    so that features learned on them stay what they were.
    """

    def __init__(self, kind: str, base: Generator, learned: Generator, transport: Transport, dial: float = 1.0):
        self.kind = kind
        self.base = base
        self.learned = learned
        self.transport = transport.requires_grad_(False)
        self.dial = dial
        self.latent_dim = base.latent_dim
        self.image = base.image
        self.capabilities = base.capabilities
        self.condition_dim = base.condition_dim

    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """Images of the latents."""
        return self.learned.decode(self.transport(latents, self.dial)[0], condition)

    def encode(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The original's codes."""
        return self.base.encode(images)

    def prompted(self, text: str) -> Float[Tensor, "1 c"]:
        """As the original understands the words."""
        return self.base.prompted(text)

    def dialled(self, share: float) -> "RetrainedGenerator":
        """The same networks with the noise moved ``share`` as far."""
        return RetrainedGenerator(self.kind, self.base, self.learned, self.transport, share * self.dial)

    @torch.no_grad()
    def image_kl(self, sigma: float, count: int, rng: Rng) -> tuple[float, float]:
        """E‖G_θ(z) − G(z)‖²/2σ² over ``count`` tilted latents, in nats, and its standard error."""
        latents = self.transport(self.latents(count, rng), self.dial)[0]
        parts = [
            (self.learned.decode(z) - self.base.decode(z)).double().square().flatten(1).sum(dim=1)
            for z in latents.split(BATCH)
        ]
        nats = torch.cat(parts) / (2 * sigma**2)
        return float(nats.mean()), float(nats.std()) / math.sqrt(count)

    def save_pretrained(self, directory: Path) -> None:
        """Write the map, the original in ``base/`` and what went on training in ``learned/``."""
        write_map(directory, self.kind, self.transport, self.dial)
        self.base.save_pretrained(directory / "base")
        self.learned.save_pretrained(directory / "learned")

    @staticmethod
    def load(directory: Path) -> "RetrainedGenerator":
        """What :meth:`save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing or does not fit the others.
        """
        kind, transport, dial = read_map(directory)
        base, learned = (load_generator(directory / part) for part in ("base", "learned"))
        return RetrainedGenerator(kind, base, learned, transport, dial)
