"""The unbiased squared maximum mean discrepancy with any kernel, in blocks, with its error and its p-value."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features, matched
from penchant.metrics._half_samples import half_samples
from penchant.metrics._intervals import normal_quantile

Kernel = Callable[[Features, Features], Float[np.ndarray, "n m"]]
Kernels = tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "m m"], Float[np.ndarray, "n m"]]
"""Within the one side, within the other, and between them."""


@dataclass(frozen=True)
class BlockMmd:
    """MMD² averaged over disjoint random blocks of at most ``block`` rows a side.

    ``repeats`` half-samples give the error, ``permutations`` the p-value; 0 of these leaves it out.
    """

    kernel: Kernel
    block: int
    repeats: int
    permutations: int

    def __post_init__(self) -> None:
        if self.block < 8 or self.repeats < 2 or self.permutations < 0:
            raise ValueError(
                f"block must be at least 8, repeats at least 2 and permutations at least 0; found {self.block}, "
                f"{self.repeats}, {self.permutations}"
            )

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """Value, 95% interval, floor and p-value at matched n; each kernel is computed once for all of them."""
        tables = {"real": real, "generated": generated, "held-out": holdout}
        sets = matched(tables, at_least=4, rng=rng)
        n = len(sets[0])
        count = math.ceil(n / self.block)
        parts = [np.array_split(rng.permutation(rows), count) for rows in sets]
        values, variances, floors, splits = [], [], [], np.zeros(1 + self.permutations)
        for reals, fakes, unseen in zip(*parts, strict=True):
            within, between = self.kernel(reals, reals), self.kernel(reals, fakes)
            kernels = within, self.kernel(fakes, fakes), between
            everything = np.ones((1, len(reals))), np.ones((1, len(fakes)))
            values.append(float(mmd2(*kernels, *everything)[0]))
            halves = (half_samples(len(side), self.repeats, rng) for side in (reals, fakes))
            variances.append(float(mmd2(*kernels, *halves).var(ddof=1)))
            splits += self._splits(kernels, rng)
            others = self.kernel(unseen, unseen), self.kernel(reals, unseen)
            floors.append(float(mmd2(within, *others, *everything)[0]))
        value, floor = float(np.mean(values)), float(np.mean(floors))
        reach = normal_quantile(0.95) * math.sqrt(float(np.mean(variances)) / count)
        p_value = exceedance(splits) if self.permutations else None
        return Measurement(value, value - reach, value + reach, floor, n, extractor, p_value)

    def p_value(self, left: Features, right: Features, rng: np.random.Generator) -> float:
        """How often random splits of all images lie at least as far apart: P(MMD² ≥ seen | one distribution)."""
        kernels = self.kernel(left, left), self.kernel(right, right), self.kernel(left, right)
        return exceedance(self._splits(kernels, rng))

    def _splits(self, kernels: Kernels, rng: np.random.Generator) -> Float[np.ndarray, " p"]:
        """The discrepancy as it was seen, then of random splits of the same images."""
        seen = np.arange(sum(kernels[2].shape)) < len(kernels[0])
        members = np.stack([seen, *(rng.permutation(seen) for _ in range(self.permutations))]).astype(np.float64)
        return mmd2_of_splits(*kernels, members)


def exceedance(splits: Float[np.ndarray, " p"]) -> float:
    """The share of splits at least as far apart as the first, which was seen and counts as one itself: the value is
    never 0 and the test is exact (Phipson & Smyth 2010).
    """
    return float((1 + (splits[1:] >= splits[0] - 1e-12 * abs(splits[0])).sum()) / len(splits))


def mmd2(
    within_left: Float[np.ndarray, "n n"],
    within_right: Float[np.ndarray, "m m"],
    between: Float[np.ndarray, "n m"],
    left: Float[np.ndarray, "r n"],
    right: Float[np.ndarray, "r m"],
) -> Float[np.ndarray, " r"]:
    """Eq. 4 of arXiv 1801.01401 for many subsets at once: row r of ``left`` and ``right`` marks the members with 1."""
    return (
        _mean_off_diagonal(within_left, left)
        + _mean_off_diagonal(within_right, right)
        - 2 * ((left @ between) * right).sum(axis=1) / (left.sum(axis=1) * right.sum(axis=1))
    )


def mmd2_of_splits(
    within_left: Float[np.ndarray, "n n"],
    within_right: Float[np.ndarray, "m m"],
    between: Float[np.ndarray, "n m"],
    members: Float[np.ndarray, "r k"],
) -> Float[np.ndarray, " r"]:
    """:func:`mmd2` of the images of both sides that each row of ``members`` marks, against all the others.

    K is the kernel of all images; with P = members·K, everything else follows from sums: one product a row, not three.
    """
    n = len(within_left)
    left, right = members[:, :n], members[:, n:]
    product = np.concatenate([left @ within_left + right @ between.T, left @ between + right @ within_right], axis=1)
    diagonal = np.concatenate([np.diag(within_left), np.diag(within_right)])
    total = float(within_left.sum() + within_right.sum() + 2 * between.sum())
    one = members.sum(axis=1)
    other = members.shape[1] - one
    inside = (product * members).sum(axis=1)
    across = product.sum(axis=1) - inside
    outside = total - inside - 2 * across
    own = members @ diagonal
    first = (inside - own) / (one * (one - 1))
    second = (outside - (float(diagonal.sum()) - own)) / (other * (other - 1))
    return first + second - 2 * across / (one * other)


def whole(kernel: Kernel, left: Features, right: Features) -> float:
    """The estimate from all rows at once; both sides may differ in length."""
    kernels = kernel(left, left), kernel(right, right), kernel(left, right)
    return float(mmd2(*kernels, np.ones((1, len(left))), np.ones((1, len(right))))[0])


def _mean_off_diagonal(kernel: Float[np.ndarray, "n n"], members: Float[np.ndarray, "r n"]) -> Float[np.ndarray, " r"]:
    count = members.sum(axis=1)
    return (((members @ kernel) * members).sum(axis=1) - members @ np.diag(kernel)) / (count * (count - 1))
