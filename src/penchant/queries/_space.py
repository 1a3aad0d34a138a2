"""Where in the space of features something was shown already, and clusters: for strategies that need no votes."""

import numpy as np
from jaxtyping import Bool, Float, Int

from penchant.core.contracts import Candidates
from penchant.queries._checks import checked_finite

_ITERATIONS = 10


def seen(candidates: Candidates) -> Bool[np.ndarray, " n"]:
    """The images that count as shown: those shown more often than the least shown one of the pool.

    Where all were shown equally often, it begins again: none does.
    """
    return np.asarray(candidates.shown > candidates.shown.min())


def some_seen(candidates: Candidates, most: int, rng: np.random.Generator) -> Float[np.ndarray, "s d"]:
    """Features of the shown images in double precision, at most ``most`` of them by chance.

    Raises:
        BadImages: features that are not finite.
    """
    rows = np.flatnonzero(seen(candidates))
    rows = rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))
    features = np.asarray(candidates.features[rows], dtype=np.float64)
    checked_finite(features.sum(1), rows)
    return features


def distances(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """Squared Euclidean distances by one matrix product; 0 where they are equal up to rounding."""
    squares, others = (first**2).sum(1)[:, None], (second**2).sum(1)
    found = squares + others - 2 * first @ second.T
    found[found < 1e-10 * (squares + others)] = 0.0
    return found


def clusters(features: Float[np.ndarray, "n d"], count: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """K-means: the cluster of every row, 0 to ``count`` − 1; k-means++ (Arthur & Vassilvitskii 2007), then Lloyd.

    A cluster that runs empty stays empty. Duplicates give fewer clusters than asked for.
    """
    centres = features[[int(rng.integers(len(features)))]]
    nearest = distances(features, centres)[:, 0]
    while len(centres) < count and nearest.any():
        row = int(rng.choice(len(features), p=nearest / nearest.sum()))
        centres = np.vstack([centres, features[row]])
        nearest = np.minimum(nearest, distances(features, features[[row]])[:, 0])
    label = distances(features, centres).argmin(1)
    for _ in range(_ITERATIONS):
        member = (label == np.arange(len(centres))[:, None]).astype(features.dtype)
        size = member.sum(1, keepdims=True)
        centres = np.where(size > 0, member @ features / np.maximum(size, 1), centres)
        before, label = label, distances(features, centres).argmin(1)
        if (label == before).all():
            break
    return label
