"""Likes warm colours."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, warmth


@dataclass(frozen=True)
class Warm(Answering):
    """A voter who likes reds, oranges and yellows and dislikes blues; blind to grey images.

    >>> import numpy, torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Warm(lapse=0.0).meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Mean colour along orange in CIELAB; the same whatever the reference."""
        return warmth
