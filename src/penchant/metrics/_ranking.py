"""Strengths from comparisons, ties kept: Bradley-Terry as Davidson extended it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import logsumexp

from penchant.core.errors import BadConfiguration
from penchant.metrics._intervals import normal_quantile

_TIE_SPREAD = 2.0
"""Standard deviation of the normal prior of log ν, around 0."""
_POWER = 0.8


@dataclass(frozen=True)
class Strengths:
    """``scores`` in logits, of mean 0: P(i beats j | one of the two is chosen) = σ(scores[i] − scores[j]).

    P(tie) = ν / (ν + 2 cosh((scores[i] − scores[j]) / 2)); ``tie`` is ν, 0 where no tie was seen.
    """

    scores: Float[np.ndarray, " k"]
    tie: float


def bradley_terry(
    count: int, pairs: Int[np.ndarray, "n 2"], outcomes: Sequence[float], prior: float = 2.0
) -> Strengths:
    """Most probable strengths of ``count`` items (Davidson, JASA 65, 1970) under a normal prior of deviation ``prior``.

    ``outcomes[t]`` is 1 where the first of ``pairs[t]`` won, 0 where the second did, ½ for a tie. The prior keeps an
    item that always won from running away, and pulls all towards each other; a wide one matters little after some ten
    comparisons. Ties are answers of their own and not half a win.

    >>> found = bradley_terry(2, np.array([[0, 1]] * 3 + [[1, 0]]), [1, 1, 1, 1], prior=100)
    >>> round(float(found.scores[0] - found.scores[1]), 2)  # log 3
    1.1

    Raises:
        BadConfiguration: an item that is not one of ``count``, one compared with itself, another outcome, or no prior.
    """
    pairs, outcome = np.asarray(pairs).reshape(-1, 2), np.asarray(outcomes, dtype=np.float64)
    if prior <= 0 or len(pairs) != len(outcome) or not np.isin(outcome, (0.0, 0.5, 1.0)).all():
        raise BadConfiguration("comparisons need an outcome of 0, ½ or 1 each, and a prior above 0")
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= count or (pairs[:, 0] == pairs[:, 1]).any()):
        raise BadConfiguration(f"comparisons are between two different ones of {count} items")
    tied = outcome == 0.5
    ties = bool(tied.any())
    column = np.where(tied, 2, np.where(outcome == 1, 0, 1))
    rows = np.arange(len(pairs))

    def loss(parameters: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        scores, log_tie = parameters[:count], parameters[count]
        first, second = scores[pairs[:, 0]], scores[pairs[:, 1]]
        logits = np.stack([first, second, (first + second) / 2 + log_tie], axis=1)[:, : 3 if ties else 2]
        total = np.asarray(logsumexp(logits, axis=1, keepdims=True))
        value = (total[:, 0] - logits[rows, column]).sum() + (scores @ scores) / (2 * prior**2)
        slope = np.exp(logits - total)
        slope[rows, column] -= 1
        shared = slope[:, 2] if ties else np.zeros(len(pairs))
        gradient = np.zeros(count + 1)
        np.add.at(gradient, pairs[:, 0], slope[:, 0] + shared / 2)
        np.add.at(gradient, pairs[:, 1], slope[:, 1] + shared / 2)
        gradient[:count] += scores / prior**2
        gradient[count] = shared.sum() + log_tie / _TIE_SPREAD**2
        return float(value + (log_tie / _TIE_SPREAD) ** 2 / 2), gradient

    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, np.zeros(count + 1), jac=True, method="L-BFGS-B", options=options).x
    scores = found[:count] - found[:count].mean() if count else found[:0]
    return Strengths(scores, math.exp(found[count]) if ties else 0.0)


def connected(count: int, pairs: Int[np.ndarray, "n 2"]) -> list[list[int]]:
    """The groups within which items are linked by comparisons; strengths of different groups do not compare.

    >>> connected(4, np.array([[0, 2], [3, 2]]))
    [[0, 2, 3], [1]]
    """
    group = list(range(count))
    for first, second in np.asarray(pairs).reshape(-1, 2).tolist():
        old, new = sorted((group[first], group[second]), reverse=True)
        group = [new if member == old else member for member in group]
    return [[item for item in range(count) if group[item] == name] for name in sorted(set(group))]


def votes_needed(win_rate: float, power: float = _POWER, confidence: float = 0.95) -> float:
    """Decisive votes after which a true win rate is told from one half with this probability; infinite for one half.

    >>> [round(votes_needed(rate)) for rate in (0.55, 0.6, 0.65, 0.7)]
    [783, 194, 85, 47]

    Raises:
        BadConfiguration: a rate that is not from 0 to 1, or a power not between ½ and 1.
    """
    if not (0 <= win_rate <= 1 and 0.5 <= power < 1):
        raise BadConfiguration(f"a win rate is from 0 to 1 and a power from ½ to 1; found {win_rate:g} and {power:g}")
    if win_rate == 0.5:
        return math.inf
    one_sided = normal_quantile(2 * power - 1)
    wide = normal_quantile(confidence) / 2 + one_sided * math.sqrt(win_rate * (1 - win_rate))
    return math.ceil((wide / (win_rate - 0.5)) ** 2)
