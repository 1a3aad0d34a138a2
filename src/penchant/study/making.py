"""Training and aligning in a process of their own, beside one that serves: `python -m penchant.study.making`.

Whoever serves starts it (:class:`penchant.studio._work.Work`), reads how far it is from a file, and ends it by another.
The process has the lowest priority but one, reads the log itself, and writes a new version when that is whole. It ends
at once when whoever started it is gone, whatever ended that: the next try goes on from the last checkpoint.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from penchant.core.contracts import Progress
from penchant.core.errors import Interrupted, PenchantError, StudyBusy
from penchant.store import StudyLock
from penchant.study.study import Study

Strongest = float | Literal["auto"] | None
"""How far to align: like the best of so many, as far as a judge is sure, or as the study's settings say."""

Shares = Mapping[str, float] | None
"""Whose taste: shares of voters, or that of all votes together."""

_NICENESS = 15
_SECONDS_BETWEEN = 0.2
_SECONDS_TO_WAIT = 5.0


@dataclass(frozen=True)
class Made:
    """What is being made, how far it is, or how it ended: ``version``, ``stopped`` or ``error`` says so."""

    kind: str = ""
    running: bool = False
    stage: str = "waiting"
    fraction: float = 0.0
    seconds_left: float | None = None
    figures: dict[str, float] = field(default_factory=dict[str, float])
    error: str = ""
    stopped: bool = False
    version: int | None = None


@dataclass(frozen=True)
class Desk:
    """The folder of a study by which whoever makes something and whoever serves tell each other about it."""

    study: Path

    @property
    def folder(self) -> Path:
        """Where the files are; made when it is first needed."""
        folder = self.study / "making"
        folder.mkdir(exist_ok=True)
        return folder

    def say(self, made: Made) -> None:
        """Leave word, whole or not at all."""
        partial = self.folder / "progress.json.partial"
        partial.write_text(json.dumps(asdict(made)), encoding="utf-8")
        partial.replace(self.folder / "progress.json")

    def heard(self) -> Made:
        """The last word; nothing where there is none."""
        try:
            return Made(**json.loads((self.folder / "progress.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Made()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked for an end."""
        return (self.folder / "stop").exists()

    def stop(self, wanted: bool = True) -> None:
        """Ask for an end at the next report, or for none any more."""
        if wanted:
            (self.folder / "stop").touch()
        else:
            (self.folder / "stop").unlink(missing_ok=True)

    @property
    def busy(self) -> bool:
        """Whether a process is making something, whoever started it."""
        try:
            StudyLock(self.folder).release()
        except StudyBusy:
            return True
        return False

    def taken(self) -> StudyLock:
        """The desk for this process; StudyBusy where it is another's and stays so."""
        until = time.monotonic() + _SECONDS_TO_WAIT
        while True:
            try:
                return StudyLock(self.folder)
            except StudyBusy:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


def make(study: Path, kind: str, like_best_of: Strongest, of: Shares = None) -> Made:
    """Make it, leaving word of how far it is; gives how it ended, and leaves word of that too."""
    desk, said = Desk(study), 0.0
    with desk.taken():
        desk.say(Made(kind, running=True))

        def report(progress: Progress) -> None:
            nonlocal said
            if desk.stopping:
                raise KeyboardInterrupt  # what the stages know how to end on without losing anything
            now = time.monotonic()
            if now - said >= _SECONDS_BETWEEN:
                said, figures = now, {name: float(value) for name, value in progress.figures.items()}
                left = progress.seconds_left
                desk.say(Made(kind, True, progress.stage, progress.fraction, left, figures))

        try:
            with Study.beside(study) as opened:
                if kind == "train":
                    version = opened.train(report=report)
                elif kind == "feed":
                    version = opened.feed(report=report)
                else:
                    version = opened.align(like_best_of, report, of)
            ended = Made(kind, version=version.number)
        except (Interrupted, KeyboardInterrupt):
            ended = Made(kind, stopped=True)
        except PenchantError as refusal:
            ended = Made(kind, error=str(refusal))
        except Exception as surprise:
            desk.say(Made(kind, error=f"{type(surprise).__name__}: {surprise}"))
            raise
        desk.say(ended)
    return ended


def _end_with_whoever_started() -> None:
    """Wait until the other end of our input is closed, which the operating system does when its process ends."""
    sys.stdin.buffer.read()
    os._exit(1)


def main(study: str, kind: str, like_best_of: str = "", of: str = "") -> int:
    """The command; ``of`` is JSON. Gives the exit status."""
    threading.Thread(target=_end_with_whoever_started, daemon=True).start()
    if sys.platform != "win32":
        with suppress(OSError):
            os.nice(_NICENESS)
    strongest: Strongest = "auto" if like_best_of == "auto" else float(like_best_of) if like_best_of else None
    ended = make(Path(study), kind, strongest, json.loads(of) if of else None)
    return 0 if ended.version is not None or ended.stopped else 1


def command(
    study: Path, kind: str, like_best_of: Strongest = None, of: Shares = None
) -> tuple[list[str], dict[str, Any]]:
    """How to start it: the arguments, and the environment, in which it leaves a processor to whoever serves."""
    threads = str(max(1, (os.cpu_count() or 2) - 1))
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {**dict.fromkeys(names, threads), **os.environ}
    strength, whose = "" if like_best_of is None else str(like_best_of), "" if of is None else json.dumps(dict(of))
    return [sys.executable, "-m", "penchant.study.making", str(study), kind, strength, whose], environment


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
