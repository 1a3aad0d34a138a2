"""What holds for every strategy."""

import dataclasses
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from penchant.core.contracts import (
    PREFERENCE,
    QUERIES,
    Asked,
    Candidates,
    Choice,
    Group,
    Posterior,
    Proposal,
    Votes,
)
from penchant.core.errors import BadConfiguration, BadImages, NotReady, UnknownName

NAMES = QUERIES.names()
CHOOSING = [name for name in NAMES if name not in ("random", "adaptive")]  # adaptive may choose random
RESTING = [name for name in NAMES if "freshness" in {field.name for field in dataclasses.fields(QUERIES.get(name))}]
SPACED = [name for name in NAMES if "spacing" in {field.name for field in dataclasses.fields(QUERIES.get(name))}]
DETERMINISTIC = [
    "bald",
    "d_optimal",
    "disagreement",
    "eubo",
    "k_centre",
    "top_score",
    "uncertainty",
    "winner_stays",
]
WIDTH = 6
GROUPS: Sequence[Group] = (Group("one", 0, 2), Group("two", 2, WIDTH))


def pool(count: int, seed: int = 0) -> Candidates:
    features = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    return Candidates(features, np.zeros(count, dtype=np.int64))


@cache
def belief(votes: int = 12) -> Posterior:
    left, right = np.random.default_rng(1).normal(size=(2, votes, WIDTH))
    choices = [Choice.LEFT if a > b else Choice.RIGHT for a, b in zip(left[:, 0], right[:, 0], strict=True)]
    return PREFERENCE.make("linear").prior(GROUPS).refit(Votes(left, right, choices))


def propose(name: str, candidates: Candidates, count: int = 1, seed: int = 0) -> Proposal:
    return QUERIES.make(name).propose(candidates, belief(), count, np.random.default_rng(seed))


def unordered(proposal: Proposal) -> set[frozenset[int]]:
    return {frozenset(int(row) for row in pair) for pair in proposal.pairs}


def test_the_strategies_there_are():
    assert {*DETERMINISTIC, "adaptive", "challenger", "favourites", "random", "thompson", "typi_clust"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [3, 40, 600])
@pytest.mark.parametrize("count", [1, 4])
def test_proposal_has_its_shape(name: str, size: int, count: int):
    proposal = propose(name, pool(size), count)
    expected = min(count, size // 2)
    assert proposal.pairs.shape == (expected, 2)
    assert proposal.scores.shape == proposal.propensities.shape == (expected,)
    assert np.isfinite(proposal.scores).all()
    assert ((proposal.propensities > 0) & (proposal.propensities <= 1)).all()
    assert proposal.pairs.min() >= 0
    assert proposal.pairs.max() < size
    assert len(np.unique(proposal.pairs)) == proposal.pairs.size


@pytest.mark.parametrize("name", NAMES)
def test_proposal_is_decided_by_the_random_numbers(name: str):
    one, same, other = (propose(name, pool(600), 3, seed) for seed in (5, 5, 6))
    for part in ("pairs", "scores", "propensities"):
        np.testing.assert_array_equal(getattr(one, part), getattr(same, part))
    assert not np.array_equal(one.pairs, other.pairs)


@pytest.mark.parametrize("name", NAMES)
def test_proposal_changes_nothing_it_is_given(name: str):
    candidates = pool(200)
    features, shown = candidates.features.copy(), candidates.shown.copy()
    propose(name, candidates, 3)
    np.testing.assert_array_equal(candidates.features, features)
    np.testing.assert_array_equal(candidates.shown, shown)


@pytest.mark.parametrize("name", NAMES)
def test_sides_are_a_fair_coin(name: str):
    candidates = Candidates(np.array([[2.0] * WIDTH, [-1.0] * WIDTH]), np.zeros(2, dtype=np.int64))
    first = [int(propose(name, candidates, 1, seed).pairs[0, 0]) for seed in range(60)]
    assert 15 < sum(first) < 45


@pytest.mark.parametrize("name", NAMES)
def test_twins_are_never_asked_about(name: str):
    features = np.repeat(np.random.default_rng(0).normal(size=(2, WIDTH)), [9, 1], axis=0)
    candidates = Candidates(features, np.zeros(10, dtype=np.int64))
    for seed in range(8):
        proposal = propose(name, candidates, 2, seed)
        for a, b in proposal.pairs:
            assert (features[a] != features[b]).any()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_ask_is_said(name: str):
    with pytest.raises(NotReady, match="equal features"):
        propose(name, Candidates(np.ones((5, WIDTH)), np.zeros(5, dtype=np.int64)))
    for size in (0, 1):
        with pytest.raises(NotReady, match=f"the pool has {size}"):
            propose(name, pool(size))
    with pytest.raises(BadConfiguration, match="at least one pair"):
        propose(name, pool(5), 0)


@pytest.mark.parametrize("name", CHOOSING)
def test_features_that_are_not_finite_are_named(name: str):
    features = pool(50).features.copy()
    features[17, 2] = np.nan
    with pytest.raises(BadImages, match="candidate 17"):
        propose(name, Candidates(features, np.zeros(50, dtype=np.int64)))


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_relabelling_the_images_relabels_the_pairs(name: str):
    candidates = pool(60)
    order = np.random.default_rng(3).permutation(60)
    candidates = dataclasses.replace(candidates, previous_winner=int(order[7]))
    relabelled = Candidates(candidates.features[order], candidates.shown, 7)
    one, other = propose(name, candidates, 3), propose(name, relabelled, 3)
    assert unordered(one) == {frozenset(int(order[row]) for row in pair) for pair in other.pairs}
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4)
    np.testing.assert_array_equal(one.propensities, 1)


