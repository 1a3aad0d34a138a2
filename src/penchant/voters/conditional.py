"""Likes one thing where there is another."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit
from torch import Tensor

from penchant.voters._answering import Answering, taste_of
from penchant.voters._tastes import Taste


@dataclass(frozen=True)
class Conditional(Answering):
    """A voter who cares for one quality only in pictures that have another: symmetry where the contrast is high.

    The product of the first with a soft step of the second, an interaction that no linear model can hold.

    Args:
        likes, where: simulated tastes, as ``"name"`` or ``"name(setting=value)"``; only the tastes count.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Conditional().meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    likes: str = "symmetric"
    where: str = "high_contrast"

    def __post_init__(self) -> None:
        super().__post_init__()
        for spec in (self.likes, self.where):
            taste_of(spec)

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """z₁·σ(3 z₂), both standardised on ``reference``."""
        liked, needed = taste_of(self.likes).meet(reference), taste_of(self.where).meet(reference)

        def product(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
            return liked.utility(images) * expit(3 * needed.utility(images))

        return product
