"""Kernel Inception distance, on whatever features are given: the headline figure for likeness to real images."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features, matched
from penchant.metrics._half_samples import half_samples
from penchant.metrics._intervals import normal_quantile


@dataclass(frozen=True)
class Kid:
    """Unbiased squared maximum mean discrepancy with the kernel (xᵀy/d + 1)³ (Bińkowski et al., arXiv 1801.01401).

    0 is its mean where both sets come from one distribution, at any n, so small sets can be compared; a value
    slightly below 0 means the same as 0. Compare it with the floor, real against held-out real at the same n. The
    95% interval is of sampling images (half-samples), not of training again.

    All images are used, in blocks of at most ``block`` a side. Cost: block² kernel values three times a block, a
    second for 2,000 × 64. Numbers compare within one extractor only. Use ``frechet`` to speak to older papers.

    Fields:
        block: images a side compared at once; the memory is 24·block² bytes.
        repeats: half-samples for the interval.
    """

    block: int = 2000
    repeats: int = 50

    def __post_init__(self) -> None:
        if self.block < 8 or self.repeats < 2:
            raise ValueError(f"block must be at least 8 and repeats at least 2; found {self.block}, {self.repeats}")

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """The distance of ``generated`` from ``real`` with interval and floor.

        Raises:
            BadFeatures: fewer than 4 images in a set, numbers that are not finite, or different widths.
        """
        tables = {"real": real, "generated": generated, "held-out": holdout}
        reals, fakes, unseen = matched(tables, at_least=4, rng=rng)
        value, error = self._in_blocks(reals, fakes, rng)
        floor, _ = self._in_blocks(reals, unseen, rng)
        reach = normal_quantile(0.95) * error
        return Measurement(value, value - reach, value + reach, floor, len(reals), extractor)

    def _in_blocks(self, left: Features, right: Features, rng: np.random.Generator) -> tuple[float, float]:
        """Mean over disjoint random blocks, and its standard error."""
        blocks = math.ceil(len(left) / self.block)
        left_blocks = np.array_split(rng.permutation(left), blocks)
        right_blocks = np.array_split(rng.permutation(right), blocks)
        values, variances = zip(
            *(self._block(*pair, rng) for pair in zip(left_blocks, right_blocks, strict=True)), strict=True
        )
        return float(np.mean(values)), math.sqrt(float(np.mean(variances)) / blocks)

    def _block(self, left: Features, right: Features, rng: np.random.Generator) -> tuple[float, float]:
        kernels = _kernel(left, left), _kernel(right, right), _kernel(left, right)
        everything = np.ones((1, len(left)))
        halves = half_samples(len(left), self.repeats, rng), half_samples(len(right), self.repeats, rng)
        value = float(_mmd2(*kernels, everything, everything)[0])
        return value, float(_mmd2(*kernels, *halves).var(ddof=1))


def kid(left: Features, right: Features) -> float:
    """The unbiased estimate from all rows; both sides may differ in length."""
    kernels = _kernel(left, left), _kernel(right, right), _kernel(left, right)
    return float(_mmd2(*kernels, np.ones((1, len(left))), np.ones((1, len(right))))[0])


def permutation_p_value(left: Features, right: Features, permutations: int, rng: np.random.Generator) -> float:
    """How often a random split of all images lies at least as far apart: P(KID ≥ seen | one distribution).

    The split that was seen counts as one, so the value is never 0 and the test is exact (Phipson & Smyth 2010).
    Cost: one kernel of all images, then a matrix product.
    """
    pooled = np.concatenate([left, right])
    kernel = _kernel(pooled, pooled)
    seen = np.arange(len(pooled)) < len(left)
    members = np.stack([seen, *(rng.permutation(seen) for _ in range(permutations))]).astype(np.float64)
    distances = _mmd2(kernel, kernel, kernel, members, 1 - members)
    return float((1 + (distances[1:] >= distances[0] - 1e-12 * abs(distances[0])).sum()) / (1 + permutations))


def _kernel(left: Features, right: Features) -> Float[np.ndarray, "n m"]:
    return (left @ right.T / left.shape[1] + 1) ** 3


def _mmd2(
    within_left: Float[np.ndarray, "n n"],
    within_right: Float[np.ndarray, "m m"],
    between: Float[np.ndarray, "n m"],
    left: Float[np.ndarray, "r n"],
    right: Float[np.ndarray, "r m"],
) -> Float[np.ndarray, " r"]:
    """Eq. 4 of the paper for many subsets at once: row r of ``left`` and ``right`` marks the members with 1."""
    return (
        _mean_off_diagonal(within_left, left)
        + _mean_off_diagonal(within_right, right)
        - 2 * ((left @ between) * right).sum(axis=1) / (left.sum(axis=1) * right.sum(axis=1))
    )


def _mean_off_diagonal(kernel: Float[np.ndarray, "n n"], members: Float[np.ndarray, "r n"]) -> Float[np.ndarray, " r"]:
    count = members.sum(axis=1)
    return (((members @ kernel) * members).sum(axis=1) - members @ np.diag(kernel)) / (count * (count - 1))
