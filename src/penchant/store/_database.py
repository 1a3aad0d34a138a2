"""Connections, transactions and migrations: everything that differs between SQLite and PostgreSQL is here."""

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from penchant.core.errors import (
    BadConfiguration,
    DatabaseAway,
    PenchantError,
    StorageFull,
    StudyBusy,
    StudyDamaged,
    StudyTooNew,
)

FILE_NAME = "penchant.db"
BUSY_SECONDS = 5.0
"""How long a writer waits for another one before StudyBusy."""

_WRITE = "penchant_write"
_WRITE_LOCK = 0x70656E6368616E74  # "penchant": PostgreSQL's advisory lock that makes seq follow the order of commits
_FULL_SQLITE = {sqlite3.SQLITE_FULL}
_FULL_EXTENDED = {
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
_FULL_POSTGRESQL = {"53100", "53000", "54000"}
_BUSY_POSTGRESQL = {"55P03", "57014", "40001", "40P01", "53300"}
_AWAY_POSTGRESQL = {"57P01", "57P02", "57P03", "08000", "08001", "08003", "08006"}
"""Shutting down, crashed, starting, and connections that could not be made or were lost."""


class Database:
    """An engine with the settings that keep an acknowledged vote: WAL, synchronous=FULL, foreign keys, one writer.

    Raises:
        BadConfiguration: the URL cannot be used.
    """

    def __init__(self, directory: Path, url: str | None):
        self.url = URL.create("sqlite", database=str(directory / FILE_NAME)) if url is None else _parsed(url)
        self.engine = self._connected()

    @property
    def where(self) -> str:
        """The database's file or its URL without the password, for messages."""
        return str(self.path or self.url.render_as_string(hide_password=True))

    @property
    def path(self) -> Path | None:
        """The database's file, where it is one."""
        is_file = self.url.get_backend_name() == "sqlite" and self.url.database not in (None, "", ":memory:")
        return Path(str(self.url.database)) if is_file else None

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A connection in a read transaction: everything read is of one moment."""
        with self._errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A connection in the only write transaction there is; committed and on the disk when the block ends."""
        with (
            self._errors(),
            self.engine.connect().execution_options(**{_WRITE: True}) as connection,
            connection.begin(),
        ):
            if self.engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
            yield connection

    def revision(self) -> str | None:
        """The revision that the tables have; None where there are no tables of a study.

        Raises:
            StudyDamaged: the file is not a database.
        """
        with self.read() as connection:
            tables = inspect(connection).get_table_names()
            if "alembic_version" not in tables:
                return None
            return MigrationContext.configure(connection).get_current_revision()

    def migrate(self) -> None:
        """Bring the tables to this version's form, in one transaction.

        Raises:
            StudyTooNew: their revision is not one of those known here.
        """
        script = ScriptDirectory.from_config(migrations())
        found = self.revision()
        known = {revision.revision for revision in script.walk_revisions()}
        if found is not None and found not in known:
            raise StudyTooNew(
                f"{self.where} was written by a newer Penchant (its revision is '{found}'; this one knows "
                f"{', '.join(sorted(known))}). Upgrade Penchant to open it; nothing was changed."
            )
        if found != script.get_current_head():
            with self.write() as connection:
                command.upgrade(migrations(connection), "head")

    def _connected(self) -> Engine:
        if self.url.get_backend_name() != "sqlite":
            # the write lock is taken by a first statement, so the next ones must see what was committed before it
            isolation = {"isolation_level": "READ COMMITTED"} if self.url.get_backend_name() == "postgresql" else {}
            return _made(self.url, {"pool_pre_ping": True, **isolation})
        engine = _made(self.url, {"connect_args": {"timeout": BUSY_SECONDS}})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._named(error.orig, str(error.orig)) from error
        except sqlite3.Error as error:
            raise self._named(error, str(error)) from error
        except SQLAlchemyError as error:
            raise StudyDamaged(f"{self.where} cannot be used: {error}") from error

    def _named(self, cause: BaseException | None, text: str) -> PenchantError:
        if isinstance(cause, sqlite3.Error):
            extended = getattr(cause, "sqlite_errorcode", 0)
            code = extended & 0xFF
            full = code in _FULL_SQLITE or extended in _FULL_EXTENDED
            busy = code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
        else:
            code = getattr(cause, "sqlstate", None)
            full, busy = code in _FULL_POSTGRESQL, code in _BUSY_POSTGRESQL
        if full:
            return StorageFull(
                f"no room left to write to {self.where} ({text}). Everything acknowledged so far is kept. "
                "Free some space and do the last step again."
            )
        if busy:
            return StudyBusy(
                f"{self.where} was locked by another process for more than {BUSY_SECONDS:g} seconds ({text}). "
                "Wait for the other process to finish, then try again."
            )
        if self.path is None and (code is None or code in _AWAY_POSTGRESQL):
            return DatabaseAway(
                f"the database at {self.where} cannot be reached: {text.strip()}. "
                "Everything acknowledged so far is in it; try again when it runs"
            )
        if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
            return StudyDamaged(f"{self.where} cannot be opened for writing ({text}). Check its permissions.")
        return StudyDamaged(
            f"{self.where} is not a database that Penchant can read ({text}). Restore it from a backup."
        )


def migrations(connection: Connection | None = None) -> Config:
    """Alembic's configuration for the migrations in this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise BadConfiguration(
            f"'{url}' is not a database URL; examples: sqlite:////folder/penchant.db, "
            "postgresql+psycopg://user:password@host/database"
        ) from None


def _made(url: URL, settings: dict[str, Any]) -> Engine:
    try:
        return create_engine(url, json_serializer=to_json, **settings)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise BadConfiguration(
            f"there is no driver for databases of kind '{url.drivername}' ({error}); "
            "SQLite needs none, for PostgreSQL install psycopg and write postgresql+psycopg://…"
        ) from None


def to_json(value: Any) -> str:
    """The value as JSON, keys sorted; BadConfiguration where JSON has no form for it (NaN, infinity, objects)."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadConfiguration(f"only finite plain values can be stored as JSON: {error}; found {value!r}") from None


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself: _begin_sqlite does
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
