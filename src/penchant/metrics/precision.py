"""Do the generated images look real?"""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features
from penchant.metrics._neighbours import check_settings, neighbour_measurements


@dataclass(frozen=True)
class Precision:
    """Share of generated images closer to some real image than its k-th real neighbour (arXiv 1904.06991, eq. 2).

    1 where every generated image lies among real ones, however few kinds of them; a single outlier among the real
    images has a huge ball and flatters it, which ``density`` does not suffer from. The floor is what held-out real
    images reach. The 95% interval is of sampling images (half-samples). Cost: n² distances, in passes of 1,024 rows.

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
        """The precision of ``generated`` with interval and floor.

        Raises:
            BadFeatures: no more than 2k + 1 images in a set, numbers that are not finite, or different widths.
        """
        found = neighbour_measurements(real, generated, holdout, extractor, rng, self.neighbours, self.repeats)
        return found["precision"]
