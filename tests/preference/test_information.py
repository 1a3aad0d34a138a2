"""What a vote tells, against numeric integration written without the package's formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from penchant.preference._information import exact_information, information
from penchant.preference._likelihood import VoteLikelihood

CASES = [(0.0, 0.0), (0.1, 0.0), (0.0, 0.4), (0.15, 0.8)]


def naive(lapse: float, margin: float, difference: float, variance: float) -> float:
    """H(Y) − E H(Y | z), z ~ N(difference, variance), Y one of left, right, tie (Rao & Kupper 1967), with lapses."""

    def outcomes(z: float) -> list[float]:
        strong, weak, level = np.exp(z), 1.0, np.exp(margin)
        left = strong / (strong + level * weak)
        right = weak / (weak + level * strong)
        return [
            lapse / 2 + (1 - lapse) * left,
            lapse / 2 + (1 - lapse) * right,
            (1 - lapse) * max(1 - left - right, 0.0),
        ]

    def entropy(p: list[float]) -> float:
        return -sum(share * np.log(share) for share in p if share > 0)

    sd = np.sqrt(variance)

    def mean(of: int | None) -> float:
        def weighted(z: float) -> float:
            density = np.exp(-((z - difference) ** 2) / (2 * variance)) / (sd * np.sqrt(2 * np.pi))
            return density * (entropy(outcomes(z)) if of is None else outcomes(z)[of])

        low, high = difference - 9 * sd, difference + 9 * sd
        return quad(weighted, low, high, points=[0.0] if low < 0 < high else None, limit=200)[0]

    return entropy([mean(outcome) for outcome in range(3)]) - mean(None)


@pytest.mark.parametrize(("lapse", "margin"), CASES)
@pytest.mark.parametrize("difference", [0.0, 0.6, -2.5])
@pytest.mark.parametrize("variance", [0.05, 1.0, 30.0])
def test_information_matches_numeric_integration(lapse: float, margin: float, difference: float, variance: float):
    likelihood = VoteLikelihood(lapse, margin)
    expected = naive(lapse, margin, difference, variance)
    arrays = np.array([difference]), np.array([variance])
    assert exact_information(likelihood, *arrays)[0] == pytest.approx(expected, abs=1e-4)
    assert information(likelihood, *arrays)[0] == pytest.approx(expected, abs=0.003)


@given(st.floats(-30, 30), st.floats(0, 1000), st.sampled_from(CASES))
def test_information_is_bounded_and_the_same_for_swapped_images(
    difference: float, variance: float, case: tuple[float, float]
):
    likelihood = VoteLikelihood(*case)
    found = information(likelihood, np.array([difference, -difference]), np.full(2, variance))
    assert (found >= 0).all()
    assert (found <= (np.log(2) if case[1] == 0 else np.log(3))).all()
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_identical_images_tell_nothing(case: tuple[float, float]):
    assert information(VoteLikelihood(*case), np.zeros(1), np.zeros(1))[0] == pytest.approx(0, abs=1e-12)


def test_information_grows_with_uncertainty_and_falls_with_lapses():
    variance = np.array([0.1, 1.0, 10.0, 100.0])
    by_lapse = np.array([information(VoteLikelihood(lapse), np.zeros(4), variance) for lapse in (0.0, 0.1, 0.5)])
    assert (np.diff(by_lapse, axis=1) > 0).all()
    assert (np.diff(by_lapse, axis=0) < 0).all()
