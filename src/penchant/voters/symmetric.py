"""Likes pictures whose left and right mirror each other."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, mirror_symmetry


@dataclass(frozen=True)
class Symmetric(Answering):
    """A voter who likes left-right symmetry, whatever the colours and the contrast.

    >>> import numpy, torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Symmetric(lapse=0.0).meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Minus the colour difference between a picture and its mirror image; the same whatever the reference."""
        return mirror_symmetry
