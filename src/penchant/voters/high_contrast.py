"""Likes light against dark."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, light_contrast


@dataclass(frozen=True)
class HighContrast(Answering):
    """A voter who likes lightness far from its middle, both ways.

    >>> import numpy, torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = HighContrast(lapse=0.0).meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Mean absolute deviation of lightness; the same whatever the reference."""
        return light_contrast
