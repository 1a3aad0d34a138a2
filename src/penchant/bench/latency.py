"""How long a person waits: from telling a vote, stored for good, to having the next pair."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penchant.bench._running import Row
from penchant.core.contracts import QUERIES, Candidates, Choice, Progress, Report
from penchant.core.rng import Rng
from penchant.study import Study, StudySettings

MILLISECONDS = 1000


@dataclass(frozen=True)
class Latency:
    """Vote → next pair with 10,000 candidates, in a real study on disk; the refit happens in between, as it does
    while a person looks at the next pair. The learning alone (update and choice, nothing stored) is measured apart.
    """

    candidates: int = 10_000
    votes: int = 300

    def run(self, quick: bool, report: Report) -> list[Row]:
        """Percentiles in milliseconds."""
        votes = 60 if quick else self.votes
        settings = StudySettings(source="pictures:1000", train_seconds=5, pool=self.candidates)
        with tempfile.TemporaryDirectory() as folder, Study.create(Path(folder) / "study", settings) as study:
            study.train(report=report)
            started = time.perf_counter()
            waits, refits = _study_waits(study, votes, report)
            learning = _learning_waits(study, votes)
            seconds = time.perf_counter() - started
        rows = [Row("candidates", self.candidates), Row("features", study.extractor.width)]
        for what, times in (("vote → next pair", waits), ("update and choice alone", learning)):
            rows.append(Row(f"{what}, median, ms", float(np.median(times))))
            rows.append(Row.against(f"{what}, 95th percentile, ms", float(np.percentile(times, 95)), "< 5"))
        rows.append(Row("refit in idle time, 95th percentile, ms", float(np.percentile(refits, 95)), seconds=seconds))
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


def _learning_waits(study: Study, votes: int) -> list[float]:
    features = np.asarray(study.pool().features)
    strategy = QUERIES.make(study.settings.strategy)
    posterior, rng = study.taste.posterior, Rng(1).numpy()
    candidates = Candidates(features, np.zeros(len(features), dtype=np.int64))
    left, right = 0, 1
    waits: list[float] = []
    for _ in range(votes):
        clock = time.perf_counter()
        posterior = posterior.update(features[left].astype(float), features[right].astype(float), Choice.LEFT)
        left, right = strategy.propose(candidates, posterior, 1, rng).pairs[0]
        waits.append((time.perf_counter() - clock) * MILLISECONDS)
    return waits
