"""Kernel Inception distance, on whatever features are given: the headline figure for likeness to real images."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Measurement
from penchant.metrics._distances import table
from penchant.metrics._features import Features
from penchant.metrics._mmd import BlockMmd, whole


@dataclass(frozen=True)
class Kid:
    """Unbiased squared maximum mean discrepancy with the kernel (xᵀy/d + 1)³ (Bińkowski et al., arXiv 1801.01401).

    0 is its mean where both sets come from one distribution, at any n, so small sets can be compared; a value
    slightly below 0 means the same as 0. Compare it with the floor, real against held-out real at the same n. The
    95% interval is of sampling images (half-samples), not of training again; the p-value says how often sets of one
    distribution would lie as far apart (permutations of which image is in which set).

    All images are used, in blocks of at most ``block`` a side. Cost: block² kernel values seven times a block, two
    seconds for 2,000 × 64. Numbers compare within one extractor only. Use ``frechet`` to speak to older papers,
    ``mmd`` where only a few images are odd: its kernel looks closer.

    Fields:
        block: images a side compared at once; the memory is about 100·block² bytes.
        repeats: half-samples for the interval.
        permutations: for the p-value, which is at least 1 / (1 + permutations); 0 leaves it out.
    """

    block: int = 2000
    repeats: int = 50
    permutations: int = 199

    def __post_init__(self) -> None:
        self._mmd()

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """The distance of ``generated`` from ``real`` with interval, floor and p-value.

        Raises:
            BadFeatures: fewer than 4 images in a set, numbers that are not finite, or different widths.
        """
        return self._mmd().measure(real, generated, holdout, extractor, rng)

    def _mmd(self) -> BlockMmd:
        return BlockMmd(_kernel, self.block, self.repeats, self.permutations)


def kid(left: Features, right: Features) -> float:
    """The unbiased estimate from all rows; both sides may differ in length."""
    return whole(_kernel, left, right)


def permutation_p_value(left: Features, right: Features, permutations: int, rng: np.random.Generator) -> float:
    """How often a random split of all images lies at least as far apart; one kernel of all images is kept."""
    block = max(8, len(left), len(right))
    return BlockMmd(_kernel, block, repeats=2, permutations=permutations).p_value(left, right, rng)


def _kernel(left: Features, right: Features) -> Float[np.ndarray, "n m"]:
    kernel = table(left) @ table(right).T
    kernel.div_(left.shape[1]).add_(1)
    return kernel.square().mul_(kernel).numpy()
