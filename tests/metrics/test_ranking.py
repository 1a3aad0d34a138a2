import math

import numpy as np
import pytest
from scipy.optimize import minimize

from penchant.core.errors import BadConfiguration
from penchant.metrics import bradley_terry, connected, votes_needed, win_rate


def drawn(scores: np.ndarray, tie: float, count: int, seed: int) -> tuple[np.ndarray, list[float]]:
    """Comparisons as Davidson's model gives them."""
    rng = np.random.default_rng(seed)
    pairs = np.array([rng.choice(len(scores), 2, replace=False) for _ in range(count)])
    outcomes: list[float] = []
    for first, second in pairs:
        weights = np.exp(
            [scores[first], scores[second], (scores[first] + scores[second]) / 2 + np.log(max(tie, 1e-300))]
        )
        outcomes.append(float(rng.choice([1.0, 0.0, 0.5], p=weights / weights.sum())))
    return pairs, outcomes


def test_scores_are_those_of_davidson_written_out() -> None:
    pairs, outcomes = drawn(np.array([0.5, 0.0, -0.8, 0.3]), 0.7, 60, 0)

    def loss(parameters: np.ndarray) -> float:
        scores, tie, total = parameters[:4], np.exp(parameters[4]), (parameters[4] / 2) ** 2 / 2
        for (i, j), outcome in zip(pairs, outcomes, strict=True):
            wins, loses = np.exp(scores[i]), np.exp(scores[j])
            ties = tie * np.sqrt(wins * loses)
            chance = {1.0: wins, 0.0: loses, 0.5: ties}[outcome] / (wins + loses + ties)
            total -= np.log(chance)
        return total + (scores**2).sum() / (2 * 1.5**2)

    expected = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-7}).x
    found = bradley_terry(4, pairs, outcomes, prior=1.5)
    np.testing.assert_allclose(found.scores, expected[:4], atol=1e-4)
    assert found.tie == pytest.approx(np.exp(expected[4]), rel=1e-3)


def test_scores_come_back_from_many_comparisons() -> None:
    truth = np.array([0.9, 0.1, -0.3, -0.7])
    found = bradley_terry(4, *drawn(truth, 0.5, 6000, 1), prior=10)
    np.testing.assert_allclose(found.scores, truth - truth.mean(), atol=0.12)
    assert found.tie == pytest.approx(0.5, abs=0.08)


def test_ties_alone_and_wins_alone_stay_finite() -> None:
    tied = bradley_terry(2, np.array([[0, 1]] * 5), [0.5] * 5)
    assert tied.scores == pytest.approx([0, 0])
    assert tied.tie > 1
    won = bradley_terry(2, np.array([[0, 1]] * 50), [1.0] * 50)
    assert won.tie == 0
    assert 1 < won.scores[0] - won.scores[1] < 10


def test_groups_that_were_never_compared_are_told() -> None:
    assert connected(5, np.array([[0, 1], [2, 3], [3, 2]])) == [[0, 1], [2, 3], [4]]
    assert connected(3, np.zeros((0, 2), int)) == [[0], [1], [2]]


def test_so_many_votes_give_a_verdict_in_four_of_five_trials() -> None:
    needed = int(votes_needed(0.65))
    assert needed == votes_needed(0.35) == 85
    wins = np.random.default_rng(2).binomial(needed, 0.65, 2000)
    power = np.mean([win_rate(int(w), needed - int(w)).low > 0.5 for w in wins])
    assert power == pytest.approx(0.8, abs=0.05)
    assert votes_needed(0.5) == math.inf


def test_what_is_no_comparison_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="two different ones of 2 items"):
        bradley_terry(2, np.array([[0, 2]]), [1.0])
    with pytest.raises(BadConfiguration, match="outcome of 0, ½ or 1"):
        bradley_terry(2, np.array([[0, 1]]), [0.7])
    with pytest.raises(BadConfiguration, match="a win rate is from 0 to 1"):
        votes_needed(1.2)
