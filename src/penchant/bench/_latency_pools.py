"""Learning a vote and choosing the next pair, over pools of any size: synthetic features in a memory-mapped file."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from penchant.bench._running import Row
from penchant.core.contracts import PREFERENCE, QUERIES, Candidates, Choice, Group, Votes
from penchant.core.rng import Rng
from penchant.core.threads import one_blas_thread

BARS = {10_000: "< 5", 100_000: "< 25", 1_000_000: "< 150"}
_BLOCK = 65_536
_REFIT_EVERY = 5


@dataclass(frozen=True)
class Waits:
    """Milliseconds of every vote: learning it, choosing the pair after it, and what both took of the processors.

    The last is what they take on a machine that does nothing else; where others work, a wait is mostly for them.
    """

    learning: Sequence[float]
    choosing: Sequence[float]
    processor: Sequence[float]

    def rows(self, pool: int, strategy: str) -> Iterator[Row]:
        """Median and 95th percentile of each, and of learning and choosing together."""
        together = [a + b for a, b in zip(self.learning, self.choosing, strict=True)]
        named = {"learning": self.learning, "choosing": self.choosing, "together": together}
        named["together, processor time"] = self.processor
        for what, times in named.items():
            title = f"{pool:,} candidates, {strategy}: {what}"
            yield Row(f"{title}, median, ms", float(np.median(times)))
            worst, bar = float(np.percentile(times, 95)), BARS.get(pool) if what == "together" else None
            title = f"{title}, 95th percentile, ms"
            yield Row.against(title, worst, bar) if bar else Row(title, worst)


def synthetic_features(path: Path, count: int, width: int, precision: str) -> Float[np.ndarray, "n d"]:
    """``count`` standard normal rows, written to ``path`` and mapped into memory from there."""
    file = np.lib.format.open_memmap(path, mode="w+", dtype=precision, shape=(count, width))
    rng = Rng(0).child("features").numpy()
    for start in range(0, count, _BLOCK):
        block = file[start : start + _BLOCK]
        block[:] = rng.standard_normal(block.shape, dtype=np.float32)
    file.flush()
    return np.load(path, mmap_mode="r")


def pool_waits(features: Float[np.ndarray, "n d"], groups: Sequence[Group], strategy: str, votes: int) -> Waits:
    """``votes`` questions over the pool, answered by a hidden linear taste; a refit every five votes, not counted."""
    rng = Rng(1)
    taste = rng.child("taste").numpy().standard_normal(features.shape[1])
    prior, chooser = PREFERENCE.make("linear").prior(groups), QUERIES.make(strategy)
    posterior, shown = prior, np.zeros(len(features), dtype=np.int64)
    lefts: list[Float[np.ndarray, " d"]] = []
    rights: list[Float[np.ndarray, " d"]] = []
    choices: list[Choice] = []
    learning: list[float] = []
    choosing: list[float] = []
    processor: list[float] = []
    rows = np.array([0, 1])
    for number in range(votes):
        left, right = (np.asarray(features[row], dtype=np.float64) for row in rows)
        choice = Choice.LEFT if (left - right) @ taste > 0 else Choice.RIGHT
        question = rng.child("question", number).numpy()
        clock, worked = time.perf_counter(), time.process_time()
        with one_blas_thread():
            posterior = posterior.update(left, right, choice)
        learned = time.perf_counter()
        with one_blas_thread():
            rows = chooser.propose(Candidates(features, shown), posterior, 1, question).pairs[0]
        chosen, worked = time.perf_counter(), time.process_time() - worked
        shown[rows] += 1
        learning.append((learned - clock) * 1000)
        choosing.append((chosen - learned) * 1000)
        processor.append(worked * 1000)
        lefts.append(left)
        rights.append(right)
        choices.append(choice)
        if len(choices) % _REFIT_EVERY == 0:
            posterior = prior.refit(Votes(np.array(lefts), np.array(rights), choices))
    return Waits(learning, choosing, processor)
