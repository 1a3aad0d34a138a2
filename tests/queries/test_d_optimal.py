"""D-optimal: the score against the determinant it stands for."""

import numpy as np
import pytest
from tests.queries.test_family import belief, pool

from penchant.preference.linear import LinearPosterior
from penchant.queries.d_optimal import DOptimal, log_volume


def test_score_is_the_growth_of_the_log_determinant():
    posterior = belief()
    assert isinstance(posterior, LinearPosterior)
    candidates = pool(40)
    found = DOptimal().propose(candidates, posterior, 1, np.random.default_rng(0))
    left, right = candidates.features[found.pairs[0]].astype(float)
    covariance = posterior.factor @ posterior.factor.T
    difference = left - right
    variance = difference @ covariance @ difference
    p = 1 / (1 + np.exp(-difference @ posterior.mean_weights / np.sqrt(1 + np.pi * variance / 8)))
    precision = np.linalg.inv(covariance)
    after = precision + p * (1 - p) * np.outer(difference, difference)
    growth = np.linalg.slogdet(after)[1] - np.linalg.slogdet(precision)[1]
    assert found.scores[0] == pytest.approx(growth, rel=1e-4)


def test_log_volume_is_none_for_a_known_difference_and_grows_with_variance():
    variance = np.array([0.0, 1.0, 10.0, 1000.0])
    found = log_volume(np.zeros(4), np.zeros(4), variance)
    np.testing.assert_allclose(found, np.log(1 + variance / 4))
    assert (log_volume(np.full(4, 3.0), np.zeros(4), variance) <= found).all()
