"""The likelihood of one vote: probabilities, derivatives and moments."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from penchant.preference._likelihood import VoteLikelihood

F = np.array([-3.0, -0.4, 0.0, 0.7, 4.0])
CHOICES, TIES = np.zeros(5, dtype=bool), np.ones(5, dtype=bool)
LIKELIHOODS = [VoteLikelihood(), VoteLikelihood(lapse=0.1), VoteLikelihood(0.1, 0.4), VoteLikelihood(0.0, 0.4)]
MIXED = np.array([True, False, True, False, False])


def test_likelihood_is_bradley_terry_without_lapse_and_margin():
    likelihood = VoteLikelihood()
    np.testing.assert_allclose(np.exp(likelihood.log_probability(F, CHOICES)), expit(F))
    np.testing.assert_allclose(likelihood.prefer(F), expit(F))
    terms = likelihood.terms(F, CHOICES)
    np.testing.assert_allclose(terms.gradient, expit(-F))
    np.testing.assert_allclose(terms.curvature, expit(F) * expit(-F))
    np.testing.assert_allclose(terms.information, terms.curvature)


@pytest.mark.parametrize("likelihood", [VoteLikelihood(margin=0.4), VoteLikelihood(0.15, 1.2)])
def test_likelihood_of_all_answers_sums_to_one(likelihood: VoteLikelihood):
    total = sum(np.exp(likelihood.log_probability(sign * F, CHOICES)) for sign in (1, -1))
    np.testing.assert_allclose(total + np.exp(likelihood.log_probability(F, TIES)), 1)


def test_likelihood_of_ties_is_rao_kupper():
    tie = VoteLikelihood(margin=0.5).log_probability(np.array([0.0]), np.array([True]))
    # Both sides win with 1 / (1 + e^0.5) = 0.37754 at equal utilities; the rest are ties.
    np.testing.assert_allclose(np.exp(tie), 1 - 2 * 0.37754067, rtol=1e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_prefer_is_antisymmetric(likelihood: VoteLikelihood):
    np.testing.assert_allclose(likelihood.prefer(F) + likelihood.prefer(-F), 1)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_terms_are_derivatives_of_the_log_probability(likelihood: VoteLikelihood):
    step = 1e-5
    for ties in (CHOICES, TIES, MIXED):
        low, here, high = (likelihood.terms(F + move, ties) for move in (-step, 0.0, step))
        np.testing.assert_allclose(
            here.gradient, (high.log_probability - low.log_probability) / (2 * step), rtol=1e-6, atol=1e-8
        )
        np.testing.assert_allclose(-here.curvature, (high.gradient - low.gradient) / (2 * step), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(
            here.information_slope, (high.information - low.information) / (2 * step), rtol=1e-6, atol=1e-8
        )
        assert (here.information >= 0).all()


@pytest.mark.parametrize("name", ["lapse", "margin"])
def test_slopes_are_derivatives_in_the_hyperparameters(name: str):
    step, at = 1e-6, {"lapse": 0.1, "margin": 0.4}
    for ties in (CHOICES, TIES, MIXED):
        here = VoteLikelihood(**at)
        slopes = here.by_lapse(F, ties) if name == "lapse" else here.by_margin(F, ties)
        low, high = (VoteLikelihood(**{**at, name: at[name] + move}).terms(F, ties) for move in (-step, step))
        for slope, part in zip(slopes, ("log_probability", "gradient", "information"), strict=True):
            numeric = (getattr(high, part) - getattr(low, part)) / (2 * step)
            np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-8, err_msg=f"{name}: {part}")


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("tie", [False, True])
def test_moments_match_numeric_integration(likelihood: VoteLikelihood, tie: bool):
    mean, variance = 0.6, 2.5

    def weight(z: float, power: int) -> float:
        log = likelihood.log_probability(np.array([z]), np.array([tie]))[0]
        return z**power * float(np.exp(log)) * float(norm.pdf(z, mean, variance**0.5))

    mass, first, second = (quad(weight, -15, 15, args=(power,))[0] for power in (0, 1, 2))
    found = likelihood.moments(mean, variance, tie)
    np.testing.assert_allclose(found, (first / mass, second / mass - (first / mass) ** 2, mass), rtol=1e-6)


def test_information_is_the_expected_squared_gradient():
    likelihood = VoteLikelihood(lapse=0.2)
    won, lost = likelihood.terms(F, CHOICES), likelihood.terms(-F, CHOICES)
    p = np.exp(won.log_probability)
    np.testing.assert_allclose(won.information, p * won.gradient**2 + (1 - p) * lost.gradient**2)
