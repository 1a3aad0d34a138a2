"""Likes what another voter dislikes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import VOTERS
from penchant.core.errors import BadConfiguration
from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste


@dataclass(frozen=True)
class Contrarian(Answering):
    """A voter with the opposite taste of another simulated one, answering in its own manner.

    Args:
        of: the other voter, as ``"name"`` or ``"name(setting=value)"``; only its taste counts.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> from penchant.voters.calm import Calm
    >>> images = torch.rand(50, 1, 28, 28, generator=Rng(0).torch())
    >>> opposite = Contrarian(of="calm").meet(images).utility(images)
    >>> bool(np.allclose(opposite, -Calm().meet(images).utility(images)))
    True
    """

    of: str = "calm"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._other()

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """The other's taste, negated."""
        other = self._other().taste(reference)

        def opposite(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
            return -other(images)

        return opposite

    def _other(self) -> Answering:
        other = VOTERS.make(self.of)
        if not isinstance(other, Answering):
            raise BadConfiguration(f"a contrarian needs another simulated taste to oppose; '{self.of}' has none")
        return other
