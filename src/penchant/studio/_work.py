"""Training and aligning while the studio goes on serving: one piece of work at a time, in a process of its own."""

import subprocess
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from penchant.core.errors import BadConfiguration, NotReady, StudyBusy, UnknownName
from penchant.studio._log import note
from penchant.study import Study
from penchant.study.feeding import kept_generated
from penchant.study.making import Desk, Made, Shares, Strongest, command

_SECONDS_TO_END = 10.0


@dataclass
class Work:
    """What is being made of the study now, how far it is, and how it ended.

    Votes go on meanwhile: the process has a low priority and one processor less than there are, replays the log for
    itself, and writes a new version when that is whole. :meth:`stop` ends it at its next report; what training kept so
    far is used by the next try, also after both processes were killed.

    Args:
        study: what is trained and aligned.
    """

    study: Study
    _process: subprocess.Popen[bytes] | None = None
    _last: Made = field(default_factory=Made)

    def train(self) -> None:
        """Begin to train the base generator.

        Raises:
            StudyBusy: something is being made already.
        """
        self._begin("train")

    def align(self, like_best_of: Strongest = None, of: Shares = None) -> None:
        """Begin to bend the generator to the taste learned so far: of all votes together, or of voters by shares.

        Raises:
            UnknownName: a share is given to somebody who did not vote.
            BadConfiguration: no share is above zero.
            StudyBusy: something is being made already.
            NotReady: there are no votes, or no generator.
        """
        if not self.study.taste.votes:
            raise NotReady("no votes yet; vote on a few pairs first")
        for voter in of or ():
            if voter not in self.study.taste.people:
                raise UnknownName("voter of this study", voter, self.study.taste.people)
        if of is not None and not any(share > 0 for share in of.values()):
            raise BadConfiguration("a blend of tastes needs at least one share above zero")
        self._begin("align", like_best_of, of)

    def feed(self) -> None:
        """Begin to train afresh on the real images and the generated ones that are kept.

        Raises:
            StudyBusy: something is being made already.
            NotReady: no generated image is kept.
        """
        if not kept_generated(self.study):
            raise NotReady("no generated image is kept for training; keep some in the gallery first")
        self._begin("feed")

    def stop(self, wait: bool = False) -> None:
        """End the work at its next report, whoever began it; with ``wait``, only what was begun here, and return when
        that has ended, which is enforced after a while."""
        if wait and not self.running:
            return
        self._desk.stop()
        if wait and self._process is not None:
            try:
                self._process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()  # nothing is lost by it: what it had is in its checkpoint
                self._process.wait()

    @property
    def running(self) -> bool:
        """Whether something is being made here."""
        return self._process is not None and self._process.poll() is None

    def state(self) -> dict[str, Any]:
        """For the page: how far it is, or how the last piece of work ended."""
        if self._process is None:
            heard = self._desk.heard()  # it may be made by another process that serves this study
            return asdict(heard if heard.running and self._desk.busy else self._last)
        running = self.running  # before the last word is read: the process leaves it before it ends
        heard = self._desk.heard()
        if running:
            self._last = heard if heard.running else Made(self._last.kind, running=True)
            return asdict(self._last)
        if heard.running or not heard.kind:
            status = self._process.returncode
            heard = Made(self._last.kind, error=f"it was ended from outside (status {status}); begin again to go on")
        self._end(heard)
        return asdict(self._last)

    @cached_property
    def _desk(self) -> Desk:
        return Desk(self.study.path)

    def _begin(self, kind: str, like_best_of: Strongest = None, of: Shares = None) -> None:
        if self.running or self._desk.busy:
            raise StudyBusy("something is being made already; wait until it is done, or stop it")
        self._desk.stop(False)
        self._last = Made(kind, running=True)
        note("making", kind=kind)
        self._desk.say(self._last)
        arguments, environment = command(self.study.path, kind, like_best_of, of)
        with (self._desk.folder / "errors.txt").open("wb") as errors:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.PIPE, stdout=errors, stderr=errors, env=environment
            )

    def _end(self, ended: Made) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process, self._last = None, ended
        self.study.versions.refresh()
        note("made", kind=ended.kind, version=ended.version, stopped=ended.stopped, problem=ended.error)
