import numpy as np
import pytest

from penchant.metrics.vendi import Vendi, vendi_score


def test_vendi_score_counts_kinds() -> None:
    kinds = np.eye(5)
    assert vendi_score(kinds) == pytest.approx(5.0)
    assert vendi_score(np.repeat(kinds, 7, axis=0)) == pytest.approx(5.0)
    assert vendi_score(np.ones((9, 3))) == pytest.approx(1.0)
    # Shares ¾ and ¼: exp of the entropy.
    assert vendi_score(kinds[[0, 0, 0, 1]]) == pytest.approx(np.exp(-0.75 * np.log(0.75) - 0.25 * np.log(0.25)))


def test_vendi_score_agrees_with_its_authors_package(toys: tuple[np.ndarray, np.ndarray]) -> None:
    assert vendi_score(toys[1]) == pytest.approx(3.7957394004309015, rel=1e-9)  # score_X of vendi_score 0.0.3


def test_vendi_score_is_the_same_from_the_gram_matrix_and_from_the_covariance() -> None:
    rng = np.random.default_rng(0)
    few, wide = rng.standard_normal((9, 4)), np.zeros((9, 20))
    wide[:, :4] = few
    assert vendi_score(few) == pytest.approx(vendi_score(wide), rel=1e-9)


def test_vendi_score_ignores_lengths_and_takes_rows_of_zeros_for_one_kind() -> None:
    rows = np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert vendi_score(rows) == pytest.approx(2.0)


def test_vendi_measure_drops_when_the_generator_repeats_itself() -> None:
    rng = np.random.default_rng(1)
    varied, holdout = rng.standard_normal((100, 10)), rng.standard_normal((130, 10))
    repeating = varied[:5].repeat(20, axis=0)
    nothing = np.empty((0, 10))
    full = Vendi().measure(nothing, varied, holdout, "abc", rng)
    poor = Vendi().measure(nothing, repeating, holdout, "abc", rng)
    assert (full.n, full.extractor) == (100, "abc")
    assert full.floor == pytest.approx(full.value, rel=0.1)
    assert poor.high is not None
    assert full.low is not None
    assert poor.value <= 5 < poor.high + 1 < full.low


def test_vendi_measure_has_no_floor_when_there_are_no_held_out_images() -> None:
    rng = np.random.default_rng(2)
    result = Vendi().measure(np.empty((0, 3)), rng.standard_normal((20, 3)), np.empty((0, 3)), "", rng)
    assert result.floor is None
