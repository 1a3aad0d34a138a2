"""One typical image of every kind: as many clusters as images are asked for."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from penchant.core.contracts import PoolView, Selected
from penchant.selection._clusters import assigned, centres_of
from penchant.selection._rows import Rows, best, checked_rows, read, some, squared_distances

_LARGEST_GROUP = 2_000


@dataclass(frozen=True)
class Typicality:
    """TypiClust (Hacohen et al. 2022): cluster, and take the most typical image of every cluster.

    Variety without outliers: the strategy for small budgets and pools about which nothing is known. ``k_centre``
    covers the edges instead. Images taken before do not move the clusters. Cost: the clusters are found in two steps,
    coarse ones, then in each of them its share of the images asked for, so that it grows with n·√count·d rather
    than n·count·d.

    Attributes:
        neighbours: an image is typical whose mean distance to so many nearest ones of its cluster is small.
        iterations: of k-means, in each step.
        sample: images on which the coarse clusters are found.
    """

    neighbours: int = 20
    iterations: int = 5
    sample: int = 50_000

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.iterations < 1 or self.sample < 2:
            raise ValueError(
                f"neighbours and iterations must be at least 1, sample at least 2; found {self.neighbours}, "
                f"{self.iterations} and {self.sample}"
            )

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """Rows, the most typical first; scores are 1 / mean distance. Raises NotReady, BadFeatures."""
        free = checked_rows(pool, count)
        coarse = max(1, min(round(np.sqrt(count)), len(free) // 50))
        points = read(pool.features, some(free, self.sample, rng))
        label = assigned(pool.features, free, centres_of(points, coarse, self.iterations, rng))
        shares = _shares(np.bincount(label, minlength=coarse), min(count, len(free)))
        found = [
            self._of_group(pool, free[label == group], int(share), rng) for group, share in enumerate(shares) if share
        ]
        return best(np.concatenate([rows for rows, _ in found]), np.concatenate([score for _, score in found]), count)

    def _of_group(
        self, pool: PoolView, rows: Rows, count: int, rng: np.random.Generator
    ) -> tuple[Rows, Float[np.ndarray, " k"]]:
        """The most typical of each of ``count`` fine clusters; the next typical ones where clusters are too few."""
        points = read(pool.features, rows)
        centres = centres_of(points, count, self.iterations, rng)
        label = assigned(points, np.arange(len(points)), centres)
        typical = np.zeros(len(rows))
        for cluster in np.unique(label):
            members = np.flatnonzero(label == cluster)
            others = some(members, _LARGEST_GROUP, rng)
            typical[members] = _typicality(points[members], points[others], self.neighbours)
        # Every cluster's best first, then every cluster's second, …
        order = np.lexsort((-typical, label))
        first = np.searchsorted(label[order], label[order])
        turn = np.empty(len(rows), dtype=np.int64)
        turn[order] = np.arange(len(rows)) - first
        chosen = np.lexsort((-typical, turn))[:count]
        return rows[chosen], typical[chosen]


def _typicality(
    points: Float[np.ndarray, "m d"], others: Float[np.ndarray, "k d"], neighbours: int
) -> Float[np.ndarray, " m"]:
    """1 / mean distance to the nearest others (equation 1 of the paper); 0 for an image alone in its cluster."""
    if len(others) < 2:
        return np.zeros(len(points))
    apart = squared_distances(points, others)
    most = min(neighbours + 1, len(others))
    nearest = np.sqrt(np.partition(apart, most - 1, axis=1)[:, :most])
    return most / np.maximum(nearest.sum(1), 1e-9)


def _shares(sizes: Int[np.ndarray, " g"], count: int) -> Int[np.ndarray, " g"]:
    """How many of ``count`` each group gives: in proportion, by the largest remainders, never more than it has."""
    exact = sizes * (count / sizes.sum())
    shares = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: count - shares.sum()]] += 1
    return np.minimum(shares, sizes)
