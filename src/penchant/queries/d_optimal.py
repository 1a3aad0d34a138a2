"""The question that shrinks the volume of what the taste could be the most: Bayesian D-optimal design."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Candidates, Posterior, Proposal
from penchant.queries._checks import checked_count, checked_settings
from penchant.queries._pairs import best_pairs, predictive
from penchant.queries._shortlist import shortlist


def log_volume(
    first: Float[np.ndarray, " p"], second: Float[np.ndarray, " p"], variance: Float[np.ndarray, " p"]
) -> Float[np.ndarray, " p"]:
    """Log(1 + p̄(1 − p̄)·v): what a logistic vote adds to log det of the precision, in nats (twice the volume's log).

    With d the feature difference and ω = p̄(1 − p̄), det(Σ⁻¹ + ω·ddᵀ) = det(Σ⁻¹)·(1 + ω·dᵀΣd) (Chaloner & Verdinelli
    1995 for the criterion; Khuri et al. 2006 for logistic models).

    >>> float(log_volume(np.zeros(1), np.zeros(1), np.array([0.0]))[0])
    0.0
    """
    p = predictive(first - second, variance)
    return np.log1p(p * (1 - p) * variance)


@dataclass(frozen=True)
class DOptimal:
    """Ask where the belief is widest and the answer open: the determinant that design of experiments maximises.

    The cheap cousin of ``bald``: no table and no integral, the same order of questions while the belief is narrow. It
    has no ceiling of ln 2, so early on it favours pairs that lie far apart even more. Use it to see whether the exact
    information is worth its price (within a point of accuracy on the embedded pictures), and as an arm of
    ``adaptive``; otherwise prefer ``bald``. It knows neither slips nor ties.

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
        """The pairs of a random shortlist with the largest gain in log-determinant; propensity 1 given the shortlist.

        Raises:
            NotReady: fewer than two candidates, or none that differ.
            BadImages: features that are not finite.
        """
        checked_count(count)
        chosen = shortlist(candidates, posterior, self.shortlist, 0.0, rng)
        return best_pairs(chosen, posterior, count, log_volume, self.freshness, self.spacing, rng)
