"""Fréchet distance between Gaussians fitted to two feature sets."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features, matched
from penchant.metrics._half_samples import half_sample_sd
from penchant.metrics._intervals import normal_quantile


@dataclass(frozen=True)
class Frechet:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁^½ Σ₂ Σ₁^½)^½), the formula of FID (arXiv 1706.08500) on the features given.

    Its bias grows with the width and falls with n: real images against themselves give about d²/2N, so a value says
    nothing without the floor at the same n. Print it as FD[extractor]@N. The 95% interval is of sampling images
    (half-samples). Cost: an eigendecomposition or two of d × d a half-sample. Use ``kid`` where n is small.

    Fields:
        repeats: half-samples for the interval.
    """

    repeats: int = 20

    def __post_init__(self) -> None:
        if self.repeats < 2:
            raise ValueError(f"repeats must be at least 2; found {self.repeats}")

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """The distance of ``generated`` from ``real`` with interval and floor.

        Raises:
            BadFeatures: fewer than 4 images in a set, numbers that are not finite, or different widths.
        """
        tables = {"real": real, "generated": generated, "held-out": holdout}
        reals, fakes, unseen = matched(tables, at_least=4, rng=rng)
        value = frechet_distance(reals, fakes)
        reach = normal_quantile(0.95) * half_sample_sd(frechet_distance, (reals, fakes), self.repeats, rng)
        floor = frechet_distance(reals, unseen)
        return Measurement(value, max(0.0, value - reach), value + reach, floor, len(reals), extractor)


def frechet_distance(left: Features, right: Features) -> float:
    """The distance from all rows (covariances over n − 1); fewer rows than features are fine.

    >>> one_row_apart = np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]])
    >>> frechet_distance(*one_row_apart)
    9.0
    """
    mean_gap = float(((left.mean(axis=0) - right.mean(axis=0)) ** 2).sum())
    sigma_left, sigma_right = (np.atleast_2d(np.cov(side, rowvar=False)) for side in (left, right))
    root = _square_root(sigma_left)
    # tr(M^½) of the symmetric M = Σ₁^½ Σ₂ Σ₁^½ is the sum of the roots of its eigenvalues, which are never complex.
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ sigma_right @ root), 0)).sum()
    return max(0.0, mean_gap + float(np.trace(sigma_left) + np.trace(sigma_right) - 2 * overlap))


def _square_root(sigma: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    values, vectors = np.linalg.eigh(sigma)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
