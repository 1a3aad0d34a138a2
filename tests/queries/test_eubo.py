"""EUBO: bounds, symmetry, Monte Carlo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.queries.eubo import Eubo, expected_best


@pytest.mark.parametrize("case", [(0.0, 0.0, 1.0), (1.0, 0.3, 2.0), (-1.0, 2.0, 0.5), (3.0, -3.0, 4.0)])
def test_expected_best_matches_monte_carlo(case: tuple[float, float, float]):
    first, second, variance = case
    noise = np.random.default_rng(0).normal(0, np.sqrt(variance), 1_000_000)
    monte_carlo = second + np.maximum(first - second + noise, 0).mean()
    found = expected_best(np.array([first]), np.array([second]), np.array([variance]))[0]
    assert found == pytest.approx(monte_carlo, abs=0.005)


@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(0, 1000))
def test_expected_best_is_no_worse_than_the_better_and_symmetric(first: float, second: float, variance: float):
    a, b, v = np.array([first]), np.array([second]), np.array([variance])
    found = expected_best(a, b, v)[0]
    assert found >= max(first, second)
    np.testing.assert_allclose(found, expected_best(b, a, v)[0], rtol=1e-9, atol=1e-9)


def test_bad_share_is_refused():
    with pytest.raises(ValueError, match="share of the shortlist"):
        Eubo(favourites=1.5)
