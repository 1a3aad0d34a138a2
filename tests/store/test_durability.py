"""What happens when things go wrong: kill -9, a full disk, a lock, a damaged file, a file from the future."""

import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.util.exc import CommandError
from sqlalchemy import text

from penchant.core.contracts import Choice
from penchant.core.errors import StorageFull, StudyBusy, StudyDamaged, StudyMissing, StudyTooNew
from penchant.store import NewEvent, NewQuery, Store, StudyLock, export_votes
from penchant.store import _database as database

MakeQuery = Callable[..., NewQuery]

_VOTE_UNTIL_KILLED = """
import sys
from pathlib import Path
from penchant.core.contracts import Choice
from penchant.store import NewEvent, Store
store = Store.open(Path(sys.argv[1]))
for query in store.queries():
    event = store.append(NewEvent("vote", "anna", "session", query=query.number, choice=Choice.LEFT))
    print(event.seq, event.client_key, flush=True)
"""


def test_every_acknowledged_vote_is_there_after_kill_9(tmp_path: Path, pair: MakeQuery) -> None:
    with Store.create(tmp_path) as store:
        for number in range(200):
            store.add_query(pair(number))
    arguments = [sys.executable, "-c", _VOTE_UNTIL_KILLED, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(60)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line for line in process.stdout if line.endswith("\n")]
    with Store.open(tmp_path) as store:
        stored = {(event.seq, event.client_key) for event in store.votes()}
    expected = {(int(seq), key) for seq, key in (line.split() for line in acknowledged)}
    assert 60 <= len(expected) < 200
    assert expected <= stored
    assert len(stored) <= len(expected) + 1


@contextmanager
def disk_of(size: int) -> Generator[None]:
    """No file can grow beyond ``size`` bytes: what writing to a full disk looks like to a process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_is_said_and_nothing_acknowledged_is_lost(tmp_path: Path, pair: MakeQuery) -> None:
    acknowledged: list[str] = []

    def vote_on() -> None:
        for number in range(1, 100):
            query = store.add_query(pair(number))
            event = NewEvent("vote", "anna", "s", query=query.number, choice=Choice.TIE, payload={"note": "x" * 500})
            acknowledged.append(store.append(event).uuid)

    with Store.create(tmp_path) as store:
        with disk_of(300_000), pytest.raises(StorageFull, match="Free some space"):
            vote_on()
        assert len(acknowledged) > 3
        assert [event.uuid for event in store.votes()] == acknowledged
        vote_on()
    with Store.open(tmp_path) as store:
        assert [event.uuid for event in store.votes()] == acknowledged


def test_full_database_is_said(tmp_path: Path, pair: MakeQuery) -> None:
    with Store.create(tmp_path) as store:
        with store._database.read() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        big = [pair(number, strategy="x" * 200) for number in range(200)]
        with pytest.raises(StorageFull, match="no room left"):
            [store.add_query(query) for query in big]


def test_full_disk_leaves_the_old_export(store: Store, pair: MakeQuery, tmp_path: Path) -> None:
    for number in range(1, 40):
        store.add_query(pair(number))
        store.append(NewEvent("vote", "anna", "s", query=number, choice=Choice.LEFT))
    out = tmp_path / "votes.csv"
    out.write_text("old")
    there = sorted(tmp_path.iterdir())
    with disk_of(1000), pytest.raises(StorageFull, match="votes are safe"):
        export_votes(store, "csv", out)
    assert out.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == there


def test_a_database_that_stays_locked_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with Store.create(tmp_path) as store:
        other = sqlite3.connect(tmp_path / "penchant.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StudyBusy, match="locked by another process"):
            store.set_meta("a", "b")
        assert store.meta() == {}
        other.rollback()
        other.close()
        store.set_meta("a", "b")


def test_a_newer_revision_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store.create(tmp_path).close()
    with sqlite3.connect(tmp_path / "penchant.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    before = (tmp_path / "penchant.db").read_bytes()
    with pytest.raises(StudyTooNew, match=r"newer Penchant .its revision is '9999'"):
        Store.open(tmp_path)
    assert (tmp_path / "penchant.db").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"These are not the votes you are looking for. " * 300], ids=["empty", "text"]
)
def test_something_else_than_a_study_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "penchant.db").write_bytes(content)
    with pytest.raises(StudyDamaged, match=r"penchant\.db is"):
        Store.open(tmp_path)


def test_another_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "penchant.db") as raw:
        raw.execute("CREATE TABLE recipes (name TEXT)")
    raw.close()
    with pytest.raises(StudyDamaged, match="not one of a study"):
        Store.open(tmp_path)


def test_a_damaged_file_gives_a_clear_error(tmp_path: Path, pair: MakeQuery) -> None:
    with Store.create(tmp_path) as store:
        for number in range(50):
            store.add_query(pair(number))
    content = bytearray((tmp_path / "penchant.db").read_bytes())
    content[4096:-4096] = b"\xa5" * (len(content) - 8192)
    (tmp_path / "penchant.db").write_bytes(content)

    def use() -> None:
        with Store.open(tmp_path) as store:
            store.queries()

    with pytest.raises(StudyDamaged, match="Restore it from a backup"):
        use()


def test_migrations_build_what_the_models_say(tmp_path: Path) -> None:
    with Store.create(tmp_path) as store, store._database.write() as connection:
        command.check(database.migrations(connection))
        connection.execute(text("ALTER TABLE query DROP COLUMN position"))
        with pytest.raises(CommandError, match="position"):
            command.check(database.migrations(connection))


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_settings_of_the_connection_keep_an_acknowledged_vote(store: Store) -> None:
    with store._database.read() as connection:
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")}
        keys = connection.execute(text("PRAGMA foreign_keys")).scalar()
    assert found == {"journal_mode": "wal", "synchronous": 2}
    assert keys == 1


_HOLD = """
import sys
from pathlib import Path
from penchant.store import StudyLock
lock = StudyLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_is_writing(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StudyBusy, match=rf"process {process.pid} on .*, since 20.* is writing"):
            StudyLock(tmp_path)
        process.kill()
    with StudyLock(tmp_path) as lock:
        assert lock.held
        with pytest.raises(StudyBusy, match="open in this process already"):
            StudyLock(tmp_path)
    assert not lock.held
    StudyLock(tmp_path).release()


def test_lock_without_a_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StudyMissing, match="not a folder"):
        StudyLock(tmp_path / "nowhere")
