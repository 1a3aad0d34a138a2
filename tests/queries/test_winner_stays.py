"""Winner stays: the last winner and the image most worth trying against it, against Monte Carlo."""

from dataclasses import replace

import numpy as np
import pytest
from tests.queries.test_family import belief, pool, unordered

from penchant.core.contracts import Candidates
from penchant.queries.eubo import Eubo
from penchant.queries.winner_stays import WinnerStays


def test_challenger_maximises_the_expected_better_half_by_monte_carlo():
    candidates, posterior = replace(pool(30), previous_winner=4), belief()
    utilities = posterior.draw(candidates.features.astype(float), 100_000, np.random.default_rng(1))
    better = np.maximum(utilities, utilities[:, [4]]).mean(0)
    better[4] = -np.inf
    found = WinnerStays(freshness=0, spacing=0).propose(candidates, posterior, 1, np.random.default_rng(0))
    assert 4 in found.pairs[0]
    (challenger,) = set(map(int, found.pairs[0])) - {4}
    assert better[challenger] > better.max() - 0.03
    assert found.scores[0] == pytest.approx(better[challenger], abs=0.03)


def test_the_winner_is_found_in_a_large_pool_and_not_asked_twice_in_a_batch():
    candidates = replace(pool(3000), previous_winner=1234)
    pairs = WinnerStays().propose(candidates, belief(), 4, np.random.default_rng(0)).pairs
    assert 1234 in pairs[0]
    assert 1234 not in pairs[1:]


def test_without_a_winner_it_asks_as_eubo_does():
    found = WinnerStays().propose(pool(600), belief(), 3, np.random.default_rng(0))
    expected = Eubo().propose(pool(600), belief(), 3, np.random.default_rng(0))
    np.testing.assert_array_equal(found.pairs, expected.pairs)


def test_a_winner_that_only_has_twins_left_gives_way():
    features = np.vstack([np.ones((3, 6)), np.zeros((1, 6))])
    candidates = Candidates(features, np.zeros(4, dtype=np.int64), previous_winner=0)
    assert unordered(WinnerStays().propose(candidates, belief(), 1, np.random.default_rng(0))) == {frozenset((0, 3))}
    candidates = Candidates(np.vstack([features, features + 5]), np.zeros(8, dtype=np.int64), previous_winner=3)
    assert 3 in WinnerStays().propose(candidates, belief(), 1, np.random.default_rng(0)).pairs[0]


def test_a_winner_stays_though_all_others_are_near():
    features = np.vstack([np.zeros((1, 6)), np.random.default_rng(0).normal(size=(20, 6))])
    candidates = Candidates(features, np.zeros(21, dtype=np.int64), previous_winner=0)
    assert 0 in WinnerStays(spacing=3.0).propose(candidates, belief(), 1, np.random.default_rng(0)).pairs
