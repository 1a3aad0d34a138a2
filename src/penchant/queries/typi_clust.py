"""Begin with what is typical: one image of every kind that was not shown yet."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from penchant.core.contracts import Candidates, Posterior, Proposal
from penchant.core.errors import NotReady
from penchant.queries._checks import checked_count, checked_settings
from penchant.queries._pairs import neighbours, proposal
from penchant.queries._shortlist import fresh_sample
from penchant.queries._space import clusters, distances, some_seen


@dataclass(frozen=True)
class TypiClust:
    """TypiClust (Hacohen et al. 2022): k-means, then the most typical image of the largest clusters without a vote.

    A cold start that needs no votes and asks nothing of the preference model: while little is known, typical images
    can teach more than odd or uncertain ones. ``k_centre`` covers the edges of the pool instead. Use it to show a
    person what a pool holds, or where no belief can guide the first questions yet. With a prior that fits, ``bald``
    needs no such start: on the embedded pictures it knows one point more after 20 votes and three after 100.

    Attributes:
        sample: images that are clustered, and most shown ones they are compared with; the cost grows with it (500:
            about 10 ms).
        clusters: most clusters; before that there is one for every image shown or about to be.
        neighbours: an image is typical whose mean distance to so many nearest ones of its cluster is small.
    """

    sample: int = 500
    clusters: int = 40
    neighbours: int = 20

    def __post_init__(self) -> None:
        checked_settings(self.sample, 0.0, 0.0)
        if self.clusters < 2 or self.neighbours < 1:
            raise ValueError(
                f"clusters must be at least 2 and neighbours at least 1; found {self.clusters} and {self.neighbours}"
            )

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """The typical images of the two largest uncovered clusters, of the next two, and so on.

        Scores are the sums of the typicalities, 1 / mean distance; the propensity is 1 given the sample and the
        clusters, which start by chance.

        Raises:
            NotReady: fewer than two candidates, or none that differ.
            BadImages: features that are not finite.
        """
        checked_count(count)
        chosen = fresh_sample(candidates, self.sample, rng)
        shown = some_seen(candidates, self.sample, rng)
        size = len(chosen)
        label = clusters(np.vstack([chosen.features, shown]), max(2, min(self.clusters, len(shown) + 2 * count)), rng)
        fresh = distances(chosen.features, shown).min(1, initial=np.inf) > 0
        typical = _typicality(chosen.features, label[:size], self.neighbours)
        order = _in_turn(label[:size], label[size:], np.where(fresh, typical, -1 / (1 + typical)))
        pairs = np.array(neighbours(order, chosen.features, min(count, size // 2)))
        if not len(pairs):
            raise NotReady(f"all {size} images have equal features: no question tells anything")
        return proposal(chosen.rows[pairs], typical[pairs].sum(1), np.ones(len(pairs)), rng)


def _typicality(
    features: Float[np.ndarray, "m d"], label: Int[np.ndarray, " m"], neighbours: int
) -> Float[np.ndarray, " m"]:
    """1 / mean distance to the nearest ``neighbours`` of the same cluster (equation 1); 0 for an image alone in its."""
    typical = np.zeros(len(features))
    for cluster in np.unique(label):
        rows = np.flatnonzero(label == cluster)
        if len(rows) > 1:
            apart = np.sort(np.sqrt(distances(features[rows], features[rows])), axis=1)[:, 1 : 1 + neighbours]
            typical[rows] = 1 / np.maximum(apart.mean(1), 1e-9)
    return typical


def _in_turn(
    label: Int[np.ndarray, " m"], shown: Int[np.ndarray, " s"], wanted: Float[np.ndarray, " m"]
) -> Int[np.ndarray, " m"]:
    """All images: the best of every cluster first, then the second best, …; in every round the clusters with fewest
    shown images first, of those the largest (algorithm 1 of the paper, where each cluster has its turn once)."""
    kinds = int(max(label.max(), shown.max(initial=0))) + 1
    size, covered = np.bincount(label, minlength=kinds), np.bincount(shown, minlength=kinds)
    rank = np.zeros(len(label), dtype=np.int64)
    for cluster in np.flatnonzero(size):
        rows = np.flatnonzero(label == cluster)
        rank[rows[np.argsort(-wanted[rows], kind="stable")]] = np.arange(len(rows))
    return np.lexsort((-size[label], covered[label] + rank))
