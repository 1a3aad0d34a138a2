import numpy as np
import pytest
from jaxtyping import Float

from penchant.metrics._mmd import mmd2, mmd2_of_splits
from penchant.metrics.kid import Kid, _kernel, kid, permutation_p_value


def naive(left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "m d"]) -> float:
    """Bińkowski et al., eq. 4, pair by pair."""

    def kernel(x: Float[np.ndarray, " d"], y: Float[np.ndarray, " d"]) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def within(rows: Float[np.ndarray, "n d"]) -> float:
        n = len(rows)
        return sum(kernel(rows[i], rows[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    between = sum(kernel(x, y) for x in left for y in right) / (len(left) * len(right))
    return within(left) + within(right) - 2 * between


def test_kid_is_its_hand_computed_value() -> None:
    # One feature: kernels within are (1·3 + 1)³ = 64 and (−1·1 + 1)³ = 0; between 0, 8, −8 and 64.
    left, right = np.array([[1.0], [3.0]]), np.array([[-1.0], [1.0]])
    assert kid(left, right) == pytest.approx(64 + 0 - 2 * (0 + 8 - 8 + 64) / 4)


def test_kid_agrees_with_torchmetrics(toys: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = toys
    assert kid(real[:50], generated) == pytest.approx(0.41687168249914563, rel=1e-9)  # poly_mmd of 1.9.0


def test_kid_agrees_with_its_naive_twin_when_sizes_differ(toys: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = toys
    assert kid(real[:12], generated[:9]) == pytest.approx(naive(real[:12], generated[:9]), rel=1e-9)


def test_kid_is_symmetric_and_blind_to_order(toys: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = toys
    shuffled = np.random.default_rng(1).permutation(real)
    assert kid(real, generated) == pytest.approx(kid(generated, real), rel=1e-9)
    assert kid(shuffled, generated) == pytest.approx(kid(real, generated), rel=1e-9)


def test_kid_has_mean_zero_when_both_sets_are_of_one_kind() -> None:
    rng = np.random.default_rng(2)
    values = [kid(rng.standard_normal((20, 3)), rng.standard_normal((20, 3))) for _ in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)


def test_kid_measure_tells_far_from_near_with_floor_and_interval() -> None:
    rng = np.random.default_rng(3)
    real, holdout, same, far = (rng.standard_normal((150, 8)) for _ in range(4))
    near = Kid().measure(real, same, holdout, "abc", np.random.default_rng(0))
    away = Kid().measure(real, far + 0.5, holdout, "abc", np.random.default_rng(0))
    assert (near.n, near.extractor, near.floor) == (150, "abc", pytest.approx(kid(real, holdout)))
    assert near.low is not None
    assert near.high is not None
    assert away.low is not None
    assert near.low < 0 < near.high < away.low
    assert away.value == pytest.approx(kid(real, far + 0.5))


def test_kid_interval_is_as_wide_as_the_spread_of_fresh_sets() -> None:
    # (xy + 1)³ = 1 + 3xy + 3x²y² + x³y³, so the truth is 3·Δ₁² + 3·Δ₂² + Δ₃² with Δ the gaps between the moments:
    # 0, 1, 0 of N(0, 1) against 1, 2, 4 of N(1, 1).
    truth = 3 * 1 + 3 * 1 + 16
    rng = np.random.default_rng(4)
    values: list[float] = []
    errors: list[float] = []
    for _ in range(150):
        left, right = rng.standard_normal((100, 1)), rng.standard_normal((100, 1)) + 1
        result = Kid().measure(left, right, left, "", rng)
        assert result.high is not None
        values.append(result.value)
        errors.append((result.high - result.value) / 1.96)
    assert np.mean(values) == pytest.approx(truth, abs=3 * np.std(values) / np.sqrt(150))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_kid_measure_uses_blocks_when_there_are_more_images_than_one_holds() -> None:
    rng = np.random.default_rng(5)
    real, generated = rng.standard_normal((205, 3)), rng.standard_normal((301, 3)) + 0.7
    whole = Kid().measure(real, generated, real, "", np.random.default_rng(0))
    blocks = Kid(block=50).measure(real, generated, real, "", np.random.default_rng(0))
    assert whole.n == blocks.n == 205
    assert blocks.low is not None
    assert blocks.high is not None
    assert blocks.low < whole.value < blocks.high
    assert blocks.value != whole.value


def test_kid_measure_takes_sets_smaller_than_a_block_and_matches_n() -> None:
    rng = np.random.default_rng(6)
    result = Kid().measure(rng.random((9, 2)), rng.random((5, 2)), rng.random((7, 2)), "", rng)
    assert result.n == 5
    assert np.isfinite([result.value, result.floor or 0, result.low or 0, result.high or 0]).all()


def test_permutation_p_value_is_small_only_when_the_sets_differ() -> None:
    rng = np.random.default_rng(7)
    left, same, other = rng.standard_normal((40, 3)), rng.standard_normal((40, 3)), rng.standard_normal((40, 3)) + 1
    assert permutation_p_value(left, other, 199, rng) == 1 / 200
    assert permutation_p_value(left, same, 199, rng) > 0.05
    assert permutation_p_value(left, left, 199, rng) == 1.0


def test_kid_refuses_settings_that_leave_no_halves() -> None:
    with pytest.raises(ValueError, match="block must be at least 8"):
        Kid(block=4)


def test_splits_from_one_product_are_those_from_three() -> None:
    rng = np.random.default_rng(8)
    left, right = rng.standard_normal((9, 3)), rng.standard_normal((7, 3)) + 0.3
    pooled = np.concatenate([left, right])
    seen = np.arange(16) < 9
    members = np.stack([seen, *(rng.permutation(seen) for _ in range(20))]).astype(float)
    kernel = _kernel(pooled, pooled)
    expected = mmd2(kernel, kernel, kernel, members, 1 - members)
    found = mmd2_of_splits(_kernel(left, left), _kernel(right, right), _kernel(left, right), members)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    assert found[0] == pytest.approx(kid(left, right))
