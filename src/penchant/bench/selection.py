"""What selecting training images from a large pool costs, and how well the selected ones stand for the pool."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from penchant.bench._running import Row
from penchant.core.contracts import SELECTION, PoolView, Progress, Report
from penchant.core.errors import BadConfiguration

_BLOCK = 10_000
_INNER = 24
_EXACT_POOL = 10_000


@dataclass(frozen=True)
class Selection:
    """Synthetic features (a thousand kinds in 24 dimensions, noise around them) in a memory-mapped half-precision file.

    Time is processor time of this process. Then, for a pool of 10,000 from which a twentieth is taken: the largest
    distance of an image to its nearest chosen one, as a multiple of that of the greedy k-centre over all images.

    Attributes:
        images: in the pool.
        count: how many are selected.
        width: features an image.
        strategies: which choose.
    """

    images: int = 1_000_000
    count: int = 10_000
    width: int = 256
    strategies: tuple[str, ...] = ("density", "typicality", "k_centre")

    def __post_init__(self) -> None:
        if not (1 <= self.count <= self.images and self.width >= 1):
            raise BadConfiguration(
                f"count must be from 1 to images, width at least 1; found {self.count} of {self.images} × {self.width}"
            )

    def run(self, quick: bool, report: Report) -> list[Row]:
        """Seconds for each strategy, then radii; ``quick`` takes a hundredth of pool and count."""
        scale = 100 if quick else 1
        images, count = max(2, self.images // scale), max(1, self.count // scale)
        rows: list[Row] = []
        with tempfile.TemporaryDirectory() as temporary:
            features = _features(Path(temporary) / "pool.npy", images, self.width)
            for place, name in enumerate(self.strategies):
                report(Progress(name, place / len(self.strategies)))
                started = time.process_time()
                SELECTION.make(name).select(PoolView(features), count, np.random.default_rng(0))
                rows.append(Row(f"{name}: {count:,} of {images:,}, processor s", time.process_time() - started))
            small = _features(Path(temporary) / "small.npy", _EXACT_POOL // (10 if quick else 1), self.width)
            exact = _radius(small, "k_centre")
            for name in (*self.strategies, f"k_centre(sample={len(small) // 2})", "random"):
                rows.append(Row(f"{name}: radius / exact k-centre's, {len(small):,}", _radius(small, name) / exact))
        return rows


def _features(path: Path, images: int, width: int) -> Float[np.ndarray, "n d"]:
    rng = np.random.default_rng(5)
    kinds, basis = rng.standard_normal((1000, _INNER)), rng.standard_normal((_INNER, width)) / np.sqrt(_INNER)
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(images, width))
    for start in range(0, images, _BLOCK):
        size = min(_BLOCK, images - start)
        inner = kinds[rng.integers(len(kinds), size=size)] + 0.5 * rng.standard_normal((size, _INNER))
        made[start : start + size] = inner @ basis + 0.2 * rng.standard_normal((size, width))
    made.flush()
    return np.load(path, mmap_mode="r")


def _radius(features: Float[np.ndarray, "n d"], name: str) -> float:
    count = len(features) // 20
    rows = SELECTION.make(name).select(PoolView(features), count, np.random.default_rng(0)).rows
    points = np.asarray(features, dtype=np.float32)
    chosen = points[rows]
    nearest = (points**2).sum(1) + ((chosen**2).sum(1) - 2 * points @ chosen.T).min(1)
    return float(np.sqrt(np.maximum(nearest, 0).max()))
