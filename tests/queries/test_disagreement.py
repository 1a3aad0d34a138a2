"""Query by committee: the spread of the members' predictions."""

import numpy as np
import pytest
from scipy.special import expit
from tests.queries.test_family import belief, pool, unordered

from penchant.core.contracts import QUERIES
from penchant.core.errors import BadConfiguration
from penchant.queries._pairs import pair_variances, upper
from penchant.queries._shortlist import shortlist
from penchant.queries.disagreement import Disagreement, _spread


def test_score_is_the_spread_of_the_members_own_predictions():
    candidates, posterior = pool(30), belief()
    chosen = shortlist(candidates, posterior, 30, 0.0, np.random.default_rng(0))
    first, second = upper(30)
    score = _spread(chosen, posterior, 5, np.random.default_rng(3))
    means = posterior.mean(chosen.features)
    found = score(means[first], means[second], pair_variances(posterior.covariance(chosen.features)))
    members = posterior.draw(chosen.features, 5, np.random.default_rng(3))
    opinions = np.array([expit(member[first] - member[second]) for member in members])
    np.testing.assert_allclose(found, opinions.std(axis=0), rtol=1e-8)


def test_a_large_committee_is_the_belief():
    posterior, chosen = belief(), shortlist(pool(8), belief(), 8, 0.0, np.random.default_rng(0))
    first, second = upper(8)
    means, variance = posterior.mean(chosen.features), pair_variances(posterior.covariance(chosen.features))
    found = _spread(chosen, posterior, 20_000, np.random.default_rng(0))(means[first], means[second], variance)
    grid = np.linspace(-8, 8, 4001)
    weights = np.exp(-(grid**2) / 2) / np.exp(-(grid**2) / 2).sum()
    p = expit((means[first] - means[second])[:, None] + np.sqrt(variance)[:, None] * grid)
    exact = np.sqrt(p**2 @ weights - (p @ weights) ** 2)
    np.testing.assert_allclose(found, exact, atol=0.01)


def test_what_is_known_divides_nobody():
    chosen = shortlist(pool(8), belief(), 8, 0.0, np.random.default_rng(0))
    first, second = upper(8)
    means = belief().mean(chosen.features)
    score = _spread(chosen, belief(), 8, np.random.default_rng(0))
    np.testing.assert_allclose(score(means[first], means[second], np.zeros(len(first))), 0, atol=1e-12)


def test_members_decide_the_pair():
    asked = [Disagreement(members=2).propose(pool(40), belief(), 1, np.random.default_rng(seed)) for seed in range(12)]
    assert len(set.union(*map(unordered, asked))) > 3


def test_one_member_is_no_committee():
    with pytest.raises(ValueError, match="at least 2 members"):
        Disagreement(members=1)
    with pytest.raises(BadConfiguration):
        QUERIES.make("disagreement(members=0)")
