"""Tosses a coin."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Choice
from penchant.voters._known import Chances, KnownVoter, Seen


@dataclass(frozen=True)
class Coin:
    """A voter without a taste, for seeing what a method finds where there is nothing to find.

    >>> import torch
    >>> voter = Coin(left=1.0).meet(torch.zeros(2, 1, 28, 28))
    >>> str(voter.answer(torch.zeros(1, 28, 28), torch.zeros(1, 28, 28), np.random.default_rng(0)))
    'left'

    Args:
        left: probability of answering left.
    """

    left: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.left <= 1:
            raise ValueError(f"left must be from 0 to 1; found {self.left}")

    def meet(self, reference: Float[Tensor, "n c h w"]) -> "CoinTosser":
        """The same whatever the reference."""
        return CoinTosser(self.left)


class CoinTosser(KnownVoter):
    """Answers left or right without looking; there is no utility to know."""

    def __init__(self, left: float):
        self._left = left

    def see(self, images: Float[Tensor, "n c h w"]) -> Seen:
        """Nothing."""
        return np.zeros((len(images), 0))

    def merit(self, seen: Seen) -> None:
        """None: nothing is preferred."""
        return None

    def chances(self, left: Seen, right: Seen) -> Chances:
        """Left or right."""
        always = np.ones(len(left))
        return {Choice.LEFT: self._left * always, Choice.RIGHT: (1 - self._left) * always}
