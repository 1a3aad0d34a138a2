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
        """Value, 95% interval, floor and p-value at matched n."""
        tables = {"real": real, "generated": generated, "held-out": holdout}
        reals, fakes, unseen = matched(tables, at_least=4, rng=rng)
        value, error = self.value_and_error(reals, fakes, rng)
        floor, _ = self.value_and_error(reals, unseen, rng)
        reach = normal_quantile(0.95) * error
        p_value = self.p_value(reals, fakes, rng) if self.permutations else None
        return Measurement(value, value - reach, value + reach, floor, len(reals), extractor, p_value)

    def value_and_error(self, left: Features, right: Features, rng: np.random.Generator) -> tuple[float, float]:
        """Mean over the blocks, and its standard error."""
        pairs = self._blocks(left, right, rng)
        values, variances = zip(*(self._block(*pair, rng) for pair in pairs), strict=True)
        return float(np.mean(values)), math.sqrt(float(np.mean(variances)) / len(pairs))

    def p_value(self, left: Features, right: Features, rng: np.random.Generator) -> float:
        """How often random splits of each block's images lie at least as far apart: P(MMD² ≥ seen | one distribution).

        The split that was seen counts as one, so the value is never 0 and the test is exact (Phipson & Smyth 2010).
        """
        total = np.zeros(1 + self.permutations)
        for first, second in self._blocks(left, right, rng):
            pooled = np.concatenate([first, second])
            kernel = self.kernel(pooled, pooled)
            seen = np.arange(len(pooled)) < len(first)
            members = np.stack([seen, *(rng.permutation(seen) for _ in range(self.permutations))]).astype(np.float64)
            total += mmd2(kernel, kernel, kernel, members, 1 - members)
        return float((1 + (total[1:] >= total[0] - 1e-12 * abs(total[0])).sum()) / len(total))

    def _blocks(self, left: Features, right: Features, rng: np.random.Generator) -> list[tuple[Features, Features]]:
        blocks = math.ceil(max(len(left), len(right)) / self.block)
        return list(
            zip(
                np.array_split(rng.permutation(left), blocks),
                np.array_split(rng.permutation(right), blocks),
                strict=True,
            )
        )

    def _block(self, left: Features, right: Features, rng: np.random.Generator) -> tuple[float, float]:
        kernels = self.kernel(left, left), self.kernel(right, right), self.kernel(left, right)
        everything = np.ones((1, len(left))), np.ones((1, len(right)))
        halves = half_samples(len(left), self.repeats, rng), half_samples(len(right), self.repeats, rng)
        value = float(mmd2(*kernels, *everything)[0])
        return value, float(mmd2(*kernels, *halves).var(ddof=1))


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


def whole(kernel: Kernel, left: Features, right: Features) -> float:
    """The estimate from all rows at once; both sides may differ in length."""
    kernels = kernel(left, left), kernel(right, right), kernel(left, right)
    return float(mmd2(*kernels, np.ones((1, len(left))), np.ones((1, len(right))))[0])


def _mean_off_diagonal(kernel: Float[np.ndarray, "n n"], members: Float[np.ndarray, "r n"]) -> Float[np.ndarray, " r"]:
    count = members.sum(axis=1)
    return (((members @ kernel) * members).sum(axis=1) - members @ np.diag(kernel)) / (count * (count - 1))
