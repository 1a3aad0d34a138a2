import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from penchant.core.contracts import METRICS, Metric
from penchant.core.errors import BadConfiguration, BadFeatures
from penchant.metrics import _distances
from penchant.metrics._neighbours import NAMES, NeighbourFigures, neighbour_figures
from penchant.metrics.coverage import Coverage


def naive(real: np.ndarray, generated: np.ndarray, k: int) -> NeighbourFigures:
    """The definitions, with scikit-learn's neighbours."""

    def radii(rows: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k + 1).fit(rows).kneighbors(rows)[0][:, k]

    between = np.array([[np.linalg.norm(x - y) for y in generated] for x in real])
    in_real = between < radii(real)[:, None]
    in_generated = between < radii(generated)[None]
    return NeighbourFigures(
        in_real.any(axis=0).mean(),
        in_generated.any(axis=1).mean(),
        in_real.sum(axis=0).mean() / k,
        in_real.any(axis=1).mean(),
    )


def test_neighbour_figures_agree_with_prdc(toys: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = toys  # compute_prdc of prdc 0.2, also with the two sets swapped
    assert neighbour_figures(real, generated, 5) == NeighbourFigures(1.0, 47 / 60, 1.352, 49 / 60)
    assert neighbour_figures(generated, real, 3) == NeighbourFigures(0.65, 1.0, 29 / 60, 0.8)


@settings(max_examples=15, deadline=None)
@given(st.integers(6, 25), st.integers(6, 25), st.integers(1, 5), st.integers(0, 1000))
def test_neighbour_figures_agree_with_the_naive_twin(count: int, other: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    real, generated = rng.standard_normal((count, 3)), rng.standard_normal((other, 3)) * 0.6
    ours, theirs = neighbour_figures(real, generated, k), naive(real, generated, k)
    assert (ours.precision, ours.recall) == pytest.approx((theirs.precision, theirs.recall))
    assert (ours.density, ours.coverage) == pytest.approx((theirs.density, theirs.coverage))


def test_neighbour_figures_do_not_depend_on_the_passes(
    toys: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = neighbour_figures(*toys)
    monkeypatch.setattr(_distances, "ROWS_A_PASS", 7)
    assert neighbour_figures(*toys) == whole


def test_neighbour_figures_tell_real_from_generated() -> None:
    rng = np.random.default_rng(0)
    two_kinds = np.concatenate([rng.normal(0, 1, (50, 2)), rng.normal(30, 1, (50, 2))])
    one_kind = rng.normal(0, 1, (100, 2))
    dropped = neighbour_figures(real=two_kinds, generated=one_kind)
    assert dropped.precision > 0.9
    assert dropped.coverage < 0.55
    assert dropped.recall < 0.55
    invented = neighbour_figures(real=one_kind, generated=two_kinds)
    assert invented.precision < 0.55
    assert invented.coverage > 0.8


def test_coverage_measure_reaches_its_floor_when_generated_images_are_real() -> None:
    rng = np.random.default_rng(1)
    real, generated, holdout = (rng.standard_normal((120, 4)) for _ in range(3))
    result = Coverage().measure(real, generated, holdout, "abc", rng)
    assert result.floor is not None
    assert result.low is not None
    assert result.high is not None
    assert result.value == pytest.approx(result.floor, abs=0.1)
    assert 0 <= result.low <= result.value <= result.high <= 1
    same = Coverage().measure(real, real, holdout, "", rng)
    assert same.value == 1.0


def test_neighbour_figures_refuse_when_there_is_no_kth_neighbour() -> None:
    rows = np.arange(20.0)[:, None]
    with pytest.raises(BadFeatures, match="5-th nearest neighbour needs more than 5 images"):
        neighbour_figures(rows, rows[:5])
    with pytest.raises(BadFeatures, match="5 generated images"):
        Coverage().measure(rows, rows[:5], rows, "", np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_each_of_the_four_is_its_own_figure(name: str, toys: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = toys
    metric: Metric = METRICS.make(name)
    result = metric.measure(real[:50], generated, real[:50], "", np.random.default_rng(0))
    assert result.value == getattr(neighbour_figures(real[:50], generated), name)
    assert result.floor == getattr(neighbour_figures(real[:50], real[:50]), name)
    with pytest.raises(BadConfiguration, match="neighbours must be at least 1"):
        METRICS.make(f"{name}(neighbours=0)")


def test_one_cluster_has_high_density_and_low_coverage() -> None:
    rng = np.random.default_rng(3)
    real = rng.standard_normal((300, 2))
    crowded = neighbour_figures(real, rng.standard_normal((300, 2)) * 0.1)
    alike = neighbour_figures(real, rng.standard_normal((300, 2)))
    assert alike.density == pytest.approx(1.0, abs=0.1)
    assert crowded.density > 1.2
    assert crowded.coverage < 0.3 < alike.coverage
