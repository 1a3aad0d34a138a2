"""Following a taste that changes: which course the votes speak for, and what is believed of the taste now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from penchant.core.contracts import Change, Group
from penchant.preference._change import FIRST, SINCE, suspicion
from penchant.preference._course import Broken, Course, Fading, Memory, present_belief, remembered_evidence
from penchant.preference._fitting import Hyperparameters, HyperPrior
from penchant.preference._observations import Observations

_MOST = 400
"""Votes that a course is fitted to, at most, the latest: its cost grows with their cube."""
_WORTH_A_LOOK = 4.0
"""Nats below an alarm from which on the hyperparameters of a changed taste are fitted."""
_KEPT = 1.0
"""Spread of how votes before and since a change go together, as the inverse hyperbolic tangent of the correlation."""


@dataclass(frozen=True)
class Followed:
    """The votes that count, their hyperparameters and plausibility, and how the taste goes on over them."""

    observations: Observations
    hyper: Hyperparameters
    plausible: float
    course: Course | None = None
    change: Change | None = None

    @property
    def since(self) -> int:
        """The number of the first vote after the last change; 0 where there was none."""
        return 0 if self.change is None else self.change.at

    @property
    def half_life(self) -> float:
        """In votes; infinite where nothing fades."""
        return self.course.half_life(self.hyper.course) if isinstance(self.course, Fading) else np.inf

    def belief(self, columns: Float[np.ndarray, " d"]) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
        """Mean and a square root of the covariance of the weights now, under a course; ``columns`` are prior scales."""
        if self.course is None:
            raise ValueError("without a course every vote is about the present; there is nothing to bring up to date")
        votes = self.observations
        mean, root = present_belief(
            votes.differences * columns,
            self.hyper.image * votes.images,
            self.course.memory(self.hyper.course),
            votes.ties,
            self.hyper.likelihood,
        )
        return columns * mean, columns[:, None] * root


@dataclass(frozen=True)
class Drift:
    """What is expected of changes; see the attributes of :class:`~penchant.preference.linear.Linear`.

    Changes are judged by evidence without lapses: with them the Laplace evidence of a vote that nothing else supports
    tends to 1 instead of 1/2 as scales grow, and a taste that is new with every vote would always win.
    """

    half_life: float
    half_life_spread: float
    drift_odds: float
    steady_votes: float

    def follow(self, still: Followed, prior: HyperPrior, groups: Sequence[Group], following: int) -> Followed:
        """``still``, the fit that takes the taste for constant, unless the votes speak for a change or a drift."""
        steadfast = replace(prior, lapse=0.0)
        votes, found, base = still.observations, still, still
        while len(votes) >= FIRST + SINCE:
            base = Followed(votes, *steadfast.fit(votes, groups))
            later = self._changed(base, steadfast, groups, following)
            if later is None:
                break
            found, votes = later, votes.where(votes.when >= later.since)
        if found.change is None or len(votes) >= _MOST // 2:
            if found.change is not None:
                found = Followed(votes, *prior.fit(votes, groups), change=found.change)
            found = self._faded(found, base, steadfast, groups, following)
        if found.course is None:
            return found
        likelihood = replace(found.hyper.likelihood, lapse=still.hyper.likelihood.lapse)
        return replace(found, hyper=replace(found.hyper, likelihood=likelihood))

    def _changed(self, base: Followed, prior: HyperPrior, groups: Sequence[Group], following: int) -> Followed | None:
        """With the change of mind that is more probable than none, one being expected in ``steady_votes``; or None.

        Where there is something to suspect at the hyperparameters of a constant taste, for which a changed one looks
        like noise, those of a changed one are fitted, with how far votes before and since go together.
        """
        if not self.steady_votes < np.inf:
            return None
        amount, at, rest = suspicion(base.observations, base.hyper, base.hyper.columns(groups))
        if amount < np.log(self.steady_votes) - _WORTH_A_LOOK:
            return None
        votes = _around(base.observations, at)
        constant = base.plausible if len(votes) == len(base.observations) else prior.fit(votes, groups)[1]
        broken = Broken(votes.when, at, _KEPT)
        hyper, plausible = prior.fit(votes, groups, broken)
        probability = float(expit(max(amount, rest + plausible - constant) - np.log(self.steady_votes)))
        if probability <= 0.5:
            return None
        return Followed(votes, hyper, plausible, broken, Change(at, following - at, probability))

    def _faded(
        self, still: Followed, base: Followed, prior: HyperPrior, groups: Sequence[Group], following: int
    ) -> Followed:
        """With the drift that is more probable than none; or ``still``. ``base`` is the fit without lapses."""
        if not (self.half_life < np.inf and len(still.observations) >= FIRST + SINCE):
            return still
        latest = _latest(still.observations, _MOST)
        if len(latest) < len(base.observations):
            base = Followed(latest, *prior.fit(latest, groups))
        if not _drawn_to_fading(base, groups):
            return still
        fading = Fading(latest.when, following, self.half_life, self.half_life_spread)
        hyper, plausible = prior.fit(latest, groups, fading)
        if plausible + np.log(self.drift_odds) <= base.plausible:
            return still
        return Followed(latest, hyper, plausible, fading, still.change)


def _latest(votes: Observations, most: int) -> Observations:
    return votes if len(votes) <= most else votes.where(votes.when >= np.sort(votes.when)[-most])


def _around(votes: Observations, at: int) -> Observations:
    """As many votes on either side as a course is fitted to at most, those nearest to ``at``."""
    before, since = np.sort(votes.when[votes.when < at]), np.sort(votes.when[votes.when >= at])
    half = _MOST // 2
    if len(before) <= half and len(since) <= half:
        return votes
    first, last = before[-half:][0], since[:half][-1]
    return votes.where((votes.when >= first) & (votes.when <= last))


def _drawn_to_fading(still: Followed, groups: Sequence[Group]) -> bool:
    """Whether the evidence rises as the half-life, infinite so far, becomes finite; else a fit is spared."""
    votes = still.observations
    apart = np.abs(votes.when[:, None] - votes.when).astype(np.float64)
    constant = Memory(np.ones_like(apart), np.ones(len(votes)), -apart)
    design = votes.differences * still.hyper.columns(groups)
    _, slope = remembered_evidence(
        design, still.hyper.image * votes.images, constant, votes.ties, still.hyper.likelihood
    )
    return slope > 0
