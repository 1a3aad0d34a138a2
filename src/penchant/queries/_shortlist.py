"""A shortlist of a large pool: some by chance, some because they are liked."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from penchant.core.contracts import Candidates, Posterior
from penchant.core.errors import NotReady
from penchant.queries._checks import checked_finite

_DRAWS = 8
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Shortlist:
    """Some candidates: their ``rows`` in the pool, features in double precision and ``shown`` counts."""

    rows: Int[np.ndarray, " m"]
    features: Float[np.ndarray, "m d"]
    shown: Int[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.rows)


def shortlist(
    candidates: Candidates, posterior: Posterior, size: int, favourites: float, rng: np.random.Generator,
    keep: int | None = None,
) -> Shortlist:  # fmt: skip
    """``size`` candidates of a pool, or all where there are no more.

    A share ``favourites`` are the best by the mean and by some Thompson draws (one pass over the pool), the row
    ``keep`` is among them where it is given; the others are a :func:`fresh_sample`.

    Raises:
        NotReady: fewer than two candidates.
        BadImages: candidates with features that are not finite.
    """
    small = len(candidates) <= size
    best = _NONE if small else _favourites(candidates, posterior, int(size * favourites), rng)
    return fresh_sample(candidates, size, rng, best if keep is None else np.union1d(best, [keep]))


def fresh_sample(
    candidates: Candidates, size: int, rng: np.random.Generator, certain: Int[np.ndarray, " c"] = _NONE
) -> Shortlist:
    """The rows ``certain`` and others by chance; shown k times, an image is 1 + k times less likely than a fresh one.

    Raises:
        NotReady: fewer than two candidates.
        BadImages: candidates with features that are not finite.
    """
    count = len(candidates)
    if count < 2:
        raise NotReady(f"a question needs two images; the pool has {count}. Generate more candidates")
    if count <= size:
        rows = np.arange(count)
    else:
        # The smallest of exponential noise / weight are a weighted sample without replacement (Efraimidis 2006).
        keys = rng.standard_exponential(count, dtype=np.float32) * (1 + candidates.shown)
        keys[certain] = np.inf
        others = max(size - len(certain), 0)
        rows = np.sort(np.concatenate([certain, np.argpartition(keys, others)[:others]]))
    features = np.asarray(candidates.features[rows], dtype=np.float64)
    checked_finite(features.sum(1), rows)
    return Shortlist(rows, features, candidates.shown[rows])


def _favourites(
    candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator
) -> Int[np.ndarray, " f"]:
    """At most ``count`` rows: a third by the mean, the others by each of the draws."""
    if not count:
        return _NONE
    pool = np.asarray(candidates.features)
    share = max(1, count * 2 // (3 * _DRAWS))
    utilities = posterior.draw(pool, _DRAWS, rng)
    by_draw = np.argpartition(utilities, -share, axis=1)[:, -share:].ravel()
    by_mean = np.argpartition(posterior.mean(pool), -count)[-max(1, count - _DRAWS * share) :]
    return np.unique(np.concatenate([by_mean, by_draw]))
