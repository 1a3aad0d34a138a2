"""Uncertainty: the closest call, whether or not anything can be learned from it."""

import numpy as np
import pytest
from tests.queries.test_family import GROUPS, belief, pool, unordered

from penchant.core.contracts import PREFERENCE
from penchant.queries.uncertainty import Uncertainty, least_confidence


def test_the_pair_predicted_closest_to_one_half_is_asked():
    candidates, posterior = pool(30), belief()
    first, second = np.triu_indices(30, 1)
    predicted = posterior.predict(candidates.features[first], candidates.features[second])
    closest = int(np.abs(predicted - 0.5).argmin())
    found = Uncertainty(freshness=0, spacing=0).propose(candidates, posterior, 1, np.random.default_rng(0))
    assert unordered(found) == {frozenset((int(first[closest]), int(second[closest])))}


def test_score_is_the_probability_of_the_rarer_answer():
    found = least_confidence(np.array([2.0, 0.0, 1.0]), np.array([0.0, 2.0, 1.0]), np.array([8 / np.pi] * 3))
    rarer = 1 / (1 + np.exp(2 / np.sqrt(2)))
    np.testing.assert_allclose(found, [rarer, rarer, 0.5])


def test_before_the_first_vote_any_pair_is_as_good():
    prior = PREFERENCE.make("linear").prior(GROUPS)
    found = [Uncertainty(spacing=0).propose(pool(6), prior, 1, np.random.default_rng(seed)) for seed in range(150)]
    assert all(proposal.propensities[0] == pytest.approx(1 / 15) for proposal in found)
    assert len(set.union(*map(unordered, found))) == 15
