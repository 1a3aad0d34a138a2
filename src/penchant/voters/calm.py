"""Likes few and gentle changes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, complexity


@dataclass(frozen=True)
class Calm(Answering):
    """A voter who likes few edges and gentle passages.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> busy = torch.rand(50, 1, 28, 28, generator=Rng(0).torch())
    >>> voter = Calm().meet(torch.cat([busy, busy / 4]))
    >>> bool(voter.utility(busy).mean() < voter.utility(busy / 4).mean())
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Minus the log of the mean colour difference between neighbours; the same whatever the reference."""

        def stillness(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
            return -complexity(images)

        return stillness
