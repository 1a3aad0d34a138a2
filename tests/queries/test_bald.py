"""BALD asks where the answer tells most: against the closed form of Houlsby et al., which the package does not use."""

import numpy as np
import pytest
from scipy.special import entr, ndtr
from tests.queries.test_family import GROUPS, belief, pool, unordered

from penchant.core.contracts import Candidates, Choice, Votes
from penchant.preference.linear import Linear, LinearPosterior
from penchant.queries.bald import Bald

C = np.sqrt(np.pi * np.log(2) / 2)


def closed_form(difference: float, variance: float) -> float:
    """Equation 3 of the paper for a probit vote of the logistic one's slope; within .024 of the integral."""
    difference, variance = difference * np.sqrt(np.pi / 8), variance * np.pi / 8
    p = ndtr(difference / np.sqrt(1 + variance))
    noise = np.log(2) * C / np.sqrt(variance + C**2) * np.exp(-(difference**2) / (2 * (variance + C**2)))
    return float(entr(p) + entr(1 - p) - noise)


def every_pair(posterior: LinearPosterior, candidates: Candidates) -> dict[frozenset[int], float]:
    means, covariance = posterior.mean(candidates.features), posterior.covariance(candidates.features)
    return {
        frozenset((a, b)): closed_form(
            float(means[a] - means[b]), float(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
        )
        for a in range(len(candidates))
        for b in range(a)
    }


def learned(component: Linear) -> LinearPosterior:
    left, right = np.random.default_rng(1).normal(size=(2, 40, 6))
    choices = [Choice.LEFT if a > b else Choice.RIGHT for a, b in zip(left[:, 0], right[:, 0], strict=True)]
    return component.prior(GROUPS).refit(Votes(left, right, choices))


def test_bald_asks_the_pair_of_largest_information():
    # Without lapses and ties, all pairs by the closed form: the pair asked is within its error of the best one.
    posterior, candidates = learned(Linear(lapse=0, lapse_spread=0)), pool(40)
    found = Bald(freshness=0).propose(candidates, posterior, 1, np.random.default_rng(0))
    scores = every_pair(posterior, candidates)
    (pair,) = unordered(found)
    assert found.scores[0] == pytest.approx(scores[pair], abs=0.024)
    assert scores[pair] > max(scores.values()) - 0.03
    assert scores[pair] > np.quantile(list(scores.values()), 0.97)


def test_score_is_what_the_belief_says_a_vote_tells():
    posterior, candidates = belief(), pool(40)
    found = Bald().propose(candidates, posterior, 1, np.random.default_rng(0))
    pair = candidates.features[found.pairs[0]]
    means, covariance = posterior.mean(pair), posterior.covariance(pair)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    expected = posterior.information((means[:1] - means[1:]).astype(float), np.array([variance], dtype=float))
    np.testing.assert_allclose(found.scores, expected, rtol=1e-3)


def test_a_voter_who_slips_is_told_less_by():
    scores = [
        Bald().propose(pool(40), learned(Linear(lapse=lapse, lapse_spread=0)), 1, np.random.default_rng(0)).scores[0]
        for lapse in (0.0, 0.2, 0.5)
    ]
    assert scores[0] > scores[1] > scores[2] > 0
