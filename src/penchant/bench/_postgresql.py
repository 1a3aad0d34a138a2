"""A PostgreSQL of our own, started as a user who is not root, in a temporary folder, gone at the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from penchant.core.errors import NotReady

_PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt/postgresql")
_SECONDS = 120


@dataclass(frozen=True)
class Cluster:
    """A running server: ``url`` of its database ``postgres``; :meth:`restart` ends all connections on the way."""

    folder: Path
    programs: Path
    port: int
    user: str | None
    settings: Sequence[str]

    @property
    def url(self) -> str:
        """Of the database ``postgres``, for SQLAlchemy."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        """The URL of a database of this server."""
        return f"postgresql+psycopg://penchant@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        """Make an empty database; gives its URL."""
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        return self.database(name)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        own = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}")
        options = " ".join([f"-p {self.port}", *(f"-c {setting}" for setting in (*own, *self.settings))])
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """End it: ``fast`` in order, ``immediate`` as a crash does."""
        self._run("pg_ctl", "-D", self._data, "-m", how, "-w", "stop")

    def initialise(self) -> None:
        """Make its files."""
        settings = ("-U", "penchant", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self._run("initdb", "-D", self._data, *settings)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        subprocess.run(
            command, check=True, cwd=self.folder, user=self.user, stdout=subprocess.DEVNULL, timeout=_SECONDS
        )


@contextmanager
def cluster(*settings: str) -> Generator[Cluster]:
    """A server with these ``settings`` (``fsync=off``, …) besides PostgreSQL's own.

    Raises:
        NotReady: there is no PostgreSQL here, no driver for it, or no user it could run as.
    """
    programs, user = _programs(), _user()
    folder = Path(tempfile.mkdtemp(prefix="penchant-postgresql-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Cluster(folder, programs, port, user, settings)
    try:
        if user is not None:
            shutil.chown(folder, user)
        made.initialise()
        made.start()
        try:
            yield made
        finally:
            made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    try:
        import psycopg
    except ImportError:
        raise NotReady("the driver for PostgreSQL is missing: pip install 'penchant[postgresql]'") from None
    del psycopg
    on_path = shutil.which("initdb")
    found = (
        [Path(on_path)] if on_path else sorted(path for place in _PLACES for path in Path(place).glob("**/bin/initdb"))
    )
    if not found:
        raise NotReady("PostgreSQL is not installed here; Debian: apt-get install postgresql")
    return found[-1].parent


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise NotReady("PostgreSQL does not run as root, and there is no user postgres") from None
