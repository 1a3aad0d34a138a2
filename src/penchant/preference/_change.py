"""Noticing a change of mind: a Bayesian change point, with few false alarms by Shiryaev's and Roberts's statistic."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from penchant.preference._design import Design
from penchant.preference._fitting import Hyperparameters
from penchant.preference._laplace import find_mode, system_of

Array = Float[np.ndarray, "..."]

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


def suspicion(design: Design, hyper: Hyperparameters) -> Suspicion:
    """The Shiryaev-Roberts statistic Σ_τ Z(before τ)·Z(since τ) / Z(all) over places τ of a change.

    The votes since are judged by the prior, not by what was believed before: any other taste will do. The statistic's
    expectation grows by 1 with every vote of somebody who does not change, whatever is asked, so that it passes A about
    once in A votes (Pollak 1987), as far as the model holds. Laplace's approximation gives each Z. The places τ are
    SINCE votes apart lately and a tenth of their distance long ago; each stands for those up to the next. Every vote
    since costs WORTH, so that there are fewer false alarms than that. −∞ before
    there are FIRST + SINCE votes. Cost: some thirty modes for 100 votes, as much as a refit.
    """
    observations = design.observations
    order = np.argsort(observations.when, kind="stable")
    places = _places(observations.when[order])
    if not len(places):
        return Suspicion(-np.inf, 0, 0.0)
    columns = (design.columns * hyper.columns(design.blocks))[order]
    ties, when, weights = observations.ties[order], observations.when[order], observations.weights[order]
    offset = (design.offset + hyper.likelihood.margin * ~observations.pairs)[order]

    def log_evidence(votes: slice, near: Array | None) -> tuple[float, Array]:
        """With the mode, from which the search at the next place, whose votes are nearly the same, begins."""
        system = system_of(columns[votes])
        start = near if near is not None and len(near) == system.size else None  # duals are of another size each
        mode = find_mode(
            system, ties[votes], hyper.likelihood, start, offset=offset[votes], weights=weights[votes], accuracy=1e-2
        )
        return mode.objective - 0.5 * system.log_determinant(mode.terms.information), mode.coefficients

    together, near = log_evidence(slice(None), None)
    before, since = near, near
    found: list[float] = []
    for place in places:
        first, before = log_evidence(slice(place), before)
        second, since = log_evidence(slice(place, None), since)
        found.append(first + second)
    evidences = np.array(found)
    shares = evidences - together - WORTH * (len(observations) - places) + np.log(np.diff([*places, len(observations)]))
    amount, best = float(np.logaddexp.reduce(shares)), int(shares.argmax())
    return Suspicion(amount, int(when[places[best]]), amount - float(evidences[best] - together))


def _places(when: Int[np.ndarray, " t"]) -> Int[np.ndarray, " p"]:
    """Places to look at, in order: every SINCE rows among the last 50, then ever farther apart.

    What came with one vote stays together, so places move to the first row of theirs.
    """
    places: list[int] = []
    ago = SINCE
    while len(when) - ago >= FIRST:
        places.append(len(when) - ago)
        ago += SINCE * max(1, ago // (10 * SINCE))
    firsts = np.unique(np.searchsorted(when, when[np.array(places, dtype=np.int64)]))
    return firsts[firsts > 0]
