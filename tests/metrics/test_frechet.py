import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.metrics.frechet import Frechet, frechet_distance


def whitened(count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Rows whose mean is exactly 0 and whose covariance (over n − 1) is exactly the identity."""
    rows = rng.standard_normal((count, width))
    rows -= rows.mean(axis=0)
    left, _, right = np.linalg.svd(rows, full_matrices=False)
    return left @ right * np.sqrt(count - 1)


def test_frechet_distance_is_the_closed_form_of_gaussians() -> None:
    rng = np.random.default_rng(0)
    z = whitened(50, 3, rng)
    # N(0, diag(1, 4, 9)) against N((1, 2, 2), diag(4, 1, 9)): 9 + (1−2)² + (2−1)² + 0.
    left, right = z * [1, 2, 3], z * [2, 1, 3] + [1, 2, 2]
    assert frechet_distance(left, right) == pytest.approx(11.0, rel=1e-6)
    mixing = rng.standard_normal((3, 3))
    rotation, _ = np.linalg.qr(mixing)
    assert frechet_distance(left @ rotation, right @ rotation) == pytest.approx(11.0, rel=1e-6)


def test_frechet_distance_agrees_with_torchmetrics(toys: tuple[np.ndarray, np.ndarray]) -> None:
    assert frechet_distance(*toys) == pytest.approx(1.2257911277815596, rel=1e-9)  # _compute_fid of 1.9.0


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 30), st.integers(0, 1000))
def test_frechet_distance_agrees_with_the_nuclear_norm_also_when_n_is_below_d(
    left_count: int, right_count: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((left_count, width)), rng.standard_normal((right_count, width)) + 0.3
    # tr((Σ₁^½ Σ₂ Σ₁^½)^½) is the nuclear norm of X₁X₂ᵀ/√((n₁−1)(n₂−1)) for centred X: no square root of a matrix.
    x, y = left - left.mean(axis=0), right - right.mean(axis=0)
    scale = np.sqrt((left_count - 1) * (right_count - 1))
    overlap = np.linalg.svd(x @ y.T / scale, compute_uv=False).sum()
    spread = (x**2).sum() / (left_count - 1) + (y**2).sum() / (right_count - 1)
    gap = ((left.mean(axis=0) - right.mean(axis=0)) ** 2).sum()
    assert frechet_distance(left, right) == pytest.approx(gap + spread - 2 * overlap, rel=1e-6, abs=1e-6)


def test_frechet_distance_is_nothing_for_itself_symmetric_and_never_negative(
    toys: tuple[np.ndarray, np.ndarray],
) -> None:
    real, generated = toys
    assert 0 <= frechet_distance(real, real[::-1]) < 1e-9
    assert frechet_distance(real, generated) == pytest.approx(frechet_distance(generated, real), rel=1e-9)


def test_frechet_measure_floor_shows_the_bias_of_few_images() -> None:
    rng = np.random.default_rng(1)
    real, generated, holdout = (rng.standard_normal((200, 64)) for _ in range(3))
    result = Frechet(repeats=3).measure(real, generated, holdout, "abc", rng)
    assert result.floor == pytest.approx(11.0, rel=0.05)  # d²/2N + 2d/N and more, measured for d = 64, N = 200
    assert result.value == pytest.approx(11.0, rel=0.05)
    assert (result.n, result.extractor) == (200, "abc")


def test_frechet_measure_interval_tells_a_shift_from_the_floor() -> None:
    rng = np.random.default_rng(2)
    real, generated, holdout = (rng.standard_normal((300, 4)) for _ in range(3))
    result = Frechet().measure(real, generated + 1, holdout, "", rng)
    assert result.low is not None
    assert result.high is not None
    assert result.floor is not None
    assert result.floor < result.low < 4.0 < result.high
