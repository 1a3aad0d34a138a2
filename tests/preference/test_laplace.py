"""Mode, evidence and gradient against twins, finite differences and brute-force integrals."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm

from penchant.preference._laplace import Dual, Primal, evidence, find_mode, system_of
from penchant.preference._likelihood import VoteLikelihood

SHAPES = [(12, 20), (40, 6)]


def example(votes: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(votes)
    return rng.normal(size=(votes, width)) * 0.6, rng.random(votes) < 0.25


@pytest.mark.parametrize("shape", SHAPES)
def test_dual_and_primal_are_twins(shape: tuple[int, int]):
    design, _ = example(*shape)
    rng = np.random.default_rng(1)
    weights, target, curvature = rng.random(shape[0]), rng.normal(size=shape[0]), rng.normal(size=shape[0]) * 0.1
    dual, primal = Dual(design), Primal(design)
    one, other = dual.newton(weights, target), primal.newton(weights, target)
    np.testing.assert_allclose(dual.omega(one), primal.omega(other), atol=1e-10)
    np.testing.assert_allclose(dual.field(one), primal.field(other), atol=1e-10)
    for a, b in zip(dual.spread(weights), primal.spread(weights), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)
    np.testing.assert_allclose(dual.adjoint(curvature, target), primal.adjoint(curvature, target), atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_mode_is_what_a_general_optimiser_finds(shape: tuple[int, int]):
    design, ties = example(*shape)
    likelihood = VoteLikelihood(0.05, 0.3)

    def loss(omega: np.ndarray) -> float:
        return 0.5 * float(omega @ omega) - float(likelihood.log_probability(design @ omega, ties).sum())

    expected = minimize(loss, np.zeros(shape[1]), method="BFGS", options={"gtol": 1e-6})
    mode = find_mode(system_of(design), ties, likelihood)
    np.testing.assert_allclose(mode.omega, expected.x, atol=1e-4)
    assert -mode.objective <= expected.fun + 1e-9


@pytest.mark.parametrize("shape", SHAPES)
def test_evidence_gradient_matches_finite_differences(shape: tuple[int, int]):
    design, ties = example(*shape)
    logs, step = np.random.default_rng(2).normal(size=shape[1]) * 0.3, 1e-5

    def at(move: np.ndarray, lapse: float = 0.1, margin: float = 0.3):
        return evidence(design * np.exp(logs + move), ties, VoteLikelihood(lapse, margin))

    here, still = at(np.zeros(shape[1])), np.zeros(shape[1])
    numeric = [(at(step * unit).value - at(-step * unit).value) / (2 * step) for unit in np.eye(shape[1])]
    np.testing.assert_allclose(here.by_column, numeric, atol=1e-6)
    np.testing.assert_allclose(
        here.by_lapse, (at(still, 0.1 + step).value - at(still, 0.1 - step).value) / (2 * step), atol=1e-5
    )
    np.testing.assert_allclose(
        here.by_margin, (at(still, 0.1, 0.3 + step).value - at(still, 0.1, 0.3 - step).value) / (2 * step), atol=1e-5
    )


def test_evidence_is_near_the_integral_in_one_dimension():
    design, ties = np.array([[0.8], [1.1], [-0.3], [0.5]]), np.array([False, False, False, True])
    likelihood = VoteLikelihood(0.05, 0.4)

    def joint(weight: float) -> float:
        return float(np.exp(likelihood.log_probability(design[:, 0] * weight, ties).sum()) * norm.pdf(weight))

    exact = np.log(quad(joint, -10, 10)[0])
    assert abs(evidence(design, ties, likelihood).value - exact) < 0.02


def test_evidence_is_near_the_integral_in_two_dimensions():
    design = np.random.default_rng(0).normal(size=(8, 2))
    ties, likelihood = np.zeros(8, dtype=bool), VoteLikelihood()

    line = np.linspace(-6, 6, 301)
    weights = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    logs = sum(likelihood.log_probability(weights @ row, np.zeros(len(weights), dtype=bool)) for row in design)
    exact = np.log((np.exp(logs) * norm.pdf(weights).prod(1)).sum() * (line[1] - line[0]) ** 2)
    assert abs(evidence(design, ties, likelihood).value - exact) < 0.08


def test_mode_does_not_depend_on_where_the_search_begins():
    design, ties = example(30, 8)
    likelihood = VoteLikelihood(0.03)
    system = system_of(design)
    cold = find_mode(system, ties, likelihood)
    warm = find_mode(system, ties, likelihood, start=np.random.default_rng(3).normal(size=system.size))
    np.testing.assert_allclose(cold.omega, warm.omega, atol=1e-7)
