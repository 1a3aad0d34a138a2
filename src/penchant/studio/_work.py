"""Training and aligning while the studio goes on serving: one piece of work at a time, in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from penchant.core.contracts import Progress, Report
from penchant.core.errors import Interrupted, NotReady, PenchantError, StudyBusy
from penchant.store import Version
from penchant.study import Study


@dataclass
class Work:
    """What the studio is making now, how far it is, and how it ended.

    Votes go on meanwhile: the work reads the taste once, at its start (the serving thread waits for that, a fraction
    of a second), and writes a new version when it is whole. :meth:`stop` ends it at its next report; what training
    kept so far is used by the next try.

    Args:
        study: what is trained and aligned.
        finished: called in the serving thread when there is a new version.
    """

    study: Study
    finished: Callable[[], None]
    _kind: str = ""
    _progress: Progress = field(default_factory=lambda: Progress("waiting", 0.0))
    _running: bool = False
    _error: str = ""
    _stopped: bool = False
    _made: int | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def train(self) -> None:
        """Begin to train the base generator.

        Raises:
            StudyBusy: something is being made already.
        """
        self._begin("train", lambda report: self.study.train(report=report))

    def align(self, like_best_of: float | Literal["auto"] | None = None) -> None:
        """Begin to bend the generator to the taste learned so far.

        Raises:
            StudyBusy: something is being made already.
            NotReady: there are no votes, or no generator.
        """
        if not self.study.taste.votes:
            raise NotReady("no votes yet; vote on a few pairs first")
        self.study.refit(force=True)  # in the serving thread, so that no vote comes between
        begun = threading.Event()

        def make(report: Report) -> Version:
            def reporting(progress: Progress) -> None:
                begun.set()
                report(progress)

            try:
                return self.study.align(like_best_of, reporting)
            finally:
                begun.set()

        self._begin("align", make)
        begun.wait()

    def stop(self, wait: bool = False) -> None:
        """End the work at its next report; with ``wait``, return when it has ended."""
        self._stopping.set()
        if wait and self._thread is not None:
            self._thread.join()

    @property
    def running(self) -> bool:
        """Whether something is being made."""
        return self._running

    def state(self) -> dict[str, Any]:
        """For the page: how far it is, or how the last piece of work ended."""
        return {
            "kind": self._kind,
            "running": self._running,
            "stage": self._progress.stage,
            "fraction": self._progress.fraction,
            "seconds_left": self._progress.seconds_left,
            "figures": dict(self._progress.figures),
            "error": self._error,
            "stopped": self._stopped,
            "version": self._made,
        }

    def _begin(self, kind: str, make: Callable[[Report], Version]) -> None:
        if self._running:
            raise StudyBusy("something is being made already; wait until it is done, or stop it")
        loop = asyncio.get_running_loop()
        self._kind, self._running, self._progress = kind, True, Progress("waiting", 0.0)
        self._error, self._made, self._stopped = "", None, False
        self._stopping.clear()

        def report(progress: Progress) -> None:
            if self._stopping.is_set():
                raise KeyboardInterrupt  # what the stages know how to end on without losing anything
            self._progress = progress

        def run() -> None:
            version, error, stopped = None, "", False
            try:
                version = make(report).number
            except (Interrupted, KeyboardInterrupt):
                stopped = True
            except PenchantError as refusal:
                error = str(refusal)
            except Exception as surprise:
                error = f"{type(surprise).__name__}: {surprise}"
            try:
                loop.call_soon_threadsafe(self._end, version, error, stopped)
            except RuntimeError:  # the server has ended meanwhile
                self._running = False

        self._thread = threading.Thread(target=run, name=f"penchant-{kind}")
        self._thread.start()

    def _end(self, version: int | None, error: str, stopped: bool) -> None:
        self._made, self._error, self._stopped = version, error, stopped
        if version is not None:
            self.finished()
        self._running = False
