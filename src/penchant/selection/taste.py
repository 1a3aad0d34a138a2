"""Train on what the person likes."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import PoolView, Selected
from penchant.selection._rows import checked_rows, known


@dataclass(frozen=True)
class Taste:
    """Images drawn with probability proportional to exp(utility / temperature), utilities standardised on the pool.

    Tilts the training images as alignment tilts the generator: a generator that never sees what is disliked need not
    be bent away from it. At temperature 0 only the very best are taken, which all look alike. The taste comes from
    votes on generated images, so it is sure only of what resembles them. Cost: sorting (Gumbel top-k, Kool et al.
    2019, draws without replacement).

    Attributes:
        temperature: 0 takes the best, 1 doubles an image's chances every .7 standard deviations, large is random.
    """

    temperature: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < np.inf:
            raise ValueError(f"temperature must be finite and not negative; found {self.temperature:g}")

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """Rows drawn, best first; scores are standardised utilities.

        Raises:
            NotReady: no row is free, or there are no votes yet.
        """
        free = checked_rows(pool, count)
        utilities = known(pool.utilities, pool, "the utility", "vote first, then choose by taste")[free]
        scores = (utilities - utilities.mean()) / (utilities.std() or 1.0)
        drawn = np.argsort(-(scores + self.temperature * rng.gumbel(size=len(scores))), kind="stable")[:count]
        drawn = drawn[np.argsort(-scores[drawn], kind="stable")]
        return Selected(free[drawn], scores[drawn].astype(np.float64))
