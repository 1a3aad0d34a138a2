"""Farthest-first traversal with weights, exact and in large matrix products."""

import numpy as np
from jaxtyping import Float, Int

from penchant.core.contracts import PoolView
from penchant.selection._rows import BLOCK, Rows, read, some, squared_distances

_SHORTLIST = 1024
_TAKEN = 4096


def farthest_first(
    points: Float[np.ndarray, "n d"],
    covered: Float[np.ndarray, " n"],
    count: int,
    weights: Float[np.ndarray, " n"] | None = None,
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Greedy: again and again the point of the largest weight × distance from all that are covered (Gonzalez 1985).

    ``covered`` are squared distances from what was chosen before (infinite for nothing; it is changed in place to
    those in the end). Gives the points in order and their weighted distances at the time. Points that equal a chosen
    one come last, in order.

    Priorities only ever fall, so the best of a shortlist is the best of all for as long as it is not below the best
    that was left out: many picks need one product of all points with the picked ones. The picks are those of the
    naive loop (a test compares them); the cost is 2·n·count·d operations, almost all in matrix products.
    """
    size = len(points)
    squares = np.ones(size, np.float32) if weights is None else np.asarray(weights, np.float32) ** 2
    free = np.ones(size, dtype=bool)
    picked: list[int] = []
    reach: list[float] = []
    if size and not np.isfinite(covered).all():
        central = ((points - points.mean(0)) ** 2).sum(1) / np.maximum(squares, 1e-12)
        first = int(central.argmin())
        picked, reach = [first], [0.0]
        free[first] = False
        np.minimum(covered, squared_distances(points, points[[first]])[:, 0], out=covered)
    while len(picked) < min(count, size):
        priority = np.where(free, squares * covered, -1.0)
        most = min(_SHORTLIST, int(free.sum()))
        order = np.argpartition(-priority, most - 1)[:most]
        order = np.sort(order)
        left_out = priority.copy()
        left_out[order] = -1.0
        bound = float(left_out.max())
        new = _among(points[order], covered[order], squares[order], bound, min(count, size) - len(picked))
        chosen = order[[place for place, _ in new]]
        picked += chosen.tolist()
        reach += [value for _, value in new]
        free[chosen] = False
        np.minimum(covered, squared_distances(points, points[chosen]).min(1), out=covered)
        covered[chosen] = 0.0
    return np.array(picked[:count], dtype=np.int64), np.array(reach[:count])


def _among(
    points: Float[np.ndarray, "m d"],
    covered: Float[np.ndarray, " m"],
    squares: Float[np.ndarray, " m"],
    bound: float,
    most: int,
) -> list[tuple[int, float]]:
    """Picks within a shortlist, the first always, then while none outside (at most ``bound``) can be better."""
    apart = squared_distances(points, points)
    covered = covered.copy()
    priority = squares * covered
    new: list[tuple[int, float]] = []
    while len(new) < most:
        place = int(priority.argmax())
        best = float(priority[place])
        if best < 0 or (new and best < bound):
            break
        new.append((place, float(np.sqrt(max(best, 0.0)))))
        np.minimum(covered, apart[place], out=covered)
        priority = squares * covered
        priority[[chosen for chosen, _ in new]] = -1.0
    return new


def distance_to_taken(
    pool: PoolView, points: Float[np.ndarray, "n d"], rng: np.random.Generator
) -> Float[np.ndarray, " n"]:
    """Squared distances to the nearest image taken before (of at most 4,096 of them); infinite without any."""
    taken: Rows = some(np.unique(pool.taken), _TAKEN, rng)
    found = np.full(len(points), np.inf, dtype=np.float32)
    if len(taken):
        others = read(pool.features, taken)
        for start in range(0, len(points), BLOCK):
            part = points[start : start + BLOCK]
            found[start : start + BLOCK] = squared_distances(part, others).min(1)
    return found
