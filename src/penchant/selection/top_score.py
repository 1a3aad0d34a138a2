"""Find more like these: the images most probable under a wanted class."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import UNLABELLED, PoolView, Selected
from penchant.core.errors import NotReady
from penchant.selection._gaussian import Gaussian
from penchant.selection._rows import best, checked_rows, read, some, streamed


@dataclass(frozen=True)
class TopScore:
    """The source documents' strategy, x* = argmax p(x | y), with p(x | y) a Gaussian around the images labelled y.

    The covariance is that of the pool, which a few labelled images cannot tell. For a wanted part of a large pool; it
    finds what resembles the labelled images and nothing else, so label varied ones. Cost: 2·n·d² operations.

    Attributes:
        label: the wanted class; 1 is "keep" where images are kept or rejected.
        sample: images that the covariance is fitted to.
    """

    label: int = 1
    sample: int = 100_000

    def __post_init__(self) -> None:
        if self.label < 0 or self.sample < 2:
            raise ValueError(f"label must not be negative, sample at least 2; found {self.label} and {self.sample}")

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """The most probable rows first; scores are log p(x | y).

        Raises:
            NotReady: no row is free, or no image has the wanted label.
            BadFeatures: features that are not finite.
        """
        free = checked_rows(pool, count)
        labels = np.full(len(pool), UNLABELLED) if pool.labels is None else pool.labels
        wanted = np.flatnonzero(labels == self.label)
        if not len(wanted):
            there = ", ".join(str(label) for label in np.unique(labels[labels != UNLABELLED])) or "none"
            raise NotReady(f"no image has the label {self.label}; there are: {there}. Label some first")
        spread = read(pool.features, some(np.arange(len(pool)), self.sample, rng))
        gaussian = Gaussian.of(read(pool.features, some(wanted, self.sample, rng)), spread)
        return best(free, streamed(pool.features, free, gaussian.log_density), count)
