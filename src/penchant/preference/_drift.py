"""Following a taste that changes: which course the votes speak for, and what is believed of the taste now."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int
from scipy.special import expit

from penchant.core.contracts import Change
from penchant.preference._change import FIRST, SINCE, suspicion
from penchant.preference._course import Broken, Course, Fading, Memory
from penchant.preference._design import Design
from penchant.preference._fitting import Hyperparameters, HyperPrior
from penchant.preference._observations import Observations

Build = Callable[[Observations], Design]

_MOST = 400
"""Votes that a course is fitted to, at most, the latest: its cost grows with their cube."""
_WORTH_A_LOOK = 4.0
"""Nats below an alarm from which on the hyperparameters of a changed taste are fitted."""
_KEPT, _SOON = 1.0, 30
"""Spread of how votes before and since a change go together, as the inverse hyperbolic tangent of the correlation; and
votes since before which it is proportionally smaller, lest a few of them turn all that was learned upside down."""


@dataclass(frozen=True)
class Followed:
    """The votes that count, their hyperparameters and plausibility, and how the taste goes on over them."""

    design: Design
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

    def follow(self, still: Followed, prior: HyperPrior, build: Build, following: int) -> Followed:
        """``still``, the fit that takes the taste for constant, unless the votes speak for a change or a drift.

        ``build`` makes the design of some of the votes; ``following`` is the number of the next vote.
        """
        steadfast = replace(prior, lapse=0.0)
        design, found, base = still.design, still, still
        while len(design.observations) >= FIRST + SINCE:
            base = Followed(design, *steadfast.fit(design))
            later = self._changed(base, steadfast, build, following)
            if later is None:
                break
            votes = design.observations
            found, design = later, build(votes.where(votes.when >= later.since))
        if found.change is None or len(design.observations) >= _MOST // 2:
            if found.change is not None:
                found = Followed(design, *prior.fit(design), change=found.change)
            found = self._faded(found, base, steadfast, build, following)
        if found.course is None:
            return found
        likelihood = replace(found.hyper.likelihood, lapse=still.hyper.likelihood.lapse)
        return replace(found, hyper=replace(found.hyper, likelihood=likelihood))

    def _changed(self, base: Followed, prior: HyperPrior, build: Build, following: int) -> Followed | None:
        """With the change of mind that is more probable than none, one being expected in ``steady_votes``; or None.

        Where there is something to suspect at the hyperparameters of a constant taste, for which a changed one looks
        like noise, those of a changed one are fitted, with how far votes before and since go together.
        """
        if not self.steady_votes < np.inf:
            return None
        amount, at, rest = suspicion(base.design, base.hyper)
        if amount < np.log(self.steady_votes) - _WORTH_A_LOOK:
            return None
        all_votes = base.design.observations
        votes = _around(all_votes, at)
        whole = len(votes) == len(all_votes)
        design = base.design if whole else build(votes)
        constant = base.plausible if whole else prior.fit(design)[1]
        broken = Broken(votes.when, at, _KEPT * min(1.0, int((votes.when >= at).sum()) / _SOON))
        hyper, plausible = prior.fit(design, broken)
        probability = float(expit(max(amount, rest + plausible - constant) - np.log(self.steady_votes)))
        if probability <= 0.5:
            return None
        return Followed(design, hyper, plausible, broken, Change(at, following - at, probability))

    def _faded(self, still: Followed, base: Followed, prior: HyperPrior, build: Build, following: int) -> Followed:
        """With the drift that is more probable than none; or ``still``. ``base`` is the fit without lapses."""
        votes = still.design.observations
        if not (self.half_life < np.inf and len(votes) >= FIRST + SINCE):
            return still
        latest = _latest(votes, _MOST)
        if len(latest) < len(base.design.observations):
            design = build(latest)
            base = Followed(design, *prior.fit(design))
        if not _drawn_to_fading(base):
            return still
        seen = base.design.observations
        fading = Fading(seen.when, following, self.half_life, self.half_life_spread)
        hyper, plausible = prior.fit(base.design, fading)
        if plausible + np.log(self.drift_odds) <= base.plausible:
            return still
        return Followed(base.design, hyper, plausible, fading, still.change)


def _latest(votes: Observations, most: int) -> Observations:
    return votes if len(votes) <= most else votes.where(np.sort(np.argsort(votes.when, kind="stable")[-most:]))


def _around(votes: Observations, at: int) -> Observations:
    """As many votes on either side as a course is fitted to at most, those nearest to ``at``."""
    half = _MOST // 2
    order = np.argsort(votes.when, kind="stable")
    before, since = order[votes.when[order] < at], order[votes.when[order] >= at]
    if len(before) <= half and len(since) <= half:
        return votes
    return votes.where(np.sort(np.concatenate([before[-half:], since[:half]])))


@dataclass(frozen=True)
class _Constant:
    """A fading so slow that nothing fades, by the rate instead of the half-life."""

    when: Int[np.ndarray, " t"]
    spread: float = 0.0

    def memory(self, parameter: float) -> Memory:
        """See :class:`~penchant.preference._course.Course`."""
        apart = np.abs(self.when[:, None] - self.when).astype(np.float64)
        return Memory(np.exp(-parameter * apart), np.ones(len(self.when)), -apart)


def _drawn_to_fading(still: Followed) -> bool:
    """Whether the evidence rises as the half-life, infinite so far, becomes finite; else a fit is spared."""
    return still.hyper.remembered(still.design, _Constant(still.design.observations.when))[1] > 0
