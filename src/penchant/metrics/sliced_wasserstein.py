"""How far must the images' features be moved, seen from many sides?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features, matched
from penchant.metrics._half_samples import half_sample_sd
from penchant.metrics._intervals import normal_quantile


@dataclass(frozen=True)
class SlicedWasserstein:
    """Root mean square, over random directions, of the Wasserstein-2 distance of projections (Bonneel et al. 2015).

    A distance in the units of the features: a set that is shifted by m lies ‖m‖/√d away. Unlike ``frechet`` it sees
    more than means and covariances, and unlike ``kid`` it grows with how far images lie apart. It is never negative
    and so above 0 at small n even for equal distributions: read it beside the floor. Directions are always the same
    for one width, so values compare. The 95% interval is of sampling images (half-samples). Cost: n log n a direction.

    Fields:
        directions: how many.
        repeats: half-samples for the interval.
    """

    directions: int = 256
    repeats: int = 20

    def __post_init__(self) -> None:
        if self.directions < 1 or self.repeats < 2:
            raise ValueError(
                f"directions must be at least 1 and repeats at least 2; found {self.directions}, {self.repeats}"
            )

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """The distance of ``generated`` from ``real`` with interval and floor.

        Raises:
            BadFeatures: fewer than 4 images in a set, numbers that are not finite, or different widths.
        """
        tables = {"real": real, "generated": generated, "held-out": holdout}
        reals, fakes, unseen = matched(tables, at_least=4, rng=rng)
        value, floor = self.distance(reals, fakes), self.distance(reals, unseen)
        reach = normal_quantile(0.95) * half_sample_sd(self.distance, (reals, fakes), self.repeats, rng)
        return Measurement(value, max(0.0, value - reach), value + reach, floor, len(reals), extractor)

    def distance(self, left: Features, right: Features) -> float:
        """The distance of all rows; both sides have the same number of rows.

        >>> SlicedWasserstein(directions=8).distance(np.array([[0.0], [1.0]]), np.array([[4.0], [3.0]]))
        3.0
        """
        directions = self._directions(left.shape[1])
        gaps = np.sort(left @ directions.T, axis=0) - np.sort(right @ directions.T, axis=0)
        return float(np.sqrt((gaps**2).mean()))

    def _directions(self, width: int) -> Float[np.ndarray, "s d"]:
        drawn = np.random.default_rng(width).standard_normal((self.directions, width))
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
