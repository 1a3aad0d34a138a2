"""How long a person waits: from telling a vote to having the next pair, for pools of ten thousand to a million."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penchant.bench._latency_pools import pool_waits, synthetic_features
from penchant.bench._running import Row
from penchant.core.contracts import Progress, Report
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.study import Study, StudySettings

MILLISECONDS = 1000


@dataclass(frozen=True)
class Latency:
    """Vote → next pair; the refit happens in between, as it does while a person looks at the next pair.

    First in a real study on disk, the vote stored for good; then learning and choosing alone, with synthetic features
    as wide as the study's in a memory-mapped file, for every size in ``pools``.

    Attributes:
        candidates: of the study.
        votes: of each measurement.
        pools: sizes; a million candidates take 1 GB on the disk meanwhile.
        strategies: who chooses.
        precision: of the synthetic features, ``float32`` or ``float16``.
    """

    candidates: int = 10_000
    votes: int = 300
    pools: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    strategies: tuple[str, ...] = ("bald", "favourites", "thompson")
    precision: str = "float32"

    def __post_init__(self) -> None:
        if any(pool < 3 for pool in self.pools):
            raise BadConfiguration(f"a pool has at least 3 candidates; found {', '.join(map(str, self.pools))}")
        if self.precision not in ("float32", "float16"):
            raise BadConfiguration(f"precision must be float32 or float16; found {self.precision}")

    def run(self, quick: bool, report: Report) -> list[Row]:
        """Percentiles in milliseconds."""
        votes = 60 if quick else self.votes
        settings = StudySettings(source="pictures:1000", train_seconds=5, pool=self.candidates)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            with Study.create(folder / "study", settings) as study:
                study.train(report=report)
                started = time.perf_counter()
                waits, refits = _study_waits(study, votes, report)
                seconds = time.perf_counter() - started
                groups = study.extractor.groups
            rows = [Row("features", groups[-1].stop)]
            told = f"{self.candidates:,} candidates in a study: vote, stored → next pair"
            rows.append(Row(f"{told}, median, ms", float(np.median(waits))))
            rows.append(Row(f"{told}, 95th percentile, ms", float(np.percentile(waits, 95))))
            slowest = float(np.percentile(refits, 95))
            rows.append(Row("refit in idle time, 95th percentile, ms", slowest, seconds=seconds))
            for place, pool in enumerate(self.pools):
                report(Progress(f"{pool:,} candidates", place / len(self.pools)))
                features = synthetic_features(folder / "features.npy", pool, groups[-1].stop, self.precision)
                for strategy in self.strategies:
                    rows += pool_waits(features, groups, strategy, votes).rows(pool, strategy)
        return rows


def _study_waits(study: Study, votes: int, report: Report) -> tuple[list[float], list[float]]:
    voter = study.voter("mixture")
    rng = Rng(0).numpy()
    question = study.ask()
    waits: list[float] = []
    refits: list[float] = []
    for index in range(votes):
        choice = voter.answer(question.left, question.right, rng)
        clock = time.perf_counter()
        study.tell(question.number, choice, voter="mixture", refit=False)
        question = study.ask()
        waits.append((time.perf_counter() - clock) * MILLISECONDS)
        clock = time.perf_counter()
        if study.refit():
            refits.append((time.perf_counter() - clock) * MILLISECONDS)
        report(Progress("voting", index / votes))
    return waits, refits
