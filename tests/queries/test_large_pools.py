"""A question of a large pool looks at a part of it, and the choice depends on nothing but what it is given."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penchant.core.contracts import PREFERENCE, QUERIES, Candidates, Choice, Group, Posterior, Votes
from penchant.core.errors import BadImages, NotReady
from penchant.queries._shortlist import fresh_sample, glance, shortlist

NAMES = QUERIES.names()
COUNT, WIDTH = 300_000, 6
BUDGET = COUNT // 8 + 5_000
GROUPS = (Group("one", 0, 2), Group("two", 2, WIDTH - 1), Group("more", WIDTH - 1, WIDTH, optional=True))


class Counted(np.ndarray):
    """An array that counts the rows which are read of it."""

    read = 0

    def __getitem__(self, key: Any) -> Any:
        found = self.view(np.ndarray)[key]
        self.read += len(np.atleast_2d(found))
        return found


@cache
def features() -> np.ndarray:
    """Numbers that half precision holds exactly."""
    return np.random.default_rng(0).normal(size=(COUNT, WIDTH)).astype(np.float16).astype(np.float32)


@cache
def belief() -> Posterior:
    left, right = np.random.default_rng(1).normal(size=(2, 20, WIDTH))
    choices = [Choice.LEFT if a > b else Choice.RIGHT for a, b in zip(left[:, 0], right[:, 0], strict=True)]
    return PREFERENCE.make("linear").prior(GROUPS).refit(Votes(left, right, choices))


def candidates(values: np.ndarray, winner: int | None = None) -> Candidates:
    return Candidates(values, np.zeros(len(values), dtype=np.int64), winner)


def pairs(name: str, values: np.ndarray, seed: int = 0) -> np.ndarray:
    return QUERIES.make(name).propose(candidates(values, 12_345), belief(), 3, np.random.default_rng(seed)).pairs


@pytest.mark.parametrize("name", NAMES)
def test_no_question_reads_more_rows_than_its_budget(name: str):
    counted = features().view(Counted)
    for seed in range(3):
        counted.read = 0
        found = pairs(name, counted, seed)
        assert 0 < counted.read <= BUDGET
        assert len(np.unique(found)) == found.size
        assert 0 <= found.min() <= found.max() < COUNT


@pytest.mark.parametrize("name", NAMES)
def test_the_choice_is_the_same_from_a_file_and_in_half_precision(name: str, tmp_path: Path):
    expected = pairs(name, features())
    np.save(tmp_path / "features.npy", features().astype(np.float16))
    np.save(tmp_path / "single.npy", features())
    for stored in ("features.npy", "single.npy"):
        np.testing.assert_array_equal(pairs(name, np.load(tmp_path / stored, mmap_mode="r")), expected)
    np.testing.assert_array_equal(pairs(name, features()), expected)


def test_strategies_see_all_parts_of_a_large_pool():
    for name in NAMES:
        rows = np.concatenate([pairs(name, features(), seed).ravel() for seed in range(12)])
        assert len(np.unique(rows // (COUNT // 4))) == 4, name


@pytest.mark.parametrize("count", [2, 4_097, 32_768])
def test_all_of_a_small_pool_is_looked_at(count: int):
    rows = np.concatenate([np.arange(count)[run] for run in glance(count, np.random.default_rng(0))])
    np.testing.assert_array_equal(rows, np.arange(count))


@pytest.mark.parametrize(
    ("count", "most"), [(32_769, 32_768), (100_000, 32_768), (1_000_000, 125_000), (10**8, 131_072)]
)
def test_a_glance_is_bounded_and_in_the_order_of_the_pool(count: int, most: int):
    for seed in range(20):
        runs = glance(count, np.random.default_rng(seed))
        assert most - 4_096 < sum(run.stop - run.start for run in runs) <= most
        edges = [edge for run in runs for edge in (run.start, run.stop)]
        assert edges == sorted(edges)
        assert 0 <= edges[0] <= edges[-1] <= count


def test_every_row_is_as_likely_as_any_other_to_be_looked_at():
    count, times = 60_000, 600
    seen = np.zeros(count)
    for seed in range(times):
        for run in glance(count, np.random.default_rng(seed)):
            seen[run] += 1 / times
    chance = seen.mean()
    assert abs(seen - chance).max() < 5 * np.sqrt(chance * (1 - chance) / times)


def test_the_favourite_of_what_was_looked_at_is_on_the_shortlist():
    pool = candidates(features())
    chosen = shortlist(pool, belief(), 64, 1.0, np.random.default_rng(3))
    means = belief().mean(features())
    looked = np.concatenate([np.arange(COUNT)[run] for run in glance(COUNT, np.random.default_rng(3))])
    assert looked[means[looked].argmax()] in chosen.rows


def test_images_shown_often_are_rare_in_the_sample_of_a_large_pool():
    shown = np.where(np.arange(COUNT) < COUNT // 2, 9, 0)
    pool = Candidates(features(), shown)
    samples = [fresh_sample(pool, 200, np.random.default_rng(seed)).rows for seed in range(20)]
    assert all(len(np.unique(rows)) == 200 for rows in samples)
    share = np.mean([(rows < COUNT // 2).mean() for rows in samples])
    assert abs(share - 1 / 11) < 5 * np.sqrt((1 / 11) * (10 / 11) / (200 * 20))


def test_a_favourite_that_is_not_finite_is_named():
    broken = features().copy()
    broken[:, 0] = np.nan
    for name in ("eubo", "top_score", "bald"):
        with pytest.raises(BadImages, match="candidate"):
            pairs(name, broken)


def test_the_odd_one_of_many_copies_is_found_by_the_audit():
    copies = np.ones((COUNT, 2), dtype=np.float16)
    posterior = PREFERENCE.make("linear").prior([Group("one", 0, 2)])
    with pytest.raises(NotReady, match="equal features"):
        QUERIES.make("random").propose(candidates(copies), posterior, 1, np.random.default_rng(0))
    copies[COUNT - 2] = 2
    found = QUERIES.make("random").propose(candidates(copies), posterior, 1, np.random.default_rng(0))
    assert COUNT - 2 in found.pairs[0]


def test_half_precision_predicts_as_the_same_numbers_in_single():
    values = features()[:500]
    half = values.astype(np.float16)
    np.testing.assert_array_equal(belief().mean(half), belief().mean(values))
    for one, other in zip(belief().utility(half), belief().utility(values), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)
    one, other = (belief().draw(part, 3, np.random.default_rng(0)) for part in (half, values))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(belief().covariance(half[:20]), belief().covariance(values[:20]))
