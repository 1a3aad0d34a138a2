"""Weights of images that make the liked ones count more, for so many nats."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from scipy.optimize import root_scalar
from torch import Tensor

FEWEST = 16.0
"""Images that the weights must be worth, at least (1/Σw²): fewer would be learned by heart."""

DECADES = 6.0


def tilted_weights(rewards: Float[Tensor, " n"], beta: float) -> Float[Tensor, " n"]:
    """softmax(r/β): the best weights for E_w[r] − β·KL(w ‖ uniform)."""
    return torch.softmax(rewards.double() / beta, dim=0)


def weights_kl(weights: Float[Tensor, " n"]) -> float:
    """KL(w ‖ uniform) = Σ w·log(n·w) in nats: 0 for equal weights, log n for a single image."""
    return float(torch.special.xlogy(weights, weights * len(weights)).sum())


def worth(weights: Float[Tensor, " n"]) -> float:
    """How many equally weighted images these are worth (Kish): 1/Σw²."""
    return 1 / float(weights.square().sum())


def beta_for(rewards: Float[Tensor, " n"], target_kl: float) -> float:
    """The β whose weights cost ``target_kl`` nats, or the smallest that leaves :data:`FEWEST` images' worth.

    Both fall as β grows, so each is found by bisection in log β.
    """
    middle = float(rewards.double().std()) / math.sqrt(2 * target_kl)
    low, high = (math.log(middle * 10**decades) for decades in (-DECADES, DECADES))

    def spent_too_little(log_beta: float) -> float:
        return weights_kl(tilted_weights(rewards, math.exp(log_beta))) - target_kl

    def worth_too_little(log_beta: float) -> float:
        return worth(tilted_weights(rewards, math.exp(log_beta))) - min(FEWEST, len(rewards) / 2)

    found = low if spent_too_little(low) <= 0 else _root(spent_too_little, low, high)
    if worth_too_little(found) < 0:
        found = _root(worth_too_little, found, high)
    return math.exp(found)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(root_scalar(function, bracket=(low, high), method="brentq", xtol=1e-6).root)
