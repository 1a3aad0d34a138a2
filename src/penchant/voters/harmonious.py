"""Likes colours that go together."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from penchant.voters._answering import Answering
from penchant.voters._tastes import Taste, colour_harmony


@dataclass(frozen=True)
class Harmonious(Answering):
    """A voter who likes one hue, or two opposite ones, whichever they are; blind to grey images.

    A taste in colour that is not linear in any amount of any hue.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Harmonious().meet(images)
    >>> abs(float(voter.utility(images).std()) - 1) < 1e-6
    True
    """

    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """How well the colours lie on one line through grey; the same whatever the reference."""
        return colour_harmony
