"""The likelihood of one vote as a function of one number: how much better the winner is than the loser."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.polynomial.hermite import hermgauss
from scipy.special import expit, log_expit

_POINTS, _MASSES = hermgauss(32)
_NODES, _WEIGHTS = np.sqrt(2) * _POINTS, _MASSES / np.sqrt(np.pi)

Array = Float[np.ndarray, " t"]


class Slopes(NamedTuple):
    """Derivatives, with respect to one hyperparameter, of the log-probability, its gradient and the information."""

    log_probability: Array
    gradient: Array
    information: Array


class Terms(NamedTuple):
    """Everything the Laplace approximation needs to know about each vote at its utility difference f.

    ``gradient`` is ∂ log p / ∂f, ``curvature`` −∂² log p / ∂f² (negative where a vote looks like a slip),
    ``information`` the Fisher information (never negative; equal to the curvature without lapses) and
    ``information_slope`` its derivative in f.
    """

    log_probability: Array
    gradient: Array
    curvature: Array
    information: Array
    information_slope: Array


@dataclass(frozen=True)
class VoteLikelihood:
    """Bradley-Terry with lapses and ties, as a function of f = u(winner) − u(loser).

    With a = σ(f − η) and b = σ(−f − η) (Rao & Kupper 1967):

    - a choice: p = λ/2 + (1 − λ)·a; somebody who lapses picks a side by a fair coin;
    - a tie: p = (1 − λ)·(e^{2η} − 1)·a·b, where f may have either sign.

    λ = 0 and η = 0 is Bradley-Terry exactly. At η = 0 ties have probability zero; the factor that does not depend on
    f is then left out, so that a tie still says "about equal" before the first margin is fitted. The consistency κ
    of a voter is the scale of u itself, hence of the prior's group scales: it is no parameter of its own.
    """

    lapse: float = 0.0
    margin: float = 0.0

    def log_probability(self, f: Array, ties: Bool[np.ndarray, " t"]) -> Array:
        """Log p of each vote; ``ties`` tells which votes are ties."""
        return np.where(ties, self._log_tie(f), self._log_choice(f))

    def prefer(self, f: Array) -> Array:
        """P(the first is chosen | one of the two is chosen) at the utility difference ``f``; no uncertainty in f."""
        first, second = expit(f - self.margin), expit(-f - self.margin)
        chosen = self.lapse + (1 - self.lapse) * (first + second)
        return (self.lapse / 2 + (1 - self.lapse) * first) / chosen

    def outcomes(self, f: Float[np.ndarray, "..."]) -> Float[np.ndarray, "3 ..."]:
        """P(first), P(second) and P(tie) at the utility difference ``f``; they sum to 1."""
        first, second = expit(f - self.margin), expit(-f - self.margin)
        careful = 1 - self.lapse
        tie = careful * np.expm1(2 * self.margin) * first * second
        return np.stack([self.lapse / 2 + careful * first, self.lapse / 2 + careful * second, tie])

    def moments(self, mean: float, variance: float, tie: bool) -> tuple[float, float, float]:
        """Mean and variance of z ~ N(mean, variance) after one vote, and how probable that vote was before it.

        By 32-point Gauss-Hermite quadrature.
        """
        z = mean + np.sqrt(variance) * _NODES
        logs = self._log_tie(z) if tie else self._log_choice(z)
        weights = _WEIGHTS * np.exp(logs - logs.max())
        total = float(weights.sum())
        weights /= total
        after = float(weights @ z)
        return after, float(weights @ (z - after) ** 2), total * float(np.exp(logs.max()))

    def terms(self, f: Array, ties: Bool[np.ndarray, " t"]) -> Terms:
        """Log-probabilities with their derivatives in ``f``."""
        a, against = expit(f - self.margin), expit(self.margin - f)
        r, other = self._meant(a), self._meant(against)
        fisher = r * other * a * against
        slope = fisher * (against - a) * (2 - r * other)
        choice = Terms(self._log_choice(f), r * against, r * against * (a - (1 - r) * against), fisher, slope)
        if not ties.any():
            return choice
        b = expit(-f - self.margin)
        left, right = a * against, b * (1 - b)
        tie = Terms(self._log_tie(f), b - a, left + right, left + right, left * (against - a) - right * (1 - 2 * b))
        return Terms._make(np.where(ties, *pair) for pair in zip(tie, choice, strict=True))

    def by_lapse(self, f: Array, ties: Bool[np.ndarray, " t"]) -> Slopes:
        """Derivatives in λ, which must be positive."""
        a = expit(f - self.margin)
        p = self.lapse / 2 + (1 - self.lapse) * a
        spread = p * (1 - p)
        fisher = self._meant(a) * self._meant(1 - a) * a * (1 - a)
        return Slopes(
            np.where(ties, -1 / (1 - self.lapse), (0.5 - a) / p),
            np.where(ties, 0.0, -(1 - a) * a / (2 * p * p)),
            np.where(ties, 0.0, fisher * (-2 / (1 - self.lapse) - (0.5 - a) * (1 - 2 * p) / spread)),
        )

    def by_margin(self, f: Array, ties: Bool[np.ndarray, " t"]) -> Slopes:
        """Derivatives in η, which must be positive."""
        a, b = expit(f - self.margin), expit(-f - self.margin)
        second_a, second_b = a * (1 - a), b * (1 - b)
        terms = self.terms(f, np.zeros_like(ties))
        return Slopes(
            np.where(ties, -2 / np.expm1(-2 * self.margin) - (1 - a) - (1 - b), -terms.gradient),
            np.where(ties, second_a - second_b, terms.curvature),
            np.where(ties, -second_a * (1 - 2 * a) - second_b * (1 - 2 * b), -terms.information_slope),
        )

    def _log_choice(self, f: Array) -> Array:
        if self.lapse > 0:
            return np.log(self.lapse / 2 + (1 - self.lapse) * expit(f - self.margin))
        return log_expit(f - self.margin)

    def _log_tie(self, f: Array) -> Array:
        constant = np.log(np.expm1(2 * self.margin)) if self.margin > 0 else 0.0
        return np.log1p(-self.lapse) + constant + log_expit(f - self.margin) + log_expit(-f - self.margin)

    def _meant(self, careful: Array) -> Array:
        """P(an outcome was no lapse | the outcome), of one that whoever does not lapse chooses so probably."""
        if self.lapse > 0:
            return (1 - self.lapse) * careful / (self.lapse / 2 + (1 - self.lapse) * careful)
        return np.ones_like(careful)
