"""One writing process a study: the operating system keeps the lock and frees it when the process ends."""

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


class StudyLock:
    """Held, from its construction on, while a process writes to the study in ``directory``.

    Nothing waits: a second one is told who has it. The operating system frees it when its process ends, however it
    ends; a left-over file means nothing.

    Raises:
        StudyBusy: another process, or another part of this one, holds it; the text says which and since when.
        StudyMissing: there is no such folder.
        StudyDamaged: the folder cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, StudyLock(Path(folder)) as lock:
    ...     lock.held
    True
    """

    def __init__(self, directory: Path):
        if not directory.is_dir():  # FileLock would make it
            raise StudyMissing(f"there is no study to lock: {directory} is not a folder")
        self._directory = directory
        self._lock = FileLock(str(directory / LOCK_NAME), timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise StudyBusy(self._busy()) from None
        except OSError as error:
            raise StudyDamaged(f"{directory} cannot be locked for writing: {error.strerror or error}") from None
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        with suppress(OSError):  # a full disk must not keep a study from being opened; the lock itself is held
            (directory / OWNER_NAME).write_text(json.dumps(owner), encoding="utf-8")

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

    def _busy(self) -> str:
        owner = self._owner()
        if owner.get("pid") == os.getpid() and owner.get("host") == socket.gethostname():
            return f"the study in {self._directory} is open in this process already; close it first"
        who = "another process"
        if owner:
            since = datetime.fromtimestamp(owner["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            who = f"process {owner['pid']} on {owner['host']}, since {since},"
        return (
            f"{who} is writing to the study in {self._directory}. Wait for it to end, or end it there with Ctrl-C: "
            "nothing it stored is lost"
        )

    def _owner(self) -> dict[str, Any]:
        try:
            owner = json.loads((self._directory / OWNER_NAME).read_text(encoding="utf-8"))
            return {"pid": int(owner["pid"]), "host": str(owner["host"]), "since": float(owner["since"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
