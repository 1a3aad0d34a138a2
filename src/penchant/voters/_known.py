"""Simulated voters as their maker knows them: what they see in an image, and how probable each answer is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Choice

Seen = Float[np.ndarray, "n k"]
"""What a voter sees in n images: k numbers each, which decide its answers together with its state."""

Chances = Mapping[Choice, Float[np.ndarray, " n"]]
"""For n pairs the probability of every answer; over the answers they sum to 1."""


class KnownVoter(ABC):
    """A voter whose probabilities can be computed, so that what was learned of it can be checked exactly.

    Seeing is apart from deciding: looking at images is dear and is done once, deciding is cheap and may depend on how
    often the voter was asked.
    """

    @abstractmethod
    def see(self, images: Float[Tensor, "n c h w"]) -> Seen:
        """Everything about the images that can matter to this voter."""

    @abstractmethod
    def merit(self, seen: Seen) -> Float[np.ndarray, " n"] | None:
        """The present hidden utility, in standard deviations of the reference images; None where there is no taste."""

    @abstractmethod
    def chances(self, left: Seen, right: Seen) -> Chances:
        """How probable each answer is now, to somebody who knows the voter but not whose turn it is."""

    def decide(self, left: Float[np.ndarray, " k"], right: Float[np.ndarray, " k"], rng: np.random.Generator) -> Choice:
        """One vote on what was seen; takes one number from ``rng``."""
        chances = self.chances(left[None], right[None])
        edges = np.cumsum([float(chance[0]) for chance in chances.values()])
        place = int(np.searchsorted(edges, rng.random(), side="right"))
        return list(chances)[min(place, len(edges) - 1)]

    def utility(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"] | None:
        """The present hidden utility without noise; None where there is no taste."""
        return self.merit(self.see(images))

    def answer(self, left: Float[Tensor, "c h w"], right: Float[Tensor, "c h w"], rng: np.random.Generator) -> Choice:
        """One vote; takes one number from ``rng``."""
        return self.decide(self.see(left[None])[0], self.see(right[None])[0], rng)
