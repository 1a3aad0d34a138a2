"""Likes neither too little nor too much."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, complexity


@dataclass(frozen=True)
class Moderate(Answering):
    """A voter who likes middling complexity best: an inverted U (Berlyne 1971), which no linear model can hold.

    Use it to see what a preference model does with a taste that is not linear in its features.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 1, 28, 28, generator=Rng(0).torch()) * torch.linspace(0.1, 1, 50)[:, None, None, None]
    >>> utility = Moderate().meet(images).utility(images)
    >>> bool(utility[25] > utility[0] and utility[25] > utility[49])
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Minus the squared distance of complexity from the reference's median."""
        usual = float(np.median(complexity(reference)))

        def closeness(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
            return -np.square(complexity(images) - usual)

        return closeness
