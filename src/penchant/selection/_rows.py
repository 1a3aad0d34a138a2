"""What every selection strategy does with a pool: check it, read it in blocks, and order rows by score."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int

from penchant.core.contracts import PoolView, Selected
from penchant.core.errors import BadFeatures, NotReady

BLOCK = 16_384
"""Rows read at once: 16 MiB of 256 features in single precision."""

Rows = Int[np.ndarray, " r"]
Features = Float[np.ndarray, "n d"]


def checked_rows(pool: PoolView, count: int) -> Rows:
    """The free rows.

    Raises:
        ValueError: ``count`` is below 1.
        NotReady: no row is free.
    """
    if count < 1:
        raise ValueError(f"at least 1 image must be asked for; found {count}")
    free = pool.free
    if not len(free):
        raise NotReady(
            f"none of the {len(pool)} images is left to choose: {len(np.unique(pool.taken))} are taken and "
            f"{len(np.unique(pool.barred))} rejected; add images, or keep some of the rejected ones"
        )
    return free


def read(features: Features, rows: Rows) -> Float[np.ndarray, "r d"]:
    """Some rows in single precision.

    Raises:
        BadFeatures: some are not finite.
    """
    found = np.asarray(features[rows], dtype=np.float32)
    # One sum tells of the whole block: it is finite only where every number is (or the numbers are absurd).
    if not np.isfinite(found.sum(dtype=np.float64)):
        bad = rows[~np.isfinite(found).all(1)]
        raise BadFeatures(f"the features of {len(bad)} images are not finite, the first is image {bad[0]}")
    return found


def blocks(features: Features, rows: Rows) -> Iterator[tuple[slice, Float[np.ndarray, "k d"]]]:
    """The rows in blocks: where each belongs, and the features."""
    for start in range(0, len(rows), BLOCK):
        place = slice(start, min(start + BLOCK, len(rows)))
        yield place, read(features, rows[place])


def streamed(
    features: Features, rows: Rows, score: Callable[[Float[np.ndarray, "k d"]], Float[np.ndarray, " k"]]
) -> Float[np.ndarray, " r"]:
    """A score of every row, computed block by block."""
    found = np.empty(len(rows), dtype=np.float32)
    for place, part in blocks(features, rows):
        found[place] = score(part)
    return found


def some(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """At most so many of the rows, by chance, in order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def best(rows: Rows, scores: Float[np.ndarray, " r"], count: int) -> Selected:
    """The rows with the highest scores; the first of equal ones."""
    order = np.argsort(-scores, kind="stable")[:count]
    return Selected(rows[order], np.asarray(scores[order], dtype=np.float64))


def known(values: Float[np.ndarray, " n"] | None, pool: PoolView, what: str, remedy: str) -> Float[np.ndarray, " n"]:
    """The values, one a row.

    Raises:
        NotReady: there are none.
        BadFeatures: their number is not that of the images, or some are not finite.
    """
    if values is None:
        raise NotReady(f"{what} of the images is not known yet: {remedy}")
    if values.shape != (len(pool),) or not np.isfinite(values).all():
        raise BadFeatures(f"{what} must be one finite number for each of the {len(pool)} images")
    return values


def squared_distances(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """Squared Euclidean distances in single precision by one matrix product, at least 0."""
    found = first @ second.T
    found *= -2
    found += (first**2).sum(1)[:, None]
    found += (second**2).sum(1)
    return np.maximum(found, 0, out=found)
