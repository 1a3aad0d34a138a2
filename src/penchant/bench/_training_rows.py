"""From trainings to rows: shares needed, what dirt costs, labels, top-k; means over seeds with standard errors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student_t

from penchant.bench._running import Row
from penchant.bench._training_trials import Trial
from penchant.bench._training_wanted import TOLD

ALL = "all"
TOLERANCE = 2.0
"""Standard errors within which two KIDs count as alike."""
MARGIN = 0.1
"""Of the KID of all images: a share whose KID is larger by less than this is as good for every purpose."""
COVERED = 0.05
"""Of the coverage of all images: as much may be lost."""


def summary(trials: Sequence[Trial], fixed: Sequence[str], adaptive: str | None) -> list[Row]:
    """Every figure of the benchmark that these trials tell."""
    rows: list[Row] = []
    for part, tell in (("needed", _needed), ("dirty", _dirty), ("top-k", _top_k)):
        found = [one for one in trials if one.part == part]
        for source, generator in sorted({(one.source, one.generator) for one in found}):
            own = [one for one in found if (one.source, one.generator) == (source, generator)]
            rows += tell(f"{source}, {generator.partition('(')[0]}", own, fixed, adaptive)
    return rows + _wanted([one for one in trials if one.part == "wanted"])


@dataclass(frozen=True)
class Bound:
    """A loss with its standard error, and how many errors its one-sided 95% ends lie away (Student's t)."""

    mean: float
    error: float
    quantile: float

    @property
    def upper(self) -> float:
        """It is surely less than this."""
        return self.mean + self.quantile * self.error

    @property
    def lower(self) -> float:
        """It is surely more than this."""
        return self.mean - self.quantile * self.error


def mean_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error over seeds; None for a single one."""
    found = np.array(values)
    return float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else None


def figures(trials: Sequence[Trial], strategy: str, share: float, name: str) -> dict[int, float]:
    """Of each seed."""
    return {one.seed: one.figures[name] for one in trials if (one.strategy, one.share) == (strategy, share)}


def loss(trials: Sequence[Trial], strategy: str, share: float) -> tuple[Bound, Bound] | None:
    """What a share loses against all images over the same seeds: in KID, as a share of the KID of all, and coverage.

    None with fewer than two seeds of both.
    """
    found: list[Bound] = []
    for name, sign in (("kid", 1.0), ("coverage", -1.0)):
        whole = figures(trials, ALL, 1.0, name)
        difference = _paired(trials, (strategy, share), (ALL, 1.0), name)
        if len(difference) < 2:
            return None
        mean, error = mean_error(difference)
        assert error is not None
        scale = float(np.mean(list(whole.values())))
        quantile = float(student_t.ppf(0.95, len(difference) - 1))
        found.append(Bound(sign * mean / scale, error / scale, quantile))
    return found[0], found[1]


def as_good(trials: Sequence[Trial], strategy: str, share: float) -> bool | None:
    """Whether a share is *shown* to do what all images do, or shown not to; None while the errors leave it open.

    A test of non-inferiority (one-sided, 5%): shown to, where even the upper end of what it loses is within the margin
    (:data:`MARGIN` of KID and :data:`COVERED` of coverage); shown not to, where the lower end of one is beyond it. So
    noise is never rewarded: wide errors leave things open.
    """
    found = loss(trials, strategy, share)
    if found is None:
        return None
    within = [(one.upper <= margin, one.lower > margin) for one, margin in zip(found, (MARGIN, COVERED), strict=True)]
    if all(good for good, _ in within):
        return True
    return False if any(bad for _, bad in within) else None


def _paired(trials: Sequence[Trial], first: tuple[str, float], second: tuple[str, float], name: str) -> list[float]:
    mine, theirs = figures(trials, *first, name), figures(trials, *second, name)
    return [mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys())]


def _needed(what: str, trials: Sequence[Trial], fixed: Sequence[str], adaptive: str | None) -> list[Row]:
    rows = _plain(what, trials) + _losses(what, trials)
    shares = sorted({one.share for one in trials if one.strategy != ALL})
    needed: dict[str, float] = {}
    for strategy in dict.fromkeys(one.strategy for one in trials if one.strategy != ALL):
        if all(loss(trials, strategy, share) for share in shares):
            needed[strategy] = next((share for share in shares if as_good(trials, strategy, share)), 1.0)
    best = min((name for name in fixed if name in needed), key=lambda name: needed[name], default=None)
    for name, called in ((best, f"best fixed ({best})"), (adaptive, "adaptive"), ("random", "random")):
        if name is not None and name in needed:
            told = f"{what}: share of the images that {called} needs, shown"
            row = Row(told, needed[name]) if name == "random" else Row.against(told, needed[name], "≤ 0.4")
            unsure = [share for share in shares if share < needed[name] and as_good(trials, name, share) is None]
            rows.append(replace(row, note=f"open at {', '.join(map(str, unsure))}") if unsure else row)
    if shares and best is not None and adaptive is not None and adaptive in needed:
        rows += _adaptive(what, trials, fixed, adaptive, shares[-1])
    return rows


def _losses(what: str, trials: Sequence[Trial]) -> list[Row]:
    """What each share loses against all images."""
    rows: list[Row] = []
    for strategy, share in sorted({(one.strategy, one.share) for one in trials if one.strategy != ALL}):
        found = loss(trials, strategy, share)
        if found is not None:
            verdict = {True: "as good", False: "worse", None: "open"}[as_good(trials, strategy, share)]
            for name, one in zip(("KID", "coverage"), found, strict=True):
                told = f"{what}, {strategy} at {share:g}: {name} lost, of that of all images"
                rows.append(Row(told, one.mean, one.error, note=verdict))
    return rows


def _adaptive(what: str, trials: Sequence[Trial], fixed: Sequence[str], adaptive: str, share: float) -> list[Row]:
    means = {
        name: mean_error(list(found.values()))[0] for name in fixed if (found := figures(trials, name, share, "kid"))
    }
    best = min(means, key=lambda name: means[name])
    mine = mean_error(list(figures(trials, adaptive, share, "kid").values()))[0]
    error = mean_error(_paired(trials, (adaptive, share), (best, share), "kid"))[1]
    ratio, told = mine / means[best], f"{what}: KID of adaptive / best fixed ({best}) at {share:g}"
    return [Row.against(told, ratio, "≤ 1.1", None if error is None else error / means[best])]


def _dirty(what: str, trials: Sequence[Trial], fixed: Sequence[str], adaptive: str | None) -> list[Row]:
    rows = _plain(f"{what}, dirty", trials)
    for strategy, share in sorted({(one.strategy, one.share) for one in trials if one.strategy != ALL}):
        difference = _paired(trials, (strategy, share), (ALL, 1.0), "kid")
        if difference:
            mean, error = mean_error(difference)
            told = f"{what}, dirty: KID of {strategy} at {share:g} less that of everything"
            rows.append(Row.against(told, mean, "< 0", error))
    return rows


def _top_k(what: str, trials: Sequence[Trial], fixed: Sequence[str], adaptive: str | None) -> list[Row]:
    rows = _plain(f"{what}, top-k", trials)
    difference = _paired(trials, ("top_k", 1.0), (ALL, 1.0), "kid")
    if len(difference) > 1:
        mean, error = mean_error(difference)
        assert error is not None
        told = f"{what}: KID with top-k updates less that without"
        rows.append(Row(told, mean, error, "≤ 2 errors", mean <= TOLERANCE * error))
    return rows


def _wanted(trials: Sequence[Trial]) -> list[Row]:
    rows: list[Row] = []
    for strategy, asked in sorted({(one.strategy, one.share) for one in trials}):
        for name in ("precision", "chosen rightly"):
            mean, error = mean_error(list(figures(trials, strategy, asked, name).values()))
            rows.append(Row(f"one class wanted, {asked:g} labels by {strategy}: {name}", mean, error))
    for asked in sorted({one.share for one in trials if one.strategy == TOLD}):
        difference = _paired_labels(trials, asked)
        if difference:
            mean, error = mean_error(difference)
            told = f"one class wanted: precision with {asked:g} labels by {TOLD} less {3 * asked:g} by random"
            rows.append(Row.against(told, mean, "≥ 0", error))
    return rows


def _paired_labels(trials: Sequence[Trial], asked: float) -> list[float]:
    return _paired(trials, (TOLD, asked), ("random", 3 * asked), "precision")


def _plain(what: str, trials: Sequence[Trial]) -> list[Row]:
    rows: list[Row] = []
    for strategy, share in sorted({(one.strategy, one.share) for one in trials}):
        for name in ("kid", "coverage"):
            mean, error = mean_error(list(found := figures(trials, strategy, share, name).values()))
            note = f"{len(found)} seeds"
            rows.append(Row(f"{what}, {strategy} at {share:g}: {name}", mean, error, note=note))
    return rows
