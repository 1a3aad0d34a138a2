"""The closest call: the pair whose answer is predicted with the least confidence."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Candidates, Posterior, Proposal
from penchant.queries._checks import checked_count, checked_settings
from penchant.queries._pairs import best_pairs, predictive
from penchant.queries._shortlist import shortlist


def least_confidence(
    first: Float[np.ndarray, " p"], second: Float[np.ndarray, " p"], variance: Float[np.ndarray, " p"]
) -> Float[np.ndarray, " p"]:
    """min(p̄, 1 − p̄), the predicted share of the rarer answer: ½ for a toss-up, 0 where the answer is known.

    >>> float(least_confidence(np.zeros(1), np.zeros(1), np.ones(1))[0])
    0.5
    """
    return predictive(-np.abs(first - second), variance)


@dataclass(frozen=True)
class Uncertainty:
    """Uncertainty sampling (Lewis & Gale 1994): the textbook baseline of active learning.

    It cannot tell two images about which nothing is known from two that are known to be equally good; the second kind
    is a coin toss for the voter too and teaches nothing. Use it to compare with; ``bald`` keeps the two apart at the
    same price. Before the first vote all pairs are equally uncertain and it asks at random.

    Attributes:
        shortlist: images of which all pairs are scored; the cost is its square (128: about 1 ms).
        freshness: standard deviations of the score an image loses for every doubling of 1 + shown.
        spacing: distance kept between the images of a pair and of a batch, as a share of the median one.
    """

    shortlist: int = 128
    freshness: float = 0.1
    spacing: float = 0.25

    def __post_init__(self) -> None:
        checked_settings(self.shortlist, self.freshness, self.spacing)

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """The pairs of a random shortlist predicted closest to ½; scores to ½.

        The propensity given the shortlist is 1, or 1 / k where k pairs are equally uncertain.

        Raises:
            NotReady: fewer than two candidates, or none that differ.
            BadImages: features that are not finite.
        """
        checked_count(count)
        chosen = shortlist(candidates, posterior, self.shortlist, 0.0, rng)
        return best_pairs(chosen, posterior, count, least_confidence, self.freshness, self.spacing, rng)
