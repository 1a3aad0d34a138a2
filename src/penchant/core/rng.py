"""Random numbers: a seed with a name for every use, so that no result depends on the order of calls."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch


@dataclass(frozen=True)
class Rng:
    """A seed and a path of names; equal paths give equal numbers, different paths independent ones.

    Passed wherever randomness is needed; there is no global state. Each call of :meth:`numpy` or :meth:`torch`
    starts a fresh generator, so keep the one you got, or derive a child for the next use.

    >>> rng = Rng(7)
    >>> bool((rng.child("pool").numpy().random(3) == Rng(7).child("pool").numpy().random(3)).all())
    True
    >>> rng.child("pool", 1) == rng.child("pool", 2)
    False
    """

    seed: int
    path: tuple[str | int, ...] = ()

    def child(self, *names: str | int) -> "Rng":
        """The same seed under a longer path."""
        return Rng(self.seed, self.path + names)

    @property
    def entropy(self) -> int:
        """128 bits derived from seed and path by SHA-256, the same on every machine."""
        return int.from_bytes(sha256(repr((self.seed, self.path)).encode()).digest()[:16], "little")

    def numpy(self) -> np.random.Generator:
        """A fresh NumPy generator (PCG64)."""
        return np.random.default_rng(self.entropy)

    def torch(self, device: str | torch.device = "cpu") -> torch.Generator:
        """A fresh torch generator on ``device``."""
        return torch.Generator(device=device).manual_seed(self.entropy % 2**63)
