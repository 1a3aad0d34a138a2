import numpy as np
import pytest

from penchant.metrics.kid import Kid
from penchant.metrics.mmd import Mmd


def test_mmd_is_its_hand_computed_value() -> None:
    # Directions are (1,0), (0,1) on the left and (−1,0) twice on the right: within 2 at squared distance 2 and two at
    # 0; between (1,0) and (−1,0) 4, between (0,1) and (−1,0) 2. With σ = 1 the kernel is exp(−d²/2).
    left, right = np.array([[2.0, 0.0], [0.0, 5.0]]), np.array([[-1.0, 0.0], [-3.0, 0.0]])
    expected = np.exp(-1) + 1 - 2 * (np.exp(-2) + np.exp(-1)) / 2
    assert Mmd(bandwidth=1).whole(left, right) == pytest.approx(expected)


def test_mmd_does_not_look_at_lengths(toys: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = toys
    assert Mmd().whole(real, 3 * generated) == pytest.approx(Mmd().whole(real, generated))
    zeros = np.zeros((3, 4))
    assert np.isfinite(Mmd().whole(real, zeros))


def test_mmd_sees_what_three_moments_do_not() -> None:
    # ±a in two rare places against a normal: equal first three moments and covariance, another distribution.
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((400, 2))
    signs = rng.choice([-1.0, 1.0], (400, 2))
    result = Mmd(bandwidth=0.2).measure(normal, signs, rng.standard_normal((400, 2)), "", rng)
    assert result.p_value == 1 / 200
    assert result.floor is not None
    assert result.value > 5 * abs(result.floor)


@pytest.mark.parametrize("metric", [Kid(permutations=99), Mmd(permutations=99), Kid(block=40, permutations=99)])
def test_p_value_is_uniform_when_both_sets_are_of_one_kind(metric: Kid | Mmd) -> None:
    rng = np.random.default_rng(1)
    found: list[float] = []
    for _ in range(60):
        left, right = rng.standard_normal((60, 3)), rng.standard_normal((60, 3))
        p_value = metric.measure(left, right, left, "", rng).p_value
        assert p_value is not None
        found.append(p_value)
    assert 0.35 < np.mean(found) < 0.65
    assert np.mean(np.array(found) <= 0.1) < 0.25


def test_p_value_can_be_left_out() -> None:
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((20, 3))
    assert Kid(permutations=0).measure(rows, rows, rows, "", rng).p_value is None


def test_mmd_refuses_a_bandwidth_of_nothing() -> None:
    with pytest.raises(ValueError, match="bandwidth must be above 0"):
        Mmd(bandwidth=0)
