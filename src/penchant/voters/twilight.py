"""Likes it neither bright nor dark."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, mean_lightness


@dataclass(frozen=True)
class Twilight(Answering):
    """A voter who likes middling lightness best: an inverted U in light, which no linear model can hold.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Twilight().meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Minus the squared distance of mean lightness from the reference's median."""
        usual = float(np.median(mean_lightness(reference)))

        def closeness(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
            return -np.square(mean_lightness(images).astype(np.float64) - usual)

        return closeness
