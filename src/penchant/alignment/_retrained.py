"""A generator that went on training, behind a learned map of its noise, beside the original it is counted from."""

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from penchant.alignment._transport import Transport
from penchant.core.contracts import Generator
from penchant.core.errors import StudyDamaged
from penchant.core.pretrained import load_generator, read_config, write_config, write_tensors
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
        settings = {
            "latent_dim": self.latent_dim,
            "couplings": len(self.transport.couplings),
            "hidden": self.transport.hidden,
            "dial": self.dial,
        }
        write_config(directory, f"alignment/{self.kind}", settings)
        write_tensors(directory / "transport.safetensors", self.transport.state_dict())
        self.base.save_pretrained(directory / "base")
        self.learned.save_pretrained(directory / "learned")

    @staticmethod
    def load(directory: Path) -> "RetrainedGenerator":
        """What :meth:`save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing or does not fit the others.
        """
        config = read_config(directory)
        weights = directory / "transport.safetensors"
        try:
            transport = Transport(config["latent_dim"], config["couplings"], config["hidden"], Rng(0))
            transport.load_state_dict(load_file(weights))
            dial = float(config["dial"])
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise StudyDamaged(f"{weights} is not the map that its config.json describes: {error}") from None
        base, learned = (load_generator(directory / part) for part in ("base", "learned"))
        return RetrainedGenerator(config["penchant"].rpartition("/")[2], base, learned, transport, dial)
