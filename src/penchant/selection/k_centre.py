"""Cover the pool: no image stays far from a chosen one."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import PoolView, Selected
from penchant.selection._farthest import distance_to_taken, farthest_first
from penchant.selection._rows import checked_rows, read, some


@dataclass(frozen=True)
class KCentre:
    """Core-set selection by greedy k-centre (Sener & Savarese 2018, algorithm 1): at most twice the smallest radius.

    The widest variety for a budget, outliers first: for clean, lopsided pools, not for dirty ones (``mixture`` weighs
    variety with quality, ``density`` drops the fringe). Cost: 2·m·count·d operations in matrix products for a sample
    of m; larger pools are thinned to ``sample`` images by chance, which misses the rarest ones.

    Attributes:
        sample: the most images among which it chooses, at least twice the number asked for.
    """

    sample: int = 100_000

    def __post_init__(self) -> None:
        if self.sample < 2:
            raise ValueError(f"sample must be at least 2; found {self.sample}")

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """Rows in the order of the traversal; scores are distances to all before. Raises NotReady, BadFeatures."""
        rows = some(checked_rows(pool, count), max(self.sample, 2 * count), rng)
        points = read(pool.features, rows)
        places, reach = farthest_first(points, distance_to_taken(pool, points, rng), count)
        return Selected(rows[places], reach)
