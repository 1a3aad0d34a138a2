"""Variety and quality at once: far from what was chosen, and good in itself."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import PoolView, Selected
from penchant.core.errors import BadConfiguration
from penchant.selection._farthest import distance_to_taken, farthest_first
from penchant.selection._gaussian import Gaussian
from penchant.selection._rows import checked_rows, known, read, some


@dataclass(frozen=True)
class Mixture:
    """Farthest-first traversal where every distance counts by the image's quality: quality^weight × distance.

    ``k_centre`` with a bent towards dense images (so that it does not collect outliers) or towards those the person
    likes (so that a taste does not become one picture). Quality is the rank among the free images, from 0 to 1, so
    that its scale does not matter. Cost: as ``k_centre``.

    Attributes:
        quality: ``density`` (likely under a Gaussian), ``taste`` (the person's), or ``error`` (hard for the
            generator so far).
        weight: 0 is ``k_centre``; the larger, the more quality decides.
        sample: the most images among which it chooses.
    """

    quality: Literal["density", "taste", "error"] = "density"
    weight: float = 1.0
    sample: int = 100_000

    def __post_init__(self) -> None:
        if self.quality not in ("density", "taste", "error"):
            raise BadConfiguration(f"quality must be density, taste or error; found '{self.quality}'")
        if not 0 <= self.weight < np.inf or self.sample < 2:
            raise ValueError(
                f"weight must be finite and not negative, sample at least 2; found {self.weight:g} and {self.sample}"
            )

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """Rows in the order of the traversal; scores are weighted distances.

        Raises:
            NotReady: no row is free, or the quality is not known yet.
            BadFeatures: features or qualities that are not finite.
        """
        rows = some(checked_rows(pool, count), max(self.sample, 2 * count), rng)
        points = read(pool.features, rows)
        ranks = np.argsort(np.argsort(self._quality(pool, rows, points), kind="stable"), kind="stable")
        weights = ((ranks + 1) / len(ranks)) ** self.weight
        places, reach = farthest_first(points, distance_to_taken(pool, points, rng), count, weights)
        return Selected(rows[places], reach)

    def _quality(self, pool: PoolView, rows: np.ndarray, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        if self.quality == "taste":
            return known(pool.utilities, pool, "the utility", "vote first, or choose quality='density'")[rows]
        if self.quality == "error":
            return known(pool.errors, pool, "the error", "train a generator that encodes images first")[rows]
        return Gaussian.of(points).log_density(points)
