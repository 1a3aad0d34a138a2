"""Likes something in the middle."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, central_interest


@dataclass(frozen=True)
class Centred(Answering):
    """A voter who likes a centre that stands out from the border: a taste in composition, hard to name.

    >>> import numpy, torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Centred(lapse=0.0).meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Colour difference between middle and border; the same whatever the reference."""
        return central_interest
