"""Leave out what is odd: train on the dense part of the pool."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import PoolView, Selected
from penchant.selection._gaussian import Gaussian
from penchant.selection._rows import checked_rows, read, some, streamed


@dataclass(frozen=True)
class Density:
    """Instance selection (DeVries, Drozdzal & Taylor 2020): images of low likelihood under a Gaussian are left out.

    A small generator spends itself on what it cannot draw anyway; without the sparse fringe of the pool it draws the
    rest better, at the price of some coverage. The first thing to try on dirty pools: off-topic images that are few
    lie far out. Where they are a third of the pool the Gaussian stretches over them: label some images and use
    ``top_score``. The densest images alone resemble one another, so those
    that stay in are drawn by chance. Cost: two products with a d × d matrix, 2·n·d² operations.

    Attributes:
        keep: the share of the free images that stays in; more where the budget asks for more.
        sample: images that the Gaussian is fitted to.
    """

    keep: float = 0.5
    sample: int = 100_000

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1 or self.sample < 2:
            raise ValueError(
                f"keep must be above 0 and at most 1, sample at least 2; found {self.keep:g} and {self.sample}"
            )

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """Rows by chance out of the densest; scores are log-densities. Raises NotReady, BadFeatures."""
        free = checked_rows(pool, count)
        gaussian = Gaussian.of(read(pool.features, some(free, self.sample, rng)))
        scores = streamed(pool.features, free, gaussian.log_density)
        dense = np.argsort(-scores, kind="stable")[: max(count, round(self.keep * len(free)))]
        places = rng.permutation(dense)[:count]
        places = places[np.argsort(-scores[places], kind="stable")]
        return Selected(free[places], scores[places].astype(np.float64))
