"""Is everything real among the generated images?"""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features
from penchant.metrics._neighbours import check_settings, neighbour_measurements


@dataclass(frozen=True)
class Coverage:
    """Share of real images with a generated one closer than their k-th real neighbour (arXiv 2002.09797, eq. 9).

    1 means that every kind of real image is made, near 0 that the generator repeats itself or misses. The floor is
    what held-out real images of the same number reach: the most that can be hoped for, below 1. The 95% interval is
    of sampling images (half-samples). Cost: n² distances, in passes of 1,024 rows. Use ``vendi`` where variety alone
    counts, ``recall`` to speak to papers that have no coverage.

    Fields:
        neighbours: k; the field compares at 5.
        repeats: half-samples for the interval.
    """

    neighbours: int = 5
    repeats: int = 20

    def __post_init__(self) -> None:
        check_settings(self.neighbours, self.repeats)

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """The coverage of ``real`` by ``generated`` with interval and floor.

        Raises:
            BadFeatures: no more than 2k + 1 images in a set, numbers that are not finite, or different widths.
        """
        found = neighbour_measurements(real, generated, holdout, extractor, rng, self.neighbours, self.repeats)
        return found["coverage"]
