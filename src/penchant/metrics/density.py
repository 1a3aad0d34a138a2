"""How deep among the real images do the generated ones lie?"""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features
from penchant.metrics._neighbours import check_settings, neighbour_measurements


@dataclass(frozen=True)
class Density:
    """Real balls (k-th neighbour) that hold a generated image, over k, on average (arXiv 2002.09797, eq. 8).

    About 1 where both sets come from one distribution, above 1 where the generator keeps to the crowded places, 0
    where it makes nothing real. Unlike ``precision`` it is not flattered by one real outlier. It says nothing of
    variety: read it beside ``coverage``. The floor is what held-out real images reach. The 95% interval is of sampling
    images (half-samples). Cost: n² distances, in passes of 1,024 rows.

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
        """The density of ``generated`` with interval and floor.

        Raises:
            BadFeatures: no more than 2k + 1 images in a set, numbers that are not finite, or different widths.
        """
        found = neighbour_measurements(real, generated, holdout, extractor, rng, self.neighbours, self.repeats)
        return found["density"]
