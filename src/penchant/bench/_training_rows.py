"""From trainings to rows: shares needed, what dirt costs, labels, top-k; means over seeds with standard errors."""

from collections.abc import Sequence

import numpy as np

from penchant.bench._running import Row
from penchant.bench._training_trials import Trial

ALL = "all"
TOLERANCE = 2.0
"""Standard errors within which two KIDs count as alike."""


def summary(trials: Sequence[Trial], fixed: Sequence[str], adaptive: str) -> list[Row]:
    """Every figure of the benchmark that these trials tell."""
    rows: list[Row] = []
    for part, tell in (("needed", _needed), ("dirty", _dirty), ("top-k", _top_k)):
        found = [one for one in trials if one.part == part]
        for source, generator in sorted({(one.source, one.generator) for one in found}):
            own = [one for one in found if (one.source, one.generator) == (source, generator)]
            rows += tell(f"{source}, {generator.partition('(')[0]}", own, fixed, adaptive)
    return rows + _wanted([one for one in trials if one.part == "wanted"])


def mean_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error over seeds; None for a single one."""
    found = np.array(values)
    return float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else None


def figures(trials: Sequence[Trial], strategy: str, share: float, name: str) -> dict[int, float]:
    """Of each seed."""
    return {one.seed: one.figures[name] for one in trials if (one.strategy, one.share) == (strategy, share)}


def as_good(trials: Sequence[Trial], strategy: str, share: float) -> bool | None:
    """Whether a share does what all images do: KID within error of it over the same seeds, coverage ≥ .95 of it.

    None with fewer than two seeds of both.
    """
    difference, mine, theirs = (
        _paired(trials, (strategy, share), (ALL, 1.0), "kid"),
        *(figures(trials, *which, "coverage") for which in ((strategy, share), (ALL, 1.0))),
    )
    if len(difference) < 2:
        return None
    mean, error = mean_error(difference)
    assert error is not None
    seeds = mine.keys() & theirs.keys()
    covered = np.mean([mine[seed] for seed in seeds]) >= 0.95 * np.mean([theirs[seed] for seed in seeds])
    return bool(mean <= TOLERANCE * error and covered)


def _paired(trials: Sequence[Trial], first: tuple[str, float], second: tuple[str, float], name: str) -> list[float]:
    mine, theirs = figures(trials, *first, name), figures(trials, *second, name)
    return [mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys())]


def _needed(what: str, trials: Sequence[Trial], fixed: Sequence[str], adaptive: str) -> list[Row]:
    rows = _plain(what, trials)
    shares = sorted({one.share for one in trials if one.strategy != ALL})
    needed: dict[str, float] = {}
    for strategy in dict.fromkeys(one.strategy for one in trials if one.strategy != ALL):
        judged = {share: as_good(trials, strategy, share) for share in shares}
        if None in judged.values():
            continue
        needed[strategy] = next((share for share in shares if judged[share]), 1.0)
    best = min((name for name in fixed if name in needed), key=lambda name: needed[name], default=None)
    for name, called in ((best, f"best fixed ({best})"), (adaptive, "adaptive"), ("random", "random")):
        if name is not None and name in needed:
            bar = None if name == "random" else "≤ 0.4"
            told = f"{what}: share of the images that {called} needs"
            rows.append(Row(told, needed[name]) if bar is None else Row.against(told, needed[name], bar))
    if shares and best is not None and adaptive in needed:
        rows += _adaptive(what, trials, fixed, adaptive, shares[-1])
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


def _dirty(what: str, trials: Sequence[Trial], fixed: Sequence[str], adaptive: str) -> list[Row]:
    rows = _plain(f"{what}, dirty", trials)
    for strategy, share in sorted({(one.strategy, one.share) for one in trials if one.strategy != ALL}):
        difference = _paired(trials, (strategy, share), (ALL, 1.0), "kid")
        if difference:
            mean, error = mean_error(difference)
            told = f"{what}, dirty: KID of {strategy} at {share:g} less that of everything"
            rows.append(Row.against(told, mean, "< 0", error))
    return rows


def _top_k(what: str, trials: Sequence[Trial], fixed: Sequence[str], adaptive: str) -> list[Row]:
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
    for asked in sorted({one.share for one in trials if one.strategy == "top_score"}):
        difference = _paired_labels(trials, asked)
        if difference:
            mean, error = mean_error(difference)
            told = f"one class wanted: precision with {asked:g} labels by top_score less {3 * asked:g} by random"
            rows.append(Row.against(told, mean, "≥ 0", error))
    return rows


def _paired_labels(trials: Sequence[Trial], asked: float) -> list[float]:
    return _paired(trials, ("top_score", asked), ("random", 3 * asked), "precision")


def _plain(what: str, trials: Sequence[Trial]) -> list[Row]:
    rows: list[Row] = []
    for strategy, share in sorted({(one.strategy, one.share) for one in trials}):
        for name in ("kid", "coverage"):
            mean, error = mean_error(list(found := figures(trials, strategy, share, name).values()))
            note = f"{len(found)} seeds"
            rows.append(Row(f"{what}, {strategy} at {share:g}: {name}", mean, error, note=note))
    return rows
