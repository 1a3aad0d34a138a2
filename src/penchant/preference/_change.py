"""Noticing a change of mind: a Bayesian change point, with few false alarms by Shiryaev's and Roberts's statistic."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from penchant.preference._fitting import Hyperparameters
from penchant.preference._laplace import find_mode, system_of
from penchant.preference._observations import Observations

FIRST = 30
"""Votes that there must be before a change: a mind is made up before it is changed."""
SINCE = 5
"""Votes that there must be since, and the finest step of places looked at."""
WORTH = 0.05
"""Nats by which every vote since must be better explained. Less is no change of mind, but a model that is not quite
right: with enough votes, slips that happened to come early would look like one."""


class Suspicion(NamedTuple):
    """``amount`` is the log of the statistic; ``at`` the number of the first vote after the best place.

    ``rest`` is what the amount has beyond the evidence at that place: what other places add, less what votes cost.
    """

    amount: float
    at: int
    rest: float


def suspicion(observations: Observations, hyper: Hyperparameters, columns: Float[np.ndarray, " d"]) -> Suspicion:
    """The Shiryaev-Roberts statistic Σ_τ Z(before τ)·Z(since τ) / Z(all) over places τ of a change.

    The votes since are judged by the prior, not by what was believed before: any other taste will do. The statistic's
    expectation grows by 1 with every vote of somebody who does not change, whatever is asked, so that it passes A about
    once in A votes (Pollak 1987), as far as the model holds. Laplace's approximation gives each Z. The places τ are
    SINCE votes apart lately and a tenth of their distance long ago; each stands for those up to the next. Every vote
    since costs WORTH, so that there are fewer false alarms than that. −∞ before
    there are FIRST + SINCE votes. Cost: some thirty modes for 100 votes, as much as a refit.
    """
    places = _places(len(observations))
    if not len(places):
        return Suspicion(-np.inf, 0, 0.0)
    ordered = observations.ordered(np.argsort(observations.when))
    design = np.hstack([ordered.differences * columns, hyper.image * ordered.images])
    ties, likelihood = ordered.ties, hyper.likelihood

    def log_evidence(votes: slice) -> float:
        system = system_of(design[votes])
        mode = find_mode(system, ties[votes], likelihood, accuracy=1e-2)
        return mode.objective - 0.5 * system.log_determinant(mode.terms.information)

    together = log_evidence(slice(None))
    evidences = np.array([log_evidence(slice(place)) + log_evidence(slice(place, None)) for place in places])
    shares = evidences - together - WORTH * (len(observations) - places) + np.log(np.diff([*places, len(observations)]))
    amount, best = float(np.logaddexp.reduce(shares)), int(shares.argmax())
    return Suspicion(amount, int(ordered.when[places[best]]), amount - float(evidences[best] - together))


def _places(count: int) -> Int[np.ndarray, " p"]:
    """Places to look at, in order: every SINCE votes among the last 50, then ever farther apart."""
    places: list[int] = []
    ago = SINCE
    while count - ago >= FIRST:
        places.append(count - ago)
        ago += SINCE * max(1, ago // (10 * SINCE))
    return np.array(places[::-1], dtype=np.int64)
