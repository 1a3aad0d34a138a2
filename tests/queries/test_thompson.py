"""Thompson: duels between plausible favourites, asked as often as their propensity says."""

import numpy as np
import pytest
from tests.queries.test_family import belief, pool

from penchant.core.contracts import Candidates
from penchant.queries._draws import shares
from penchant.queries._shortlist import shortlist
from penchant.queries.thompson import Thompson, _ordered


def test_shares_count_the_best_images():
    utilities = np.array([[3.0, 1, 2], [0, 1, 2], [0, 5, 2], [9, 1, 2]])
    np.testing.assert_array_equal(shares(utilities), [0.5, 0.25, 0.25])


def test_propensities_of_all_pairs_sum_to_one():
    features = np.random.default_rng(0).normal(size=(7, 6))
    utilities = belief().draw(features, 50, np.random.default_rng(0))
    total = sum(_ordered(utilities, features, a, b) for a in range(7) for b in range(7) if a != b)
    assert total == pytest.approx(1)


def test_propensity_is_how_often_the_pair_is_asked():
    # With very many draws the shares hardly depend on them, so repeated proposals show the propensity.
    candidates, posterior = pool(5), belief()
    strategy = Thompson(draws=3000)
    found = [strategy.propose(candidates, posterior, 1, np.random.default_rng(seed)) for seed in range(400)]
    pairs = [frozenset(map(int, proposal.pairs[0])) for proposal in found]
    commonest = max(set(pairs), key=pairs.count)
    said = np.mean([p.propensities[0] for p, pair in zip(found, pairs, strict=True) if pair == commonest])
    assert pairs.count(commonest) / 400 == pytest.approx(said, abs=0.08)


def test_favourites_meet():
    candidates, posterior = pool(1000), belief(60)
    rank = np.argsort(np.argsort(-posterior.mean(candidates.features)))
    pairs = [Thompson().propose(candidates, posterior, 1, np.random.default_rng(seed)).pairs[0] for seed in range(20)]
    assert np.median(rank[np.array(pairs)]) < 60


def test_twins_of_a_favourite_are_no_rivals():
    features = np.vstack([np.full((4, 6), 3.0), np.random.default_rng(0).normal(size=(4, 6)) * 0.1])
    candidates = Candidates(features, np.zeros(8, dtype=np.int64))
    assert len(shortlist(candidates, belief(), 8, 0.5, np.random.default_rng(0))) == 8
    for seed in range(10):
        a, b = Thompson().propose(candidates, belief(), 1, np.random.default_rng(seed)).pairs[0]
        assert (features[a] != features[b]).any()


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="draws must be positive"):
        Thompson(draws=0)
