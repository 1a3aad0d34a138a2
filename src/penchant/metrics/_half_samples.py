"""The standard error of figures that compare sets: the spread over random halves."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from penchant.metrics._features import Features


def half_samples(n: int, repeats: int, rng: np.random.Generator) -> Float[np.ndarray, "r n"]:
    """``repeats`` rows that mark a random half of ``n`` with 1."""
    order = np.argsort(rng.random((repeats, n)), axis=1)
    return (order < n // 2).astype(np.float64)


def half_sample_sd(
    statistic: Callable[..., float], tables: tuple[Features, ...], repeats: int, rng: np.random.Generator
) -> float:
    """Standard error of ``statistic(*tables)``: the spread over random halves of every table.

    This is the delete-half jackknife (Shao & Wu, Annals of Statistics 17, 1989): drawing half without replacement
    from n has the variance of drawing n anew. Unlike the bootstrap it never shows an image twice, which distances
    between sets would take for a lack of variety. The figure's own bias at n/2 does not enter.
    """
    values: list[float] = []
    for _ in range(repeats):
        halves = [table[rng.permutation(len(table))[: len(table) // 2]] for table in tables]
        values.append(statistic(*halves))
    return float(np.std(values, ddof=1))
