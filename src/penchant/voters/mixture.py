"""Likes several things at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import LEAST_SPREAD, Taste, light_contrast, mirror_symmetry, warmth


@dataclass(frozen=True)
class Mixture(Answering):
    """A voter who likes warm colours, left-right symmetry and contrast of light, in the proportions given.

    Each part counts by its weight times its standardised value; a part that is the same in all reference images
    (warmth, where they are grey) counts nothing.

    Args:
        warm, symmetric, high_contrast: the weights; negative ones are dislikes.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Mixture(warm=1.0, symmetric=0.5, high_contrast=0.0).meet(images)
    >>> abs(float(voter.utility(images).mean())) < 1e-6
    True
    """

    warm: float = 1.0
    symmetric: float = 1.0
    high_contrast: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warm == self.symmetric == self.high_contrast == 0:
            raise ValueError("a mixture needs a weight other than 0; found warm = symmetric = high_contrast = 0")

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """The weighted sum of the parts, each standardised on ``reference``."""
        parts: list[tuple[float, float, Taste]] = []
        for weight, part in (
            (self.warm, warmth),
            (self.symmetric, mirror_symmetry),
            (self.high_contrast, light_contrast),
        ):
            values = part(reference)
            if values.std() > LEAST_SPREAD:
                parts.append((weight / float(values.std()), float(values.mean()), part))

        def sum_of_parts(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
            return sum((weight * (part(images) - mean) for weight, mean, part in parts), np.zeros(len(images)))

        return sum_of_parts
