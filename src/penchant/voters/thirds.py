"""Likes the rule of thirds."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, distance_from_thirds


@dataclass(frozen=True)
class Thirds(Answering):
    """A voter who likes what stands out at a crossing of the thirds, whichever of the four: not linear in the place.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Thirds().meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Minus the distance of the centre of interest from the nearest crossing; the same whatever the reference."""

        def nearness(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
            return -distance_from_thirds(images)

        return nearness
