"""How far apart are two images, on average? The plainest figure of variety."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import Measurement
from penchant.metrics._distances import ROWS_A_PASS, squared_distances
from penchant.metrics._features import Features, matched
from penchant.metrics._half_samples import half_sample_sd
from penchant.metrics._intervals import normal_quantile


@dataclass(frozen=True)
class MeanDistance:
    """Mean Euclidean distance between the features of two different generated images.

    Unlike ``vendi`` it does not grow with n, and unlike ``coverage`` it needs no real images; but two far-off lumps
    look varied to it, so read it beside one of them. The floor is the same figure for held-out real images. The 95%
    interval is of sampling images (half-samples). Cost: n²/2 distances, in passes of 1,024 rows.

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
        """The mean distance within ``generated``; an empty ``holdout`` leaves the floor out, ``real`` is not used.

        Raises:
            BadFeatures: fewer than 4 images in a set, numbers that are not finite, or different widths.
        """
        tables = {"generated": generated, "held-out": holdout} if len(holdout) else {"generated": generated}
        fakes, *unseen = matched(tables, at_least=4, rng=rng)
        value = mean_distance(fakes)
        reach = normal_quantile(0.95) * half_sample_sd(mean_distance, (fakes,), self.repeats, rng)
        floor = mean_distance(unseen[0]) if unseen else None
        return Measurement(value, max(0.0, value - reach), value + reach, floor, len(fakes), extractor)


def mean_distance(features: Features) -> float:
    """Mean over all pairs of different rows.

    >>> mean_distance(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))
    3.3333333333333335
    """
    n = len(features)
    total = 0.0
    for start in range(0, n, ROWS_A_PASS):
        # every pair of rows of one pass comes twice, every other one once
        distances = squared_distances(features[start : start + ROWS_A_PASS], features[start:]).sqrt_()
        within = distances[:, : len(distances)].fill_diagonal_(0.0)
        total += float(within.sum()) + 2 * float(distances[:, len(distances) :].sum())
    return total / (n * (n - 1))
