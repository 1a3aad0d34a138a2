"""The studio under load, killed, in a browser, and from cold: what it promises, in figures."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penchant.bench._postgresql import cluster
from penchant.bench._running import Row
from penchant.bench._studio_kills import kill_rows, resumed_rows
from penchant.bench._studio_paint import paint_rows
from penchant.bench._studio_start import existing_rows, new_folder_rows
from penchant.bench._studio_votes import Load, asked_study, load_rows
from penchant.core.contracts import Progress, Report
from penchant.core.errors import BadConfiguration, NotReady
from penchant.study import Study, StudySettings

_LONG = "latent_tilt(steps=1000000)"
"""Aligns for longer than anything here takes."""


@dataclass(frozen=True)
class Studio:
    """Votes a second in SQLite and PostgreSQL, kill -9, from a key to the next pair in Chromium, from cold to a pair.

    Every part starts ``penchant studio`` as a process of its own, and speaks to it by HTTP on loopback. Times are those
    of the clock on the wall, as a person feels them; beside the votes are the processor's, and at the end the load of
    the machine, which says how far to believe the others. Nothing is lost where a bar is missed because the machine is
    busy, but where votes are lost or doubled a part raises RuntimeError.

    Attributes:
        parts: which of votes, kills, resume, paint and start.
        voters: at once.
        votes: each of them gives, as fast as they are acknowledged.
        killed: votes during which processes are killed.
        kills: how often.
        painted: votes in the browser.
        images: of the new folder.
        train_seconds: of the new folder; the first time is with the defaults of ``penchant new``, as None.
        tries: of starting a study that is there.
    """

    parts: tuple[str, ...] = ("votes", "kills", "resume", "paint", "start")
    voters: int = 50
    votes: int = 40
    killed: int = 1000
    kills: int = 20
    painted: int = 300
    images: int = 2000
    train_seconds: tuple[int | None, ...] = (None, 30)
    tries: int = 5

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - {"votes", "kills", "resume", "paint", "start"})
        if unknown or not self.parts:
            raise BadConfiguration(f"parts are votes, kills, resume, paint and start; found {', '.join(unknown)}")
        if min(self.voters, self.votes, self.painted, self.tries) < 1 or not 0 < self.kills < self.killed:
            raise BadConfiguration("voters, votes, painted, tries and kills must be positive, and killed above kills")

    def run(self, quick: bool, report: Report) -> list[Row]:
        """The figures; ``quick`` takes a tenth of the votes."""
        part = 10 if quick else 1
        made: dict[str, Callable[[Path], list[Row]]] = {
            "votes": lambda folder: self._votes(folder, max(2, self.votes // part)),
            "kills": lambda folder: self._kills(folder, self.killed // part, max(1, self.kills // part), report),
            "resume": lambda folder: resumed_rows(folder / "study", report),
            "paint": lambda folder: paint_rows(folder / "study", max(5, self.painted // part), report),
            "start": lambda folder: self._start(folder),
        }
        rows: list[Row] = []
        for place, name in enumerate(self.parts):
            report(Progress(name, place / len(self.parts)))
            with tempfile.TemporaryDirectory() as folder:
                rows += made[name](Path(folder))
        return [*rows, Row("load of the machine in the last 5 minutes", os.getloadavg()[1])]

    def _votes(self, folder: Path, votes: int) -> list[Row]:
        load = Load(self.voters, votes)
        rows: list[Row] = []
        queries = asked_study(folder / "sqlite", votes)
        rows += load_rows("SQLite", load, folder / "sqlite", queries, "≥ 300")
        asked_study(folder / "dealt", 0)
        rows += load_rows("SQLite, pairs dealt", Load(self.voters, max(2, votes // 10), True), folder / "dealt", [], "")
        try:
            with cluster() as server:
                queries = asked_study(folder / "server", votes, server.create("votes"))
                rows += load_rows("PostgreSQL", load, folder / "server", queries, "≥ 500")
        except NotReady as reason:
            rows.append(Row.left_out("PostgreSQL", str(reason)))
        return rows

    def _kills(self, folder: Path, votes: int, kills: int, report: Report) -> list[Row]:
        settings = StudySettings(source="pictures:300", train_seconds=5, pool=400, aligner=_LONG)
        with Study.create(folder / "study", settings) as study:
            study.train()
            study.tell(study.ask().number, "left")
        return kill_rows(folder / "study", votes, kills, report)

    def _start(self, folder: Path) -> list[Row]:
        asked_study(folder / "known", 20, images=1000)
        rows = existing_rows(folder / "known", self.tries)
        for seconds in self.train_seconds:
            options = () if seconds is None else ("--train-seconds", str(seconds))
            rows += new_folder_rows(folder / f"new-{seconds}", self.images, *options)
        return rows
