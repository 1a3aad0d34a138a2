"""One process that has a study to itself: the operating system keeps the lock and frees it when the process ends."""

import json
import os
import socket
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from penchant.core.errors import StudyBusy, StudyDamaged, StudyMissing

LOCK_NAME = "writer.lock"
OWNER_NAME = "writer.json"
SEATS = "seats"
"""The folder where processes that serve a study together have their locks; see ``StudySeat``."""


class StudyLock:
    """Held, from its construction on, while a process writes to the study in ``directory``.

    Nothing waits: a second one is told who has it. The operating system frees it when its process ends, however it
    ends; a left-over file means nothing.

    Args:
        directory: of the study.
        beside_seats: take it although processes serve the study together, as each of them does for a moment.

    Raises:
        StudyBusy: another process, or another part of this one, holds it, or a seat; the text says which and since
            when.
        StudyMissing: there is no such folder.
        StudyDamaged: the folder cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, StudyLock(Path(folder)) as lock:
    ...     lock.held
    True
    """

    def __init__(self, directory: Path, beside_seats: bool = False):
        if not directory.is_dir():  # FileLock would make it
            raise StudyMissing(f"there is no study to lock: {directory} is not a folder")
        self._directory = directory
        self._lock = FileLock(str(directory / LOCK_NAME), timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise StudyBusy(self._busy(directory / OWNER_NAME, "writing to")) from None
        except OSError as error:
            raise StudyDamaged(f"{directory} cannot be locked for writing: {error.strerror or error}") from None
        taken = None if beside_seats else _seat_taken(directory)
        if taken is not None:
            self._lock.release()
            raise StudyBusy(self._busy(taken.with_suffix(".json"), "serving"))
        leave_word(directory / OWNER_NAME)

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock.is_locked

    def release(self) -> None:
        """Let others write; does nothing where the lock is not held."""
        if self.held:
            with suppress(OSError):
                (self._directory / OWNER_NAME).unlink()
            self._lock.release()

    def __enter__(self) -> "StudyLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _busy(self, word: Path, doing: str) -> str:
        owner = _owner(word)
        if owner.get("pid") == os.getpid() and owner.get("host") == socket.gethostname():
            return f"the study in {self._directory} is open in this process already; close it first"
        who = "another process"
        if owner:
            since = datetime.fromtimestamp(owner["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            who = f"process {owner['pid']} on {owner['host']}, since {since},"
        return (
            f"{who} is {doing} the study in {self._directory}. Wait for it to end, or end it there with Ctrl-C: "
            "nothing it stored is lost"
        )


def leave_word(word: Path) -> None:
    """Say in a file who holds the lock beside it; a full disk must not keep a study from being opened."""
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
    with suppress(OSError):
        word.write_text(json.dumps(owner), encoding="utf-8")


def _owner(word: Path) -> dict[str, Any]:
    try:
        owner = json.loads(word.read_text(encoding="utf-8"))
        return {"pid": int(owner["pid"]), "host": str(owner["host"]), "since": float(owner["since"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _seat_taken(directory: Path) -> Path | None:
    """The lock of a seat that is taken; what those who were killed left behind is cleared away."""
    for seat in sorted((directory / SEATS).glob("*.lock")):
        try:
            with FileLock(str(seat), timeout=0, thread_local=False):
                pass
        except Timeout:
            return seat
        for left in (seat, seat.with_suffix(".json")):
            left.unlink(missing_ok=True)
    return None
