"""The question on which a committee of plausible tastes is most divided: query by committee."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from penchant.core.contracts import Candidates, Posterior, Proposal
from penchant.queries._checks import checked_count, checked_settings
from penchant.queries._pairs import PairScore, best_pairs, pair_variances, upper
from penchant.queries._shortlist import Shortlist, shortlist


@dataclass(frozen=True)
class Disagreement:
    """Query by committee (Seung et al. 1992; McCallum & Nigam 1998): the members are draws from the belief.

    Each member predicts every pair, and the pair is asked where their probabilities spread most: some are sure of one
    image, some of the other. What ``bald`` computes with infinitely many members, this estimates with a few; use it
    with a belief that can be drawn from but has no formula for its information, or where the chance in a small
    committee is welcome as exploration. Otherwise ``bald`` is exact and costs less, and it knows of slips and ties.

    Attributes:
        members: joint draws of the taste.
        shortlist: images of which all pairs are scored; the cost is members × its square (8 × 128²: about 2 ms).
        freshness: standard deviations of the score an image loses for every doubling of 1 + shown.
        spacing: distance kept between the images of a pair and of a batch, as a share of the median one.
    """

    members: int = 8
    shortlist: int = 128
    freshness: float = 0.1
    spacing: float = 0.25

    def __post_init__(self) -> None:
        checked_settings(self.shortlist, self.freshness, self.spacing)
        if self.members < 2:
            raise ValueError(f"a committee needs at least 2 members; found {self.members}")

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """The most divisive pairs of a random shortlist.

        A score is the standard deviation of the members' probabilities, 0 to ½; the propensity is 1 given shortlist
        and members.

        Raises:
            NotReady: fewer than two candidates, or none that differ.
            BadImages: features that are not finite.
        """
        checked_count(count)
        chosen = shortlist(candidates, posterior, self.shortlist, 0.0, rng)
        score = _spread(chosen, posterior, self.members, rng)
        return best_pairs(chosen, posterior, count, score, self.freshness, self.spacing, rng)


def _spread(chosen: Shortlist, posterior: Posterior, members: int, rng: np.random.Generator) -> PairScore:
    """The score for this committee; where a batch has imagined answers, opinions move together as the variance fell."""
    first, second = upper(len(chosen))
    utilities = posterior.draw(chosen.features, members, rng) - posterior.mean(chosen.features)
    deviations = (utilities[:, first] - utilities[:, second]) / np.sqrt(
        pair_variances(posterior.covariance(chosen.features))
    )

    def spread(
        means: Float[np.ndarray, " p"], others: Float[np.ndarray, " p"], variance: Float[np.ndarray, " p"]
    ) -> Float[np.ndarray, " p"]:
        return expit((means - others) + np.sqrt(variance) * deviations).std(axis=0)

    return spread
