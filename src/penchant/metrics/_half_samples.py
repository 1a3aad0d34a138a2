"""The standard error of figures that compare sets: the spread over random subsets, rescaled."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from penchant.metrics._features import Features

LARGEST = 1000
"""Rows of a subset at most: a standard error needs no more."""


def half_samples(n: int, repeats: int, rng: np.random.Generator) -> Float[np.ndarray, "r n"]:
    """``repeats`` rows that mark a random half of ``n`` with 1."""
    order = np.argsort(rng.random((repeats, n)), axis=1)
    return (order < n // 2).astype(np.float64)


def half_sample_sds(
    statistic: Callable[..., Float[np.ndarray, " s"]],
    tables: tuple[Features, ...],
    repeats: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, " s"]:
    """Standard errors of the figures ``statistic(*tables)``: the spread over random halves of every table.

    This is the delete-half jackknife (Shao & Wu, Annals of Statistics 17, 1989): drawing half without replacement
    from n has the variance of drawing n anew. Unlike the bootstrap it never shows an image twice, which distances
    between sets would take for a lack of variety. Of more than 2,000 rows, b = 1,000 are drawn and the spread is
    multiplied by √(b / (n − b)), which is 1 for a half (subsampling: Politis & Romano, Annals of Statistics 22, 1994).
    The figure's own bias at b does not enter.
    """
    n = min(map(len, tables))
    scale = math.sqrt(_size(n) / (n - _size(n)))
    values = [
        statistic(*(table[rng.permutation(len(table))[: _size(len(table))]] for table in tables))
        for _ in range(repeats)
    ]
    return np.std(values, axis=0, ddof=1) * scale


def half_sample_sd(
    statistic: Callable[..., float], tables: tuple[Features, ...], repeats: int, rng: np.random.Generator
) -> float:
    """:func:`half_sample_sds` of one figure."""
    return float(half_sample_sds(lambda *rows: np.array([statistic(*rows)]), tables, repeats, rng)[0])


def _size(n: int) -> int:
    return min(n // 2, LARGEST)
