"""Learn from what the generator cannot draw yet."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import PoolView, Selected
from penchant.selection._rows import best, checked_rows, known


@dataclass(frozen=True)
class Reconstruction:
    """The images that the current generator reconstructs worst (the reconstruction term of its evidence lower bound).

    The generative counterpart of uncertainty sampling: what it cannot draw, it has not learned. What nobody could
    learn (noise, broken images) scores highest of all, so a share of the worst is passed over. Needs a generator that
    encodes images, so it cannot choose the first round. Cost: sorting.

    Attributes:
        skip: the share of the free images, worst first, that is taken to be broken rather than hard.
    """

    skip: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.skip < 1:
            raise ValueError(f"skip must be at least 0 and below 1; found {self.skip:g}")

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """Hard rows first, those passed over only where nothing else is left; scores are the errors.

        Raises:
            NotReady: no row is free, or there is no generator yet that encodes images.
        """
        free = checked_rows(pool, count)
        errors = known(pool.errors, pool, "the reconstruction error", "train a generator that encodes images first")
        ordered = best(free, errors[free], len(free))
        passed = min(int(self.skip * len(free)), max(0, len(free) - count))
        return Selected(ordered.rows[passed : passed + count], ordered.scores[passed : passed + count])
