"""How much a vote is expected to tell: by quadrature over all its outcomes, looked up in a table."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.special import entr

from penchant.preference._likelihood import VoteLikelihood

Array = Float[np.ndarray, " p"]

_NODES = np.linspace(-6, 6, 81)
_MASSES = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()
_REACH = 6.0
"""Largest |δ|/√(1+v) in the table; beyond, votes tell next to nothing."""
_WIDEST = 0.96
"""Largest √v/(1 + √v) in the table: a standard deviation of 24 logits."""
_ROWS, _COLUMNS = 49, 33


def exact_information(likelihood: VoteLikelihood, difference: Array, variance: Array) -> Array:
    """Mutual information, in nats, between a vote and z ~ N(difference, variance): H(E p) − E H(p).

    Houlsby et al. 2011, equation 2, over all outcomes (left, right, tie), lapses included; the trapezoidal rule on 81
    nodes. Within 1e-4 for standard deviations up to 10 logits.
    """
    z = difference[..., None] + np.sqrt(variance)[..., None] * _NODES
    outcomes = likelihood.outcomes(z)
    return entr(outcomes @ _MASSES).sum(0) - (entr(outcomes) @ _MASSES).sum(0)


def information(likelihood: VoteLikelihood, difference: Array, variance: Array) -> Array:
    """The same by bilinear interpolation, 0.2 ms for 8,000 pairs; within 0.003."""
    table = information_table(likelihood)
    sd = np.sqrt(variance)
    row = np.minimum(np.abs(difference) / (np.sqrt(1 + variance) * _REACH), 1) * (_ROWS - 1)
    column = np.minimum(sd / ((1 + sd) * _WIDEST), 1) * (_COLUMNS - 1)
    i, j = np.minimum(row.astype(int), _ROWS - 2), np.minimum(column.astype(int), _COLUMNS - 2)
    down, right, corner = row - i, column - j, i * _COLUMNS + j
    above = (1 - right) * table[corner] + right * table[corner + 1]
    below = (1 - right) * table[corner + _COLUMNS] + right * table[corner + _COLUMNS + 1]
    return np.maximum((1 - down) * above + down * below, 0.0)


@lru_cache(maxsize=16)
def information_table(likelihood: VoteLikelihood) -> Float[np.ndarray, " c"]:
    """Exact values on a grid of |δ|/√(1+v) and √v/(1 + √v); some milliseconds, once for every likelihood."""
    share = np.linspace(0, _WIDEST, _COLUMNS)
    variance = np.broadcast_to((share / (1 - share)) ** 2, (_ROWS, _COLUMNS))
    difference = np.linspace(0, _REACH, _ROWS)[:, None] * np.sqrt(1 + variance)
    return exact_information(likelihood, difference.ravel(), variance.ravel())
