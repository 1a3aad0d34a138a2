"""How many different images are there, in effect?"""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features, matched
from penchant.metrics._half_samples import half_sample_sd
from penchant.metrics._intervals import normal_quantile


@dataclass(frozen=True)
class Vendi:
    """Vendi score (arXiv 2210.02410): the exponential of the entropy of the eigenvalues of K/n, K the cosines.

    1 where all images are alike, n where no two share anything; at most the width of the features. It grows with n,
    so two generators are compared at the same number of images. No real image enters the value; the floor is the
    score of held-out real images of the same number: what a generator as varied as reality reaches. The 95% interval
    is of sampling images (half-samples). Cost: one eigendecomposition of min(n, d).

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
        """The score of ``generated``; an empty ``holdout`` leaves the floor out, ``real`` is not looked at.

        Raises:
            BadFeatures: fewer than 4 images in a set, numbers that are not finite, or different widths.
        """
        tables = {"generated": generated, "held-out": holdout} if len(holdout) else {"generated": generated}
        fakes, *unseen = matched(tables, at_least=4, rng=rng)
        value = vendi_score(fakes)
        reach = normal_quantile(0.95) * half_sample_sd(vendi_score, (fakes,), self.repeats, rng)
        floor = vendi_score(unseen[0]) if unseen else None
        return Measurement(value, max(1.0, value - reach), value + reach, floor, len(fakes), extractor)


def vendi_score(features: Features) -> float:
    """The score of all rows; rows of zeros are alike and unlike all others.

    >>> vendi_score(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 4.0]]))
    2.0
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = np.where(lengths > 0, features / np.where(lengths > 0, lengths, 1.0), 0.0)
    directions = np.concatenate([directions, lengths == 0], axis=1)
    # The Gram matrix and the covariance share their non-zero eigenvalues: take the smaller.
    n, width = directions.shape
    shared = directions @ directions.T if n < width else directions.T @ directions
    shares = np.linalg.eigvalsh(shared / n)
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))
