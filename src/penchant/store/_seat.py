"""Several processes that serve a study together: each has a seat; who wants it alone waits until none is taken."""

import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from penchant.core.errors import StudyBusy
from penchant.store._lock import SEATS, StudyLock, leave_word

_SECONDS_TO_SIT = 5.0


class StudySeat:
    """Held, from its construction on, by each of the processes that serve the study in ``directory`` together.

    Any number of seats can be taken at once, a :class:`StudyLock` only while there is none. Each is a file that the
    operating system locks, and frees when its process ends, however it ends.

    Raises:
        StudyBusy: a process has the study to itself.
        StudyMissing, StudyDamaged: as :class:`StudyLock`.
    """

    def __init__(self, directory: Path):
        lock = _sitting_down(directory)
        try:
            seats = directory / SEATS
            seats.mkdir(exist_ok=True)
            self._path = seats / f"{uuid4().hex}.lock"
            self._lock = FileLock(str(self._path), timeout=0, thread_local=False)
            self._lock.acquire()
            leave_word(self._path.with_suffix(".json"))
        finally:
            lock.release()

    def release(self) -> None:
        """Stand up; does nothing where that was done."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._path.with_suffix(".json").unlink()
            self._lock.release()
            with suppress(OSError):
                self._path.unlink()


def _sitting_down(directory: Path) -> StudyLock:
    """The lock, for the moment in which a seat is taken; others may be sitting down in the same moment."""
    until = time.monotonic() + _SECONDS_TO_SIT
    while True:
        try:
            return StudyLock(directory, beside_seats=True)
        except StudyBusy:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
