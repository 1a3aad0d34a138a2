"""Choose by chance: the yardstick for every other strategy."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import PoolView, Selected
from penchant.selection._rows import checked_rows


@dataclass(frozen=True)
class Random:
    """Uniformly at random without replacement.

    Keeps the proportions of the pool, good and bad, and needs to know nothing. Hard to beat where the pool is clean
    and the budget is a large part of it; where it is dirty use ``density``, where it is lopsided ``k_centre`` or
    ``typicality``. Cost: nothing.
    """

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """Every free row is as likely; the scores are that likelihood. Raises NotReady: no row is free."""
        free = checked_rows(pool, count)
        rows = rng.permutation(free)[:count]
        return Selected(rows, np.full(len(rows), len(rows) / len(free)))
