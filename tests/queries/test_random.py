"""Random pairs: uniform, whatever was shown, with their true propensity."""

from itertools import combinations

import numpy as np
import pytest
from tests.queries.test_family import belief, pool, unordered

from penchant.core.contracts import Candidates
from penchant.queries.random import Random


def test_pairs_are_uniform_whatever_was_shown():
    candidates = Candidates(pool(5).features, np.array([50, 0, 0, 0, 0]))
    posterior, rng = belief(), np.random.default_rng(0)
    counts = dict.fromkeys(map(frozenset, combinations(range(5), 2)), 0)
    for _ in range(4000):
        (pair,) = unordered(Random().propose(candidates, posterior, 1, rng))
        counts[pair] += 1
    expected = 400
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 27.9  # the 99.9% point with 9 degrees of freedom


def test_propensity_is_the_probability_of_being_among_the_pairs():
    one = Random().propose(pool(100), belief(), 1, np.random.default_rng(0))
    assert one.propensities[0] == pytest.approx(1 / 4950)
    many = Random().propose(pool(100), belief(), 10, np.random.default_rng(0))
    np.testing.assert_allclose(many.propensities, 10 / 4950)
    all_of_two = Random().propose(pool(2), belief(), 3, np.random.default_rng(0))
    np.testing.assert_allclose(all_of_two.propensities, 1)
