"""Likes what resembles a few favourites."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, thumbnails


@dataclass(frozen=True)
class Familiar(Answering):
    """A voter who likes what resembles one of a few favourite pictures, in colours and where they are.

    A taste in content: several islands in the space of pictures, which no linear model can hold.

    Args:
        favourites: how many; they are taken evenly spaced from the reference images.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> utility = Familiar(favourites=1).meet(images).utility(images)
    >>> int(utility.argmax())
    25
    """

    favourites: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.favourites < 1:
            raise ValueError(f"favourites must be at least 1; found {self.favourites}")

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Correlation of small copies with that of the most similar favourite, the mean picture taken off."""
        everything = thumbnails(reference)
        usual = everything.mean(0)
        places = ((np.arange(self.favourites) + 0.5) * len(reference) / self.favourites).astype(int)
        favourites = _directions(everything[places] - usual)

        def resemblance(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
            return (_directions(thumbnails(images) - usual) @ favourites.T).max(axis=1)

        return resemblance


def _directions(rows: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)
