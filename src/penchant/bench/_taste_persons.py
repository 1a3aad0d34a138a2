"""One person's votes, and how well the answers to other pairs are foretold from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from penchant.bench._running import Row
from penchant.bench._taste_learners import LOGISTIC, RANDOM, Learner, Logistic, ModelLearner
from penchant.bench._taste_people import Crowd, crowd
from penchant.bench._taste_scores import accuracy, calibration_error, log_loss
from penchant.core.contracts import Choice, PriorTaste, Progress, Report, Votes
from penchant.core.rng import Rng
from penchant.preference import trusted

CHECKPOINTS = (0, 1, 10, 30, 100)
OTHERS, ANSWERS_EACH = 100, 5
"""Answers of other people that come before a person's own: they tell how far the others' mean can be trusted."""

OWN, SEEN, CROWD = "own votes", "own votes, new pairs of items asked about", "own votes after the others'"

PATTERN_BARS: dict[str, dict[int, float]] = {OWN: {30: 0.72, 100: 0.76}, CROWD: dict.fromkeys((1, 10, 30, 100), 0.757)}


@dataclass(frozen=True)
class Setting:
    """How people are measured; see :class:`penchant.bench.taste.Taste`."""

    preference: str
    strategy: str
    refit_every: int
    people: int
    packs: str | None


def people_rows(name: str, setting: Setting, report: Report) -> list[Row]:
    """Accuracy, log-loss and calibration on a third of each person's items, which are never asked about.

    Means over people, with the standard error over people; raises BadImages where the pack is missing.
    """
    everybody = crowd(name, setting.packs)
    found: dict[tuple[str, str], list[_Foretold]] = {}
    chosen = Rng(2026).child(name).numpy().permutation(len(everybody.ratings))[: setting.people]
    for place, person in enumerate(chosen.tolist()):
        for way, learner, trial in _of_person(everybody, person, setting):
            found.setdefault((way, learner), []).append(trial)
        report(Progress(name, (place + 1) / len(chosen)))
    return [*_rows(name, setting.strategy, found), *_ceiling(everybody)]


def _of_person(everybody: Crowd, person: int, setting: Setting) -> Iterator[tuple[str, str, "_Foretold"]]:
    asked, kept = _split(everybody, person)

    def model(own: Crowd, pool: Int[np.ndarray, " k"], strategy: str, known: PriorTaste | None = None) -> Learner:
        return ModelLearner(own.features[pool], own.groups, setting.preference, strategy, setting.refit_every, known)

    yield OWN, LOGISTIC, _foretold(Logistic(everybody.features[asked]), everybody, person, asked, kept)
    for strategy in dict.fromkeys((RANDOM, setting.strategy)):
        yield OWN, strategy, _foretold(model(everybody, asked, strategy), everybody, person, asked, kept)
    everything = everybody.rated(person)
    again = _foretold(model(everybody, everything, RANDOM), everybody, person, everything, everything)
    yield SEEN, RANDOM, again
    seen = everybody.with_others(person)
    column = np.zeros(seen.features.shape[1])
    column[-1] = 1.0
    known = PriorTaste(column, *trusted(*_of_others(everybody, person)))
    for strategy in dict.fromkeys((RANDOM, setting.strategy)):
        yield CROWD, strategy, _foretold(model(seen, asked, strategy, known), seen, person, asked, kept)
    yield CROWD, "the others' mean alone", _mean_alone(seen, person, kept)


@dataclass(frozen=True, eq=False)
class _Foretold:
    """For every checkpoint the believed differences and the probabilities, for the same answers."""

    believed: dict[int, Float[np.ndarray, " p"]]
    predicted: dict[int, Float[np.ndarray, " p"]]
    answered: Float[np.ndarray, " p"]


def _split(everybody: Crowd, person: int) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " m"]]:
    """Items to ask about, and a third that is kept for testing."""
    items = Rng(2026).child("items", person).numpy().permutation(everybody.rated(person))
    third = len(items) // 3
    return np.sort(items[third:]), np.sort(items[:third])


def _of_others(everybody: Crowd, person: int) -> tuple[Sequence[Float[np.ndarray, " 1"]], Sequence[Votes]]:
    """Random answers of random others, and for each of them what is known: the mean of all but him and ``person``."""
    rng = Rng(2026).child("others", person).numpy()
    people: list[Votes] = []
    for other in rng.permutation(np.delete(np.arange(len(everybody.ratings)), person))[: OTHERS // ANSWERS_EACH]:
        mean = everybody.others(person, int(other))[:, None]
        pairs = np.array([rng.choice(everybody.rated(int(other)), 2, replace=False) for _ in range(ANSWERS_EACH)])
        choices = [everybody.answer(int(other), int(a), int(b)) for a, b in pairs]
        people.append(Votes(mean[pairs[:, 0]], mean[pairs[:, 1]], choices))
    return [np.ones(1)] * len(people), people


def _foretold(
    learner: Learner, own: Crowd, person: int, asked: Int[np.ndarray, " k"], kept: Int[np.ndarray, " m"]
) -> _Foretold:
    """Asked about pairs of ``asked``; what is foretold of pairs of ``kept``, without those that were asked."""
    first, second, answered = _test_pairs(own, person, kept)
    believed: dict[int, np.ndarray] = {}
    predicted: dict[int, np.ndarray] = {}
    rng = Rng(2026).child("person", person)
    for number in range(CHECKPOINTS[-1] + 1):
        if number in CHECKPOINTS:
            if number:
                learner.catch_up()
            means = learner.mean(own.features)
            believed[number] = means[first] - means[second]
            predicted[number] = learner.predict(own.features[first], own.features[second])
        if number < CHECKPOINTS[-1]:
            left, right = learner.ask(rng.child(number).numpy())
            learner.tell(left, right, own.answer(person, int(asked[left]), int(asked[right])))
    known = set(zip(asked[learner.left].tolist(), asked[learner.right].tolist(), strict=True))
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    new = np.array([(a, b) not in known and (b, a) not in known for a, b in pairs])
    return _Foretold(
        {votes: values[new] for votes, values in believed.items()},
        {votes: values[new] for votes, values in predicted.items()},
        answered[new],
    )


def _mean_alone(seen: Crowd, person: int, kept: Int[np.ndarray, " m"]) -> _Foretold:
    first, second, answered = _test_pairs(seen, person, kept)
    difference = seen.features[first, -1] - seen.features[second, -1]
    return _Foretold({0: difference}, {}, answered)


def _test_pairs(
    own: Crowd, person: int, kept: Int[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """All pairs of kept items that the person did not rate equal; 1 where the first was rated higher."""
    pairs = np.array([(a, b) for a, b in combinations(kept.tolist(), 2) if own.answer(person, a, b) != Choice.TIE])
    first, second = pairs.reshape(-1, 2).T
    return first, second, (own.ratings[person, first] > own.ratings[person, second]).astype(np.float64)


def _rows(name: str, strategy: str, found: dict[tuple[str, str], list[_Foretold]]) -> Iterator[Row]:
    for (prior, learner), trials in found.items():
        for votes in trials[0].believed:
            where = f"people: {name} · {prior} · {learner}"
            values = [accuracy(one.believed[votes], one.answered > 0.5) for one in trials if len(one.answered)]
            bar = PATTERN_BARS.get(prior, {}).get(votes) if (name, learner) == ("patterns", strategy) else None
            mean, error = _mean(values)
            what = f"{where} · accuracy · {votes}"
            yield Row(what, mean, error) if bar is None else Row.against(what, mean, f"≥ {bar}", error)
            if trials[0].predicted:
                p = np.concatenate([one.predicted[votes] for one in trials])
                q = np.concatenate([one.answered for one in trials])
                losses = [log_loss(one.predicted[votes], one.answered, np.ones(len(one.answered))) for one in trials]
                yield Row(f"{where} · log-loss · {votes}", *_mean(losses))
                yield Row(f"{where} · calibration error · {votes}", calibration_error(p, q, np.ones(len(p))))


def _ceiling(everybody: Crowd) -> Iterator[Row]:
    """If a person's two answers slip independently with chance s, they agree in (1 − s)² + s² of pairs."""
    agree, count = everybody.consistency()
    name = f"people: {everybody.name} · a person against the same person again"
    if not count:
        yield Row.left_out(name, "nobody rated anything twice")
        return
    yield Row(f"{name}, {count} pairs", agree)
    yield Row(f"people: {everybody.name} · ceiling of any model, by that", (1 + np.sqrt(2 * agree - 1)) / 2)


def _mean(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