@pytest.mark.parametrize("name", RESTING)
def test_images_shown_often_give_way(name: str):
    candidates = pool(40)
    first = [unordered(propose(name, candidates, 1, seed)) for seed in range(5)]
    favourites = np.unique([row for pairs in first for pair in pairs for row in pair])
    shown = np.zeros(40, dtype=np.int64)
    shown[favourites] = 100
    rested = Candidates(candidates.features, shown)
    spec = {"name": name, "freshness": 2.0}
    again = [QUERIES.make(spec).propose(rested, belief(), 1, np.random.default_rng(seed)).pairs for seed in range(5)]
    assert not np.isin(again, favourites).any()


@pytest.mark.parametrize("name", SPACED)
def test_a_batch_keeps_its_distance(name: str):
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(12, WIDTH)) * 3, 10, axis=0) + rng.normal(size=(120, WIDTH)) * 1e-3
    candidates = Candidates(features, np.zeros(120, dtype=np.int64))
    strategy = QUERIES.make({"name": name, "spacing": 0.1})
    for count, clusters in ((1, 2), (6, 12)):
        found = strategy.propose(candidates, belief(), count, rng)
        assert len(np.unique(found.pairs // 10)) == clusters


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [3, 60, 700])
def test_every_image_shown_is_no_reason_not_to_ask(name: str, size: int):
    for shown in (np.full(size, 2), np.arange(size) + 1, np.minimum(np.arange(size), 1)):
        proposal = QUERIES.make(name).propose(
            dataclasses.replace(pool(size), shown=shown), belief(), 4, np.random.default_rng(0)
        )
        assert len(proposal.pairs) == min(4, size // 2)
        assert len(np.unique(proposal.pairs)) == proposal.pairs.size


@pytest.mark.parametrize("name", NAMES)
def test_features_without_variance_and_nothing_learned_do_no_harm(name: str):
    features = pool(60).features.copy()
    features[:, 1:] = 0.5
    prior = PREFERENCE.make("linear").prior(GROUPS)
    candidates = Candidates(features, np.zeros(60, dtype=np.int64))
    for seed in range(3):
        proposal = QUERIES.make(name).propose(candidates, prior, 3, np.random.default_rng(seed))
        assert proposal.pairs.shape == (3, 2)
        assert np.isfinite(proposal.scores).all()
        assert ((proposal.propensities > 0) & (proposal.propensities <= 1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_any_history_and_winner_will_do(name: str):
    skips = tuple(Asked(NAMES[i % len(NAMES)], i % 10 == 0, None) for i in range(50))
    unknown = (Asked("gone", False, 0.3), Asked("gone", True, 0.3))
    for history in (skips, unknown):
        candidates = Candidates(pool(40).features, np.ones(40, dtype=np.int64), 11, history)
        assert QUERIES.make(name).propose(candidates, belief(), 2, np.random.default_rng(0)).pairs.shape == (2, 2)


@pytest.mark.parametrize("name", RESTING)
def test_bad_settings_are_refused(name: str):
    with pytest.raises(BadConfiguration):
        QUERIES.make({"name": name, "freshness": -1.0})


@pytest.mark.parametrize("name", NAMES)
def test_unknown_settings_are_refused(name: str):
    with pytest.raises(UnknownName):
        QUERIES.make({"name": name, "shortlists": 4})
