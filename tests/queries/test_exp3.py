"""Discounted Exp3: steps by hand, and a bandit whose better arm changes."""

import numpy as np
import pytest

from penchant.core.contracts import Asked
from penchant.core.exp3 import Exp3
from penchant.queries._exp3 import UNKNOWING, replay

ARMS = ["one", "two", "three"]


def test_a_turn_by_hand():
    bandit = Exp3(exploration=0.3, rate=0.5, discount=0.9)
    weights = np.log([1.0, 2.0, 1.0])
    np.testing.assert_allclose(bandit.probabilities(weights), [0.275, 0.45, 0.275])  # .7·(¼, ½, ¼) + .1
    after = bandit.updated(weights, np.array([0.0, 1.0, 0.0]), 0.2)
    np.testing.assert_allclose(after, [0, 0.9 * np.log(2) + 0.5 * 0.2 / 0.45, 0])


def test_a_history_by_hand():
    bandit = Exp3(exploration=0.3, rate=0.5, discount=0.9)
    history = [
        Asked("one", False, 0.1),  # what a chosen pair told is never looked at
        Asked("one", False, None),
        Asked("random", True, 0.5),  # gain ln 2 − .5, all of it by one
        Asked("two", False, 2.0),
        Asked("random", True, None),  # nobody knows: the turn goes on
        Asked("one", False, 2.0),
        Asked("random", True, 0.9),  # gain −.4, half by one and half by two
        Asked("random", True, 5.0),  # nothing between: no turn, a new level
        Asked("three", False, 0.2),
        Asked("random", True, 0.1),  # 4.9 counts as 1
    ]
    weights, turn = replay(bandit, history, ARMS)
    expected = np.array([0.5 * (UNKNOWING - 0.5) * 3, 0, 0])
    p = 0.7 * np.exp(expected) / np.exp(expected).sum() + 0.1
    expected = 0.9 * expected + 0.5 * -0.4 * np.array([0.5, 0.5, 0]) / p
    p = 0.7 * np.exp(expected) / np.exp(expected).sum() + 0.1
    expected = 0.9 * expected + np.array([0, 0, 0.5 / p[2]])
    np.testing.assert_allclose(weights, expected)
    assert turn is None


def test_a_turn_lasts_until_the_next_audit_or_for_twenty_questions():
    bandit = Exp3(0.2, 0.2, 0.95)
    history: list[Asked] = []
    for asked in range(1, 41):
        history.append(Asked("two", False, 0.3))
        assert replay(bandit, history, ARMS)[1] == (None if asked % 20 == 0 else "two")
    assert replay(bandit, [*history, Asked("two", False, 0.3), Asked("random", True, 0.3)], ARMS)[1] is None


def test_estimates_are_unbiased():
    # However unequal the chances: the mean of s·g/p over the arm drawn is every arm's own gain.
    bandit = Exp3(exploration=0.2, rate=1.0, discount=1.0)
    weights, gains = np.array([1.5, 0.0, -1.0]), np.array([0.3, -0.1, 0.2])
    steps = [bandit.updated(weights, np.eye(3)[arm], gains[arm]) - weights for arm in range(3)]
    np.testing.assert_allclose(bandit.probabilities(weights) @ np.array(steps), gains)


@pytest.mark.parametrize("seed", range(5))
def test_it_shifts_to_the_better_arm_and_comes_back_after_a_change(seed: int):
    bandit, rng = Exp3(exploration=0.2, rate=0.2, discount=0.95), np.random.default_rng(seed)
    history: list[Asked] = []
    played: list[int] = []
    surprise = UNKNOWING
    for audit in range(400):
        better = 0 if audit < 200 else 2
        weights, turn = replay(bandit, history[-600:], ARMS)
        assert turn is None
        arm = int(rng.choice(3, p=bandit.probabilities(weights)))
        surprise -= (0.4 if arm == better else -0.2) + 0.2 * rng.normal()
        history += [Asked(ARMS[arm], False, rng.random())] * 5 + [Asked("random", True, surprise)]
        played.append(arm)
    shares = [np.bincount(played[start : start + 100], minlength=3) / 100 for start in (100, 300)]
    assert shares[0][0] > 0.6
    assert shares[1][2] > 0.6
    assert min(*shares[0], *shares[1]) > 0.02  # the floor is 0.067


def test_every_arm_keeps_its_floor():
    chances = Exp3(exploration=0.15, rate=1, discount=1).probabilities(np.array([1000.0, 0.0, -1000.0]))
    np.testing.assert_allclose(chances, [0.9, 0.05, 0.05])
