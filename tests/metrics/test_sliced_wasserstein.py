import numpy as np
import pytest

from penchant.metrics.sliced_wasserstein import SlicedWasserstein


def test_distance_of_a_shifted_set_is_the_length_over_the_root_of_the_width() -> None:
    rng = np.random.default_rng(0)
    rows, shift = rng.standard_normal((50, 6)), rng.standard_normal(6)
    many = SlicedWasserstein(directions=20_000)
    assert many.distance(rows, rows + shift) == pytest.approx(np.linalg.norm(shift) / np.sqrt(6), rel=0.02)


def test_distance_of_scaled_normals_is_the_difference_of_their_deviations() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((20_000, 3)), 1.5 * rng.standard_normal((20_000, 3))
    assert SlicedWasserstein().distance(left, right) == pytest.approx(0.5, abs=0.02)


def test_distance_is_symmetric_and_zero_for_the_same_set(toys: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = toys[0][:50], toys[1]
    metric = SlicedWasserstein()
    assert metric.distance(real, generated) == pytest.approx(metric.distance(generated, real))
    assert metric.distance(real, np.random.default_rng(0).permutation(real)) == 0


def test_measure_tells_far_from_near_with_the_floor() -> None:
    rng = np.random.default_rng(2)
    real, same, holdout = (rng.standard_normal((200, 8)) for _ in range(3))
    near = SlicedWasserstein().measure(real, same, holdout, "", rng)
    far = SlicedWasserstein().measure(real, same + 1, holdout, "", rng)
    assert near.floor is not None
    assert far.low is not None
    assert near.value == pytest.approx(near.floor, rel=0.3)
    assert far.low > 2 * near.floor


def test_settings_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="directions must be at least 1"):
        SlicedWasserstein(directions=0)
