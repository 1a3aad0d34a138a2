"""The shortlist and the greedy batch."""

import numpy as np
import pytest
from tests.queries.test_family import belief, pool

from penchant.core.contracts import Candidates
from penchant.core.errors import BadConfiguration
from penchant.queries._pairs import best_pairs, expected_information
from penchant.queries._shortlist import shortlist
from penchant.queries.bald import Bald
from penchant.queries.d_optimal import log_volume


def test_shortlist_takes_everything_from_a_small_pool():
    np.testing.assert_array_equal(shortlist(pool(20), belief(), 20, 0.5, np.random.default_rng(0)).rows, np.arange(20))


@pytest.mark.parametrize("favourites", [0.0, 0.5, 1.0])
def test_shortlist_has_its_size_and_no_image_twice(favourites: float):
    chosen = shortlist(pool(900), belief(), 64, favourites, np.random.default_rng(0))
    assert len(chosen) == len(np.unique(chosen.rows)) == 64
    np.testing.assert_array_equal(chosen.features, pool(900).features[chosen.rows])


def test_shortlist_holds_the_favourites():
    candidates, posterior = pool(2000), belief()
    best = np.argsort(posterior.mean(candidates.features))[-5:]
    assert np.isin(best, shortlist(candidates, posterior, 64, 0.5, np.random.default_rng(0)).rows).all()


def test_shortlist_samples_fresh_images_more_often():
    # Two thirds of the pool were shown 9 times: weight 1 against 10, so of 60 places about 60·1/(1 + 2/10) = 50.
    candidates = pool(3000)
    shown = np.where(np.arange(3000) < 2000, 9, 0)
    counts = [
        (shortlist(Candidates(candidates.features, shown), belief(), 60, 0.0, np.random.default_rng(seed)).rows >= 2000)
        .sum()
        for seed in range(20)
    ]  # fmt: skip
    assert 47 < np.mean(counts) < 53


def test_batch_imagines_the_answers_before_it():
    candidates, posterior = pool(30), belief()
    chosen = shortlist(candidates, posterior, 30, 0.0, np.random.default_rng(0))
    found = best_pairs(chosen, posterior, 2, log_volume, 0.0, 0.0, np.random.default_rng(0))
    a, b = found.pairs[0]
    covariance, means = posterior.covariance(chosen.features), posterior.mean(chosen.features)
    push = covariance[a] - covariance[b]
    v = push[a] - push[b]
    weight = expected_information(float(means[a] - means[b]), float(v))
    after = covariance - weight / (1 + weight * v) * np.outer(push, push)
    c, d = found.pairs[1]
    expected = log_volume(means[[c]], means[[d]], np.array([after[c, c] + after[d, d] - 2 * after[c, d]]))
    np.testing.assert_allclose(found.scores[1], expected[0])
    assert found.scores[1] <= found.scores[0]


def test_equal_scores_share_the_propensity_and_are_drawn_by_chance():
    chosen = shortlist(pool(5), belief(), 5, 0.0, np.random.default_rng(0))
    found = [
        best_pairs(chosen, belief(), 1, lambda a, b, v: np.zeros_like(v), 0.0, 0.0, np.random.default_rng(seed))
        for seed in range(200)
    ]
    assert all(proposal.propensities[0] == pytest.approx(1 / 10) for proposal in found)
    assert len({frozenset(map(int, proposal.pairs[0])) for proposal in found}) == 10


def test_shortlist_keeps_the_row_it_is_told_to():
    for favourites in (0.0, 0.5, 1.0):
        chosen = shortlist(pool(900), belief(), 64, favourites, np.random.default_rng(0), keep=77)
        assert 77 in chosen.rows
        assert len(chosen) == len(np.unique(chosen.rows)) <= 65


def test_expected_information_matches_monte_carlo():
    z = np.random.default_rng(0).normal(0.7, 1.5, 400_000)
    p = 1 / (1 + np.exp(-z))
    assert abs(expected_information(0.7, 1.5**2) - (p * (1 - p)).mean()) < 0.01


def test_spacing_keeps_a_batch_apart():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 6)) * 3
    features = np.repeat(centres, 10, axis=0) + rng.normal(size=(120, 6)) * 1e-3
    candidates = Candidates(features, np.zeros(120, dtype=np.int64))
    found = Bald(spacing=0.1).propose(candidates, belief(), 6, np.random.default_rng(0))
    assert len(np.unique(found.pairs // 10)) == 12
    # Where nothing is left that keeps the distance, the rest may be near.
    assert len(Bald(spacing=0.1).propose(candidates, belief(), 20, np.random.default_rng(0)).pairs) == 20


def test_settings_without_sense_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        Bald(shortlist=1)
    with pytest.raises(BadConfiguration, match="found count=0"):
        Bald().propose(pool(9), belief(), 0, np.random.default_rng(0))
