"""Kernel distance that looks at directions of features only, as CMMD does with CLIP's."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Measurement
from penchant.metrics._distances import squared_distances
from penchant.metrics._features import Features
from penchant.metrics._mmd import BlockMmd, whole


@dataclass(frozen=True)
class Mmd:
    """Unbiased squared maximum mean discrepancy with a Gaussian kernel on features of unit length (arXiv 2401.09603).

    The kernel is exp(−‖x − y‖² / 2σ²). From 0 (its mean where both sets come from one distribution) to 2; a value
    slightly below 0 means the same as 0. Unlike ``kid``'s polynomial it is bounded, so that no far-off image decides,
    and it tells any two distributions of directions apart, not only three moments. Floor, interval, p-value, blocks
    and cost are those of ``kid``. Numbers compare within one extractor and bandwidth only.

    Fields:
        bandwidth: σ; small ones look at the nearest images only. CMMD's is 10 on CLIP features, times 1,000.
        block, repeats, permutations: as for ``kid``.
    """

    bandwidth: float = 0.7
    block: int = 2000
    repeats: int = 50
    permutations: int = 199

    def __post_init__(self) -> None:
        if not 0 < self.bandwidth < np.inf:
            raise ValueError(f"bandwidth must be above 0; found {self.bandwidth:g}")
        self._mmd()

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """The distance of ``generated`` from ``real`` with interval, floor and p-value.

        Raises:
            BadFeatures: fewer than 4 images in a set, numbers that are not finite, or different widths.
        """
        return self._mmd().measure(real, generated, holdout, extractor, rng)

    def whole(self, left: Features, right: Features) -> float:
        """The estimate from all rows at once; both sides may differ in length."""
        return whole(self._kernel, left, right)

    def _mmd(self) -> BlockMmd:
        return BlockMmd(self._kernel, self.block, self.repeats, self.permutations)

    def _kernel(self, left: Features, right: Features) -> Float[np.ndarray, "n m"]:
        distances = squared_distances(_directions(left), _directions(right))
        return distances.mul_(-1 / (2 * self.bandwidth**2)).exp_().numpy()


def _directions(features: Features) -> Features:
    """Rows of unit length; rows of zeros stay."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1.0)
