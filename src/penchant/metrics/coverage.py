"""Do the generated images look real, and is everything real among them? Four figures from nearest neighbours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from penchant.core.contracts import Measurement
from penchant.core.errors import BadFeatures
from penchant.metrics._features import Features, matched, squared_distances
from penchant.metrics._half_samples import half_sample_sd
from penchant.metrics._intervals import normal_quantile

ROWS_A_PASS = 1024


@dataclass(frozen=True)
class Coverage:
    """Share of real images with a generated one closer than their k-th real neighbour (arXiv 2002.09797, eq. 9).

    1 means that every kind of real image is made, near 0 that the generator repeats itself or misses. The floor is
    what held-out real images of the same number reach: the most that can be hoped for, below 1. The 95% interval is
    of sampling images (half-samples). Cost: n² distances, in passes of 1,024 rows.
    :func:`neighbour_figures` gives precision, recall and density as well. Use ``vendi`` where variety alone counts.

    Fields:
        neighbours: k; the field compares at 5.
        repeats: half-samples for the interval.
    """

    neighbours: int = 5
    repeats: int = 20

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.repeats < 2:
            raise ValueError(
                f"neighbours must be at least 1 and repeats at least 2; found {self.neighbours}, {self.repeats}"
            )

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """The coverage of ``real`` by ``generated`` with interval and floor.

        Raises:
            BadFeatures: no more than 2k + 1 images in a set, numbers that are not finite, or different widths.
        """
        tables = {"real": real, "generated": generated, "held-out": holdout}
        reals, fakes, unseen = matched(tables, at_least=2 * self.neighbours + 2, rng=rng)
        value = self._coverage(reals, fakes)
        reach = normal_quantile(0.95) * half_sample_sd(self._coverage, (reals, fakes), self.repeats, rng)
        floor = self._coverage(reals, unseen)
        return Measurement(value, max(0.0, value - reach), min(1.0, value + reach), floor, len(reals), extractor)

    def _coverage(self, real: Features, generated: Features) -> float:
        return neighbour_figures(real, generated, self.neighbours).coverage


@dataclass(frozen=True)
class NeighbourFigures:
    """Precision and recall (arXiv 1904.06991), density and coverage (arXiv 2002.09797); density may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbour_figures(real: Features, generated: Features, neighbours: int = 5) -> NeighbourFigures:
    """All four at once. An image lies in another's ball where it is strictly closer than its k-th neighbour.

    precision: share of generated images in the ball of a real one. recall: share of real images in the ball of a
    generated one. density: real balls that hold a generated image, over k. coverage: share of real balls that hold
    a generated image.

    Raises:
        BadFeatures: a set has no k-th neighbour.
    """
    if min(len(real), len(generated)) <= neighbours:
        raise BadFeatures(
            f"the {neighbours}-th nearest neighbour needs more than {neighbours} images a set; "
            f"found {len(real)} real and {len(generated)} generated"
        )
    real_radii, generated_radii = _radii(real, neighbours), _radii(generated, neighbours)
    precise: Bool[np.ndarray, " m"] = np.zeros(len(generated), dtype=bool)
    recalled = covered = inside = 0
    for start in range(0, len(real), ROWS_A_PASS):
        rows = slice(start, start + ROWS_A_PASS)
        distances = squared_distances(real[rows], generated)
        in_real_ball = distances < real_radii[rows, None]
        precise |= in_real_ball.any(axis=0)
        inside += int(in_real_ball.sum())
        covered += int(in_real_ball.any(axis=1).sum())
        recalled += int((distances < generated_radii[None]).any(axis=1).sum())
    return NeighbourFigures(
        precision=float(precise.mean()),
        recall=recalled / len(real),
        density=inside / (neighbours * len(generated)),
        coverage=covered / len(real),
    )


def _radii(features: Features, neighbours: int) -> Float[np.ndarray, " n"]:
    """Squared distance of every row to its k-th nearest other row."""
    found: list[Float[np.ndarray, " r"]] = []
    for start in range(0, len(features), ROWS_A_PASS):
        distances = squared_distances(features[start : start + ROWS_A_PASS], features)
        own = np.arange(len(distances))
        distances[own, start + own] = -1.0
        found.append(np.partition(distances, neighbours, axis=1)[:, neighbours])
    return np.concatenate(found)
