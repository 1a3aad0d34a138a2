"""Check questions: what calls for them, and how many more there are."""

from dataclasses import dataclass

import pytest

from penchant.core.contracts import PREFERENCE, Change, Choice, Group
from penchant.study import Study, asking
from penchant.study.answers import Answers
from penchant.study.suspicion import suspicious

from .test_answers import asked

LEFT, RIGHT = Choice.LEFT, Choice.RIGHT
BELIEF = PREFERENCE.make("linear").prior([Group("all", 0, 2)])


@dataclass(frozen=True)
class Changed:
    """A belief that noticed a change of mind."""

    change: Change


def repeated(count: int, agreeing: int) -> Answers:
    """Audits, each asked again with its sides swapped; the first ``agreeing`` with the same image chosen."""
    first = {n: (asked(n, audit=True), LEFT) for n in range(count)}
    second = {
        100 + n: (asked(100 + n, repeat_of=n), RIGHT if place < agreeing else LEFT) for place, n in enumerate(first)
    }
    return {**first, **second}


def doubtful(answers: Answers, voter: str = "me") -> bool:
    return suspicious(answers, dict.fromkeys(answers, "me"), voter, BELIEF)


@pytest.mark.parametrize(
    ("count", "agreeing", "expected"),
    [
        (0, 0, False),
        (3, 0, False),
        (4, 2, True),
        (4, 3, False),
        (6, 4, False),
        (6, 3, True),
        (10, 7, False),
        (10, 6, True),
    ],
)
def test_repeats_that_disagree_are_suspicious_once_there_are_four(count: int, agreeing: int, expected: bool):
    assert doubtful(repeated(count, agreeing)) is expected
    assert not doubtful(repeated(count, agreeing), "somebody else")


def test_choices_that_come_true_no_more_often_than_a_coin_are_suspicious():
    def foretold(count: int, probability: float) -> Answers:
        return {n: (asked(n, probability), LEFT) for n in range(count)}

    assert doubtful(foretold(40, 0.5))
    assert not doubtful(foretold(39, 0.5))
    assert not doubtful(foretold(40, 0.6))


def test_a_change_of_mind_is_suspicious():
    assert suspicious({}, {}, "me", Changed(Change(3, 10, 0.99)))  # pyright: ignore[reportArgumentType]
    assert not suspicious({}, {}, "me", BELIEF)


@pytest.mark.parametrize(("wary", "share", "least", "most"), [(False, 0.05, 3, 4), (True, 0.1, 5, 7)])
def test_twice_as_many_are_asked_again_and_the_propensity_says_so(
    study: Study, monkeypatch: pytest.MonkeyPatch, wary: bool, share: float, least: int, most: int
):
    monkeypatch.setattr(asking, "suspicious", lambda *_: wary)
    queries = [study.next_query() for _ in range(1)]
    for _ in range(79):
        study.tell(queries[-1].number, "left", refit=False)
        queries.append(study.next_query())
    again = [query for query in queries if query.repeat_of is not None]
    assert least <= len(again) <= most
    assert sum(query.audit for query in queries) == 8
    assert all((share / query.propensity) == pytest.approx(round(share / query.propensity)) for query in again)
    others = [query for query in queries[40:] if query.repeat_of is None and query.strategy == "bald"]
    assert all(query.propensity in (pytest.approx(0.9), pytest.approx(0.9 - share)) for query in others)
    assert any(query.propensity == pytest.approx(0.9 - share) for query in others)
