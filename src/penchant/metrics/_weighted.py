"""Strengths of things that are known by their features, from comparisons that count differently much."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit

from penchant.core.errors import BadConfiguration


def linear_strengths(
    differences: Float[np.ndarray, "t d"],
    outcomes: Float[np.ndarray, " t"],
    weights: Float[np.ndarray, " t"],
    ridge: float,
) -> Float[np.ndarray, " d"]:
    """The most probable w of P(first is preferred) = σ(w·difference) under a normal prior of precision ``ridge``.

    ``outcomes`` are 1, 0, or ½ for a tie, which counts as half a win of each. Comparison t counts ``weights[t]`` times:
    the inverse of the probability with which it was asked makes the answers those of uniformly drawn pairs (Horvitz &
    Thompson, JASA 47, 1952), for pairs that had any chance at all. Cost: a few hundred products with the table.

    Raises:
        BadConfiguration: numbers that are not finite, weights below 0, or no prior.
    """
    tables = (differences, outcomes, weights)
    if ridge <= 0 or not all(np.isfinite(table).all() for table in tables) or (weights < 0).any():
        raise BadConfiguration("weighted comparisons need finite features, weights of at least 0 and a prior above 0")

    def loss(w: Float[np.ndarray, " d"]) -> tuple[float, Float[np.ndarray, " d"]]:
        logits = differences @ w
        value = weights @ (np.logaddexp(0, logits) - outcomes * logits) + ridge * (w @ w) / 2
        return float(value), differences.T @ (weights * (expit(logits) - outcomes)) + ridge * w

    start = np.zeros(differences.shape[1])
    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x


def effective_number(weights: Float[np.ndarray, " t"]) -> float:
    """As many equally weighted comparisons tell as much (Kish 1965).

    >>> effective_number(np.array([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    total = float(weights.sum())
    return total**2 / float((weights**2).sum()) if total > 0 else 0.0
