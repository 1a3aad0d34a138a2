"""Distances in passes are distances."""

import numpy as np
import pytest

from penchant.metrics import _distances
from penchant.metrics._distances import distance_passes, squared_distances
from penchant.metrics.mean_distance import mean_distance


@pytest.fixture
def tables() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((23, 5)), rng.standard_normal((11, 5))


def test_passes_are_all_distances_in_order(
    tables: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_distances, "ROWS_A_PASS", 7)
    left, right = tables
    expected = ((left[:, None] - right[None]) ** 2).sum(axis=2)
    starts, parts = zip(*((start, part.numpy().copy()) for start, part in distance_passes(left, right)), strict=True)
    assert starts == (0, 7, 14, 21)
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-12)
    np.testing.assert_allclose(squared_distances(left, right).numpy(), expected, atol=1e-12)


def test_a_row_lies_at_no_distance_from_its_copy(tables: tuple[np.ndarray, np.ndarray]) -> None:
    left, _ = tables
    own = np.diag(squared_distances(left, left.copy()).numpy())
    assert (own >= 0).all()
    assert own.max() < 1e-13


def test_half_of_the_pairs_give_the_mean_of_all(tables: tuple[np.ndarray, np.ndarray]) -> None:
    """More rows than a pass holds."""
    rows = np.random.default_rng(1).standard_normal((1500, 3))
    gaps = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    assert mean_distance(rows) == pytest.approx(gaps.sum() / (1500 * 1499), rel=1e-10)
