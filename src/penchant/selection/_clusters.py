"""K-means in blocks, for pools that do not fit into memory at once."""

import numpy as np
from jaxtyping import Float, Int

from penchant.selection._rows import Rows, blocks

Centres = Float[np.ndarray, "k d"]


def centres_of(points: Float[np.ndarray, "n d"], count: int, iterations: int, rng: np.random.Generator) -> Centres:
    """Lloyd's k-means from points drawn by chance; a cluster that runs empty stays where it was."""
    rows = np.arange(len(points))
    centres = points[rng.choice(len(points), min(count, len(points)), replace=False)].copy()
    for _ in range(iterations):
        label = assigned(points, rows, centres)
        order = np.argsort(label, kind="stable")
        kinds, starts = np.unique(label[order], return_index=True)
        sums = np.add.reduceat(points[order], starts, axis=0)
        sizes = np.bincount(label, minlength=len(centres))[kinds]
        centres[kinds] = sums / sizes[:, None].astype(np.float32)
    return centres


def assigned(features: Float[np.ndarray, "n d"], rows: Rows, centres: Centres) -> Int[np.ndarray, " r"]:
    """The nearest centre of every row."""
    label = np.empty(len(rows), dtype=np.int64)
    half = 0.5 * (centres**2).sum(1)
    for place, part in blocks(features, rows):
        score = part @ centres.T
        score -= half
        label[place] = score.argmax(1)
    return label
