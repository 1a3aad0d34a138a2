"""From trials to rows: means over tastes with standard errors over seeds, and how soon a mark is reached."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from penchant.bench._running import Row
from penchant.bench._taste_cases import HONEST, LINEAR, NON_LINEAR
from penchant.bench._taste_learners import LOGISTIC, PAIRWISE_GP, PEERS
from penchant.bench._taste_trial import ACCURACY, CALIBRATION, FIGURES, LOG_LOSS, Outcome

ACCURACY_BARS = {"linear tastes": (0.84, 0.90, 0.93), "other tastes": (0.75, 0.82, 0.87)}
"""After 20, 50 and 100 votes on the embedded set."""

COIN = 0.693

SHARED = "tastes of all learners"


@dataclass(frozen=True)
class Cell:
    """What a trial was about."""

    pictures: str
    manner: str
    learner: str
    taste: str


Trials = Mapping[Cell, Sequence[Outcome]]
"""Every cell's outcomes, one a seed."""


def rows_of(trials: Trials, strategy: str) -> list[Row]:
    """All rows; the bars are for ``strategy`` on the embedded set."""
    rows: list[Row] = []
    for pictures, manner, learner in dict.fromkeys((cell.pictures, cell.manner, cell.learner) for cell in trials):
        where = f"{pictures} · {manner} · {learner}"
        barred = (pictures, manner, learner) == ("embedded", HONEST, strategy)
        own = {
            cell.taste: trials[cell]
            for cell in trials
            if (cell.pictures, cell.manner, cell.learner) == (pictures, manner, learner)
        }
        shared = _shared_tastes(trials, pictures, manner)
        kinds = {
            "all tastes": tuple(own),
            "linear tastes": tuple(taste for taste in own if taste in LINEAR),
            "other tastes": tuple(taste for taste in own if taste in NON_LINEAR),
            SHARED: tuple(taste for taste in own if taste in shared),
        }
        for kind, tastes in kinds.items():
            if tastes and (kind == "all tastes" or len(tastes) < len(own)):
                rows += _kind_rows(f"{where} · {kind}", [own[taste] for taste in tastes], kind if barred else None)
        if len(own) > 1:
            rows += _taste_rows(where, own)
    rows += _reach_rows(trials, strategy)
    rows += _worst_rows(trials)
    return rows


def lead_rows(trials: Trials, strategy: str) -> Iterator[Row]:
    """How far ahead of the Gaussian process the strategy is, on the tastes and the votes that both had."""
    peers = {cell: outcomes for cell, outcomes in trials.items() if cell.learner == PAIRWISE_GP}
    both = [(trials[replace(cell, learner=strategy)], outcomes) for cell, outcomes in peers.items()]
    for votes in _checkpoints([both[0][1]]) if both else ():
        ours, theirs = (over_seeds(side, ACCURACY, votes) for side in zip(*both, strict=True))
        if ours is not None and theirs is not None:
            error = np.hypot(standard_error(ours) or 0.0, standard_error(theirs) or 0.0)
            what = f"embedded · {HONEST} · lead of {strategy} over {PAIRWISE_GP} · {ACCURACY} · {votes}"
            yield Row.against(what, float(ours.mean() - theirs.mean()), "≥ 0", float(error))


def _shared_tastes(trials: Trials, pictures: str, manner: str) -> set[str]:
    by_learner: dict[str, set[str]] = {}
    for cell in trials:
        if (cell.pictures, cell.manner) == (pictures, manner):
            by_learner.setdefault(cell.learner, set()).add(cell.taste)
    return set.intersection(*by_learner.values())


def over_seeds(tastes: Sequence[Sequence[Outcome]], figure: str, votes: int) -> Float[np.ndarray, "t s"] | None:
    """The figure, tastes × seeds; None where it was not taken."""
    if any(votes not in outcome[figure] for outcomes in tastes for outcome in outcomes):
        return None
    return np.array([[outcome[figure][votes] for outcome in outcomes] for outcomes in tastes])


def standard_error(values: Float[np.ndarray, "t s"]) -> float | None:
    """Over seeds, of the mean over tastes; None for a single seed."""
    means = values.mean(axis=0)
    return float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else None


