"""How good predicted probabilities are, against the probabilities that a simulated voter truly answers by."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import xlogy

Array = Float[np.ndarray, " p"]


def accuracy(believed: Array, truth: Bool[np.ndarray, " p"]) -> float:
    """Share of pairs whose better image has the larger believed utility; ``believed`` are differences, 0 half right.

    >>> accuracy(np.array([1.0, -1.0, 0.0, 0.0]), np.array([True, True, True, True]))
    0.5
    """
    return float(np.where(believed == 0, 0.5, (believed > 0) == truth).mean())


def log_loss(predicted: Array, answered: Array, weights: Array) -> float:
    """Mean −[q log p + (1 − q) log(1 − p)] in nats, q the probability (or share) of left among left and right.

    ``weights`` say how often a pair is decided at all. A coin has log 2 = .693.

    >>> round(log_loss(np.array([0.5, 0.5]), np.array([1.0, 0.3]), np.ones(2)), 3)
    0.693
    """
    p = np.clip(predicted, 1e-9, 1 - 1e-9)
    return float(-np.average(xlogy(answered, p) + xlogy(1 - answered, 1 - p), weights=weights))


def calibration_error(predicted: Array, answered: Array, weights: Array, bins: int = 10) -> float:
    """Expected calibration error: mean |predicted − answered| over bins of equal mass, sorted by prediction.

    The sides of a pair are exchangeable, so every pair also counts the other way round: that keeps a side bias of the
    voter from looking like a fault of a model that knows no sides, and doubles the pairs.

    >>> certain = np.array([0.9, 0.9, 0.9, 0.9])
    >>> round(calibration_error(certain, np.array([1.0, 1.0, 1.0, 0.0]), np.ones(4), bins=2), 3)
    0.15
    """
    p = np.stack([predicted, 1 - predicted], axis=1).ravel()  # a pair beside its mirror image: equal ones stay even
    q = np.stack([answered, 1 - answered], axis=1).ravel()
    w = np.repeat(weights, 2)
    order = np.argsort(p, kind="stable")
    p, q, w = p[order], q[order], w[order]
    place = np.minimum((bins * (np.cumsum(w) - w / 2) / w.sum()).astype(int), bins - 1)
    mass, gap = np.bincount(place, w, bins), np.bincount(place, w * (p - q), bins)
    return float(np.abs(gap).sum() / mass.sum())
