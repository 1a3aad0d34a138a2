"""Learn from what the discriminator tells from the generator's images most surely."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import PoolView, Selected
from penchant.selection._rows import best, checked_rows, known


@dataclass(frozen=True)
class Discriminator:
    """The images that the current discriminator takes for real most surely: those the generator does not make yet.

    For the best discriminator D(x) grows with log p(x)/g(x) (Goodfellow et al. 2014, proposition 1), so high scores
    are where the generator has too little (Lee et al. 2021 find under-represented images so). A discriminator knows
    what it was trained on and guesses at the rest: images unlike any that it saw may score anything, so some of the
    highest are passed over, and off-topic images want ``density`` or labels. ``reconstruction`` is its counterpart
    for generators that encode. Needs ``gan`` or ``dcgan``, so it cannot choose the first round. Cost: sorting.

    Attributes:
        skip: the share of the free images, highest first, that is taken to be odd rather than missing.
    """

    skip: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.skip < 1:
            raise ValueError(f"skip must be at least 0 and below 1; found {self.skip:g}")

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """Surest rows first, those passed over only where nothing else is left; scores are the discriminator's.

        Raises:
            NotReady: no row is free, or there is no generator yet that kept its discriminator.
        """
        free = checked_rows(pool, count)
        needs = "train a generator that keeps its discriminator first, gan or dcgan"
        scores = known(pool.realness, pool, "the discriminator's score", needs)
        ordered = best(free, scores[free], len(free))
        passed = min(int(self.skip * len(free)), max(0, len(free) - count))
        return Selected(ordered.rows[passed : passed + count], ordered.scores[passed : passed + count])
