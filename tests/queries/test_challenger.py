"""Challenger: the believed best against one draw's favourite."""

import numpy as np
import pytest
from tests.queries.test_family import belief, pool

from penchant.queries.challenger import Challenger


def test_the_image_believed_best_leads_every_pair():
    candidates, posterior = pool(200), belief()
    leader = int(posterior.mean(candidates.features).argmax())
    for seed in range(10):
        pairs = (
            Challenger(freshness=0, shortlist=200).propose(candidates, posterior, 2, np.random.default_rng(seed)).pairs
        )
        assert leader in pairs[0]
        assert leader not in pairs[1]


def test_propensity_is_how_often_the_challenger_is_the_best_of_the_others():
    candidates, posterior = pool(5), belief()
    leader = int(posterior.mean(candidates.features).argmax())
    utilities = posterior.draw(candidates.features, 200_000, np.random.default_rng(9))
    utilities[:, leader] = -np.inf
    chance = np.bincount(utilities.argmax(1), minlength=5) / len(utilities)
    strategy = Challenger(draws=3000, freshness=0)
    for seed in range(20):
        found = strategy.propose(candidates, posterior, 1, np.random.default_rng(seed))
        (challenger,) = set(map(int, found.pairs[0])) - {leader}
        assert found.propensities[0] == pytest.approx(chance[challenger], abs=0.04)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="draws must be positive"):
        Challenger(draws=0)
    with pytest.raises(ValueError, match="share of the shortlist"):
        Challenger(favourites=-0.1)
