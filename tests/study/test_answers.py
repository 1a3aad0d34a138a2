"""What answers show by themselves: evidence, agreement with oneself, and the bounds that follow from it."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from penchant.core.contracts import Choice
from penchant.store import Query
from penchant.study.answers import Consistency, Share, audit_accuracy, consistency, evidence

LEFT, RIGHT, TIE, SKIP = Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.SKIP
PLAIN = Query(1, "a", "b", 1, 0, 1, "bald", 0.9, False, 0.0, 0.5, 0, None, None, 1, 0.0)


def asked(number: int, predicted: float | None = 0.5, audit: bool = False, repeat_of: int | None = None) -> Query:
    return replace(PLAIN, number=number, predicted=predicted, audit=audit, repeat_of=repeat_of)


def test_evidence_is_how_much_better_than_a_coin_choices_were_predicted():
    votes = {1: (asked(1, 0.75), LEFT), 2: (asked(2, 0.75), RIGHT), 3: (asked(3, 0.9), TIE), 4: (asked(4, None), LEFT)}
    assert evidence(votes) == pytest.approx(log(1.5) + log(0.5))
    assert evidence({**votes, 5: (asked(5, 0.99, repeat_of=1), LEFT)}) == evidence(votes)
    assert evidence({}) == 0


def test_a_coin_tosser_seldom_reaches_convincing_evidence_whatever_is_predicted():
    rng = np.random.default_rng(0)
    convinced = 0
    for _ in range(300):
        tosses = rng.random(100) < 0.5
        bold = rng.uniform(0.1, 0.9, 100)
        choices = [LEFT if toss else RIGHT for toss in tosses]
        votes = {n: (asked(n, float(p)), choice) for n, (p, choice) in enumerate(zip(bold, choices, strict=True))}
        so_far = np.cumsum([evidence({n: vote}) for n, vote in votes.items()])
        convinced += so_far.max() >= log(20)
    assert 0 < convinced <= 0.05 * 300 + 2.6 * np.sqrt(300 * 0.05 * 0.95)


def test_audits_alone_are_counted_for_accuracy_and_no_prediction_is_half():
    votes = {1: (asked(1, 0.9, True), LEFT), 2: (asked(2, 0.5, True), LEFT), 3: (asked(3, 0.1), LEFT)}
    assert audit_accuracy(votes) == Share(1.5, 2)
    assert audit_accuracy({}).value is None
    assert audit_accuracy({}).interval is None


def test_agreement_counts_the_same_image_chosen_on_the_other_side_by_the_same_voter():
    votes = {
        1: (asked(1, audit=True), LEFT),
        2: (asked(2, audit=True), LEFT),
        3: (asked(3, audit=True), RIGHT),
        4: (asked(4, audit=True), RIGHT),
        5: (asked(5, repeat_of=1), RIGHT),
        6: (asked(6, repeat_of=2), LEFT),
        7: (asked(7, repeat_of=3), TIE),
        8: (asked(8, repeat_of=4), LEFT),
        9: (asked(9, repeat_of=99), LEFT),
    }
    voters = dict.fromkeys(votes, "me") | {8: "somebody else"}
    found = consistency(votes, voters)
    assert found.again == Share(1, 2)
    assert found.undecided == 1
    assert found.left == Share(5, 8)


@pytest.mark.parametrize("likelier", [[0.5], [1.0], [0.8], [0.5, 1.0], [0.55, 0.7, 0.9, 0.99]])
def test_the_ceiling_holds_for_any_mixture_of_clear_and_hard_pairs(likelier: list[float]):
    m = np.array(likelier)
    agreement = float((m**2 + (1 - m) ** 2).mean())
    many = 10**7
    ceiling = Consistency(Share(agreement * many, many), 0, Share(0, 0)).ceiling
    assert ceiling is not None
    assert ceiling[0] - 1e-3 <= m.mean() <= ceiling[1] + 1e-3


def test_nothing_asked_twice_bounds_nothing():
    found = consistency({1: (asked(1), SKIP)}, {1: "me"})
    assert found.ceiling is None
    assert found.again.value is None
    assert found.left.value is None