def votes_to_reach(curve: Mapping[int, float], mark: float) -> float:
    """The first number of votes, between those measured by straight lines, at which a curve is at ``mark``; or ∞.

    >>> round(votes_to_reach({10: 0.6, 20: 0.8, 30: 0.9}, 0.7), 6)
    15.0
    """
    before: tuple[int, float] | None = None
    for votes, value in sorted(curve.items()):
        if value >= mark:
            if before is None:
                return float(votes)
            return before[0] + (votes - before[0]) * (mark - before[1]) / (value - before[1])
        before = (votes, value)
    return float("inf")


def _checkpoints(tastes: Sequence[Sequence[Outcome]]) -> list[int]:
    return sorted(tastes[0][0][LOG_LOSS])


def _kind_rows(where: str, tastes: Sequence[Sequence[Outcome]], barred: str | None) -> Iterator[Row]:
    for figure in FIGURES:
        for votes in _checkpoints(tastes):
            values = over_seeds(tastes, figure, votes)
            if values is None:
                continue
            what, value, error = f"{where} · {figure} · {votes}", float(values.mean()), standard_error(values)
            bar = _bar(figure, votes, barred)
            yield Row.against(what, value, bar, error) if bar else Row(what, value, error)


def _bar(figure: str, votes: int, barred: str | None) -> str | None:
    if figure == ACCURACY and barred in ACCURACY_BARS and votes in (20, 50, 100):
        return f"≥ {ACCURACY_BARS[barred][(20, 50, 100).index(votes)]:.2f}"
    if figure == CALIBRATION and barred == "all tastes" and votes == 100:
        return "≤ 0.03"
    return None


def _taste_rows(where: str, own: Mapping[str, Sequence[Outcome]]) -> Iterator[Row]:
    for taste, outcomes in own.items():
        for figure in FIGURES:
            for votes in _checkpoints([outcomes]):
                values = over_seeds([outcomes], figure, votes)
                if values is not None:
                    yield Row(f"{where} · {taste} · {figure} · {votes}", float(values.mean()), standard_error(values))


def _reach_rows(trials: Trials, strategy: str) -> Iterator[Row]:
    """Votes that every learner needs for what random pairs and logistic regression reach with their last."""
    for pictures in dict.fromkeys(cell.pictures for cell in trials):
        by_learner: dict[str, list[float]] = {}
        last = 0
        for cell, outcomes in trials.items():
            peer = trials.get(Cell(pictures, HONEST, LOGISTIC, cell.taste))
            if cell.pictures != pictures or cell.manner != HONEST or cell.learner == LOGISTIC or peer is None:
                continue
            last = max(peer[0][ACCURACY])
            mark = float(np.mean([outcome[ACCURACY][last] for outcome in peer]))
            by_learner.setdefault(cell.learner, []).append(votes_to_reach(mean_curve(outcomes), mark))
        for learner, needed in by_learner.items():
            what = f"{pictures} · {HONEST} · {learner} · votes to reach {LOGISTIC} after {last}, median over tastes"
            value = float(np.median(needed))
            bar = "≤ 45" if (pictures, learner) == ("embedded", strategy) else None
            if np.isinf(value):
                yield Row(what, None, bar=bar, met=None if bar is None else False, note="not reached")
            else:
                yield Row(what, value) if bar is None else Row.against(what, value, bar)


def mean_curve(outcomes: Sequence[Outcome]) -> dict[int, float]:
    """Accuracy by votes, mean over seeds."""
    return {votes: float(np.mean([one[ACCURACY][votes] for one in outcomes])) for votes in outcomes[0][ACCURACY]}


def _worst_rows(trials: Trials) -> Iterator[Row]:
    """The largest log-loss of every learner, mean over seeds, over tastes, manners and checkpoints."""
    worst: dict[tuple[str, str, str], tuple[float, str]] = {}
    for cell, outcomes in trials.items():
        for votes in outcomes[0][LOG_LOSS]:
            value = float(np.mean([outcome[LOG_LOSS][votes] for outcome in outcomes]))
            key = (cell.pictures, cell.manner, cell.learner)
            if value > worst.get(key, (-np.inf, ""))[0]:
                worst[key] = (value, f"{cell.taste}, {votes} votes")
    for (pictures, manner, learner), (value, which) in worst.items():
        what = f"{pictures} · {manner} · {learner} · worst log-loss ({which})"
        yield Row(what, value) if learner in PEERS else Row.against(what, value, f"≤ {COIN}")
