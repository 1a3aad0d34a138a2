"""Comparisons that count differently much."""

import numpy as np
import pytest

from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.metrics import effective_number, linear_strengths


def test_two_items_have_the_logit_of_the_weighted_share():
    """Three wins that count once and a loss that counts twice: log(3 / 2)."""
    differences, outcomes = np.ones((4, 1)), np.array([1.0, 1, 1, 0])
    found = linear_strengths(differences, outcomes, np.array([1.0, 1, 1, 2]), 1e-9)
    assert found[0] == pytest.approx(np.log(3 / 2), abs=1e-4)
    tied = linear_strengths(np.ones((2, 1)), np.array([1.0, 0.5]), np.ones(2), 1e-9)
    assert tied[0] == pytest.approx(np.log(3), abs=1e-4)


def test_a_weight_of_two_is_the_same_comparison_twice():
    numbers = Rng(0).numpy()
    differences, outcomes = numbers.standard_normal((20, 3)), numbers.choice([0.0, 0.5, 1.0], 20)
    twice = np.concatenate([differences, differences[:5]]), np.concatenate([outcomes, outcomes[:5]])
    weights = np.ones(20)
    weights[:5] = 2
    np.testing.assert_allclose(
        linear_strengths(differences, outcomes, weights, 1.0), linear_strengths(*twice, np.ones(25), 1.0), atol=1e-4
    )


def test_inverse_propensities_undo_a_choice_of_pairs():
    """A taste that bends, on a feature that is straight: chosen pairs tell another slope than random ones.

    Pairs of large differences, where the taste is flat, are asked five times as often as others.
    """
    numbers = Rng(1).numpy()
    differences = numbers.uniform(-2, 2, (40_000, 1))
    probability = 1 / (1 + np.exp(-3 * np.tanh(2 * differences[:, 0])))
    outcomes = (numbers.random(len(differences)) < probability).astype(float)
    propensity = np.where(np.abs(differences[:, 0]) > 1, 1.0, 0.2)
    asked = numbers.random(len(differences)) < propensity
    chosen, answers, inverse = differences[asked], outcomes[asked], 1 / propensity[asked]
    truth = linear_strengths(differences, outcomes, np.ones(len(differences)), 1e-6)[0]
    plain = linear_strengths(chosen, answers, np.ones(len(chosen)), 1e-6)[0]
    weighted = linear_strengths(chosen, answers, inverse, 1e-6)[0]
    assert abs(plain / truth - 1) > 0.08
    assert abs(weighted / truth - 1) < 0.04
    assert effective_number(inverse) < len(inverse)


def test_what_cannot_be_weighted_is_refused():
    for weights, ridge in ((np.array([-1.0]), 1.0), (np.array([np.nan]), 1.0), (np.ones(1), 0.0)):
        with pytest.raises(BadConfiguration, match="weights of at least 0"):
            linear_strengths(np.ones((1, 1)), np.ones(1), weights, ridge)
    assert effective_number(np.zeros(3)) == 0
