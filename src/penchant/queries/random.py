"""Uniformly random pairs: the audit stream, the floor of every comparison, and unbiased data."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from penchant.core.contracts import Candidates, Posterior, Proposal
from penchant.core.errors import NotReady
from penchant.queries._checks import checked_count
from penchant.queries._pairs import proposal

_BLOCK = 65_536


@dataclass(frozen=True)
class Random:
    """Every pair of different images equally often, whatever is believed or was shown.

    Use it where votes judge models and strategies (nothing else is unbiased), and as the baseline. To learn a taste,
    ``bald`` needs about half as many votes.
    """

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """``count`` disjoint pairs, uniformly; scores are 0.

        The propensity is count / C(n, 2), the probability that the pair is among them. (Pairs of images with equal
        features are drawn again; where a pool has many of those the true figure is larger.)

        Raises:
            NotReady: fewer than two candidates, or none that differ.
        """
        checked_count(count)
        n = len(candidates)
        if n < 2:
            raise NotReady(f"a question needs two images; the pool has {n}. Generate more candidates")
        count = min(count, n // 2)
        features = candidates.features
        pairs = rng.choice(n, (count, 2), replace=False)
        for _ in range(100):
            if _different(features, pairs).all():
                break
            pairs = rng.choice(n, (count, 2), replace=False)
        else:
            pairs = _rescued(pairs[_different(features, pairs)], features, rng)
        chance = len(pairs) / (n * (n - 1) / 2)
        return proposal(pairs, np.zeros(len(pairs)), np.full(len(pairs), chance), rng)


def _different(features: Float[np.ndarray, "n d"], pairs: Int[np.ndarray, "k 2"]) -> Bool[np.ndarray, " k"]:
    return (features[pairs[:, 0]] != features[pairs[:, 1]]).any(axis=1)


def _rescued(
    pairs: Int[np.ndarray, "k 2"], features: Float[np.ndarray, "n d"], rng: np.random.Generator
) -> Int[np.ndarray, "k 2"]:
    """The different ones of the last attempt, or any pair across the distinct features of a pool of duplicates."""
    if len(pairs):
        return pairs
    first = int(rng.integers(len(features)))
    others = np.concatenate(
        [
            start + np.flatnonzero((features[start : start + _BLOCK] != features[first]).any(axis=1))
            for start in range(0, len(features), _BLOCK)
        ]
    )
    if not len(others):
        raise NotReady(f"all {len(features)} images have equal features: no question tells anything. Generate others")
    return np.array([[first, rng.choice(others)]])
