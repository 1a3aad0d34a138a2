"""Likes vivid and many colours."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, vividness


@dataclass(frozen=True)
class Colourful(Answering):
    """A voter who likes saturated colours that differ from each other; blind to grey images.

    >>> import numpy, torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Colourful(lapse=0.0).meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """Mean chroma with its variety; the same whatever the reference."""
        return vividness
