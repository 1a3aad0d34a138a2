"""A shortlist of a large pool: some by chance, some because they are liked."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from penchant.core.contracts import Candidates, Posterior, Skippability
from penchant.core.errors import NotReady
from penchant.queries._checks import checked_finite

_WHOLE, _SHARE, _MOST = 32_768, 8, 131_072
"""A question looks at all of a pool, or at an eighth of it, but no fewer than the first and no more than the last."""
_RUN = 4_096
_DRAWN = 16
_DRAWS = 8
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Shortlist:
    """Some candidates: their ``rows`` in the pool, features in double precision and ``shown`` counts.

    ``skips`` are those of the :class:`~penchant.core.contracts.Candidates`.
    """

    rows: Int[np.ndarray, " m"]
    features: Float[np.ndarray, "m d"]
    shown: Int[np.ndarray, " m"]
    skips: Skippability | None = None

    def __len__(self) -> int:
        return len(self.rows)


def shortlist(
    candidates: Candidates, posterior: Posterior, size: int, favourites: float, rng: np.random.Generator,
    keep: int | None = None,
) -> Shortlist:  # fmt: skip
    """``size`` candidates of a pool, or all where there are no more.

    A share ``favourites`` are the best by the mean and by some Thompson draws among those of a :func:`glance`, the row
    ``keep`` is among them where it is given; the others are a :func:`fresh_sample`. Cost: without favourites that of
    ``size`` rows, with them one pass over the glance; neither grows with a pool larger than it.

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

    Of more than 32,768, the others come from 16 times as many rows as are wanted, uniformly drawn.

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
        drawn = np.arange(count) if count <= _WHOLE else np.unique(rng.integers(count, size=_DRAWN * size))
        # The smallest of exponential noise / weight are a weighted sample without replacement (Efraimidis 2006).
        keys = rng.standard_exponential(len(drawn), dtype=np.float32) * (1 + candidates.shown[drawn])
        places = np.minimum(np.searchsorted(drawn, certain), len(drawn) - 1)
        keys[places[drawn[places] == certain]] = np.inf
        others = max(size - len(certain), 0)
        rows = np.sort(np.concatenate([certain, drawn[np.argpartition(keys, others)[:others]]]))
    features = np.asarray(candidates.features[rows], dtype=np.float64)
    checked_finite(features.sum(1), rows)
    return Shortlist(rows, features, candidates.shown[rows], candidates.skips)


def glance(count: int, rng: np.random.Generator) -> list[slice]:
    """The part of a pool of ``count`` that one question looks at: all of it up to 32,768, else some rows by chance.

    Those are an eighth of the pool, at least 32,768 and at most 131,072 (64 MB of 128 features, some 30 ms), in runs of
    neighbours, which a memory-mapped file gives far faster than scattered rows. Every row is as likely as any other,
    whatever the order of the pool. With an eighth, favourites are found as well as with all (docs/benchmarks/scale.md).
    """
    if count <= _WHOLE:
        return [slice(0, count)]
    size = min(max(_WHOLE, count // _SHARE), _MOST)
    # The runs lie on a ring cut at a random place, where the last row is followed by the first.
    cut = int(rng.integers(count))
    starts = np.sort((cut + _RUN * rng.choice(count // _RUN, size // _RUN, replace=False)) % count).tolist()
    runs = [slice(start, min(start + _RUN, count)) for start in starts]
    beyond = starts[-1] + _RUN - count
    return runs if beyond <= 0 else [slice(0, beyond), *runs]


def _favourites(
    candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator
) -> Int[np.ndarray, " f"]:
    """At most ``count`` rows: a third by the mean, the others by each of the draws."""
    if not count:
        return _NONE
    runs, seed = glance(len(candidates), rng), int(rng.integers(2**63))
    seen = [candidates.features[run] for run in runs]
    # The same seed for every run: one draw of the taste judges all of them.
    utilities = np.hstack([posterior.draw(part, _DRAWS, np.random.default_rng(seed)) for part in seen])
    means = np.concatenate([posterior.mean(part) for part in seen])
    rows = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    share = max(1, count * 2 // (3 * _DRAWS))
    by_draw = np.argpartition(utilities, -share, axis=1)[:, -share:].ravel()
    best = max(1, count - _DRAWS * share)
    by_mean = np.argpartition(means, -best)[-best:]
    return rows[np.unique(np.concatenate([by_mean, by_draw]))]
