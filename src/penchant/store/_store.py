"""The store: one study's images, queries, events and versions in one database."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, insert, select, update
from sqlalchemy.sql.functions import count

from penchant.core.errors import BadConfiguration, BadVote, StudyDamaged, StudyExists, StudyMissing
from penchant.store import _tables as tables
from penchant.store._database import Database, to_json
from penchant.store._records import Event, NewEvent, NewQuery, Query, TasteVersion, Version
from penchant.store._rows import (
    add_images,
    check_image,
    check_references,
    event_columns,
    event_of,
    insert_row,
    plain,
    query_of,
    row_exists,
    stored_event,
)
from penchant.store._votes import KeptVote, NewVote, append_votes


class Store:
    """Everything about one study that must never be lost, in SQLite (by default) or PostgreSQL (by URL).

    Each write is one short transaction and is on the disk when the call returns. The event log is append-only
    (the database itself refuses changes); current votes are a view over it, so replaying it rebuilds everything.
    Safe to use from several threads; use :class:`StudyLock` to keep a second *process* from writing.

    Every method may raise StorageFull, StudyBusy (another process kept the database locked) or StudyDamaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store.create(Path(folder)) as store:
    ...     store.append(NewEvent("settings", voter="anna", session="s1")).seq
    1
    """

    def __init__(self, database: Database):
        self._database = database

    @staticmethod
    def create(directory: Path, url: str | None = None) -> "Store":
        """A new store in ``directory/penchant.db``, or at ``url``.

        Raises:
            StudyExists: there is one already.
        """
        if url is None:
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadConfiguration(f"cannot make the folder {directory}: {error.strerror}") from None
        database = Database(directory, url)
        try:
            if database.revision() is not None:
                raise StudyExists(f"{database.where} is a study already; open it, or choose another folder")
            database.migrate()
        except BaseException:
            database.engine.dispose()
            raise
        return Store(database)

    @staticmethod
    def open(directory: Path, url: str | None = None) -> "Store":
        """The store that :meth:`create` made, its tables brought up to date.

        Raises:
            StudyMissing: there is none.
            StudyTooNew: a newer Penchant wrote it.
            StudyDamaged: the file is something else.
        """
        database = Database(directory, url)
        if database.path is not None and not database.path.is_file():
            raise StudyMissing(f"no study in {database.path.parent}: there is no {database.path.name}")
        try:
            if database.revision() is None:
                if database.path is None:
                    raise StudyMissing(f"there is no study in the database at {database.where}")
                raise StudyDamaged(f"{database.where} is a database, but not one of a study")
            database.migrate()
        except BaseException:
            database.engine.dispose()
            raise
        return Store(database)

    def close(self) -> None:
        """Let go of the database; the files are then complete and can be copied."""
        self._database.engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------- meta

    def meta(self) -> dict[str, str]:
        """All settings of the study kept by :meth:`set_meta`."""
        with self._database.read() as connection:
            return {row.key: row.value for row in connection.execute(select(tables.meta))}

    def set_meta(self, key: str, value: str) -> None:
        """Keep ``value`` under ``key``, instead of what was there."""
        with self._database.write() as connection:
            changed = connection.execute(update(tables.meta).where(tables.meta.c.key == key).values(value=value))
            if changed.rowcount == 0:
                connection.execute(insert(tables.meta).values(key=key, value=value))

    # ---------------------------------------------------------------------------------------------------- queries

    def add_query(self, query: NewQuery) -> Query:
        """Keep a pair and its two images (once each, by content) before they are shown."""
        values = {field.name: getattr(query, field.name) for field in fields(NewQuery)}
        del values["left"], values["right"]
        values |= {"left_image": query.left.sha256, "right_image": query.right.sha256, "created_at": time.time()}
        with self._database.write() as connection:
            if query.repeat_of is not None and not row_exists(connection, tables.query.c.number, query.repeat_of):
                raise BadVote(f"the query repeats query {query.repeat_of}, which this study does not have")
            add_images(connection, (query.left, query.right))
            number = insert_row(connection, tables.query, values)
        return query_of({**values, "number": number})

    def query(self, number: int) -> Query:
        """The pair with this number.

        Raises:
            BadVote: there is none.
        """
        with self._database.read() as connection:
            row = connection.execute(select(tables.query).where(tables.query.c.number == number)).one_or_none()
        if row is None:
            raise BadVote(f"this study has no query {number}")
        return query_of(row._mapping)

    def queries(self, after: int = 0) -> list[Query]:
        """The pairs with numbers larger than ``after``, in order."""
        table = tables.query
        statement = select(table).where(table.c.number > after).order_by(table.c.number)
        with self._database.read() as connection:
            return [query_of(row) for row in connection.execute(statement).mappings()]

    def image_png(self, sha256: str) -> bytes:
        """The PNG bytes of an image.

        Raises:
            BadVote: the study has no such image.
            StudyDamaged: the bytes are not what their hash says.
        """
        with self._database.read() as connection:
            statement = select(tables.image.c.png).where(tables.image.c.sha256 == sha256)
            png = connection.execute(statement).scalar_one_or_none()
        if png is None:
            raise BadVote(f"this study has no image '{sha256}'")
        check_image(sha256, png)
        return png

    # ----------------------------------------------------------------------------------------------------- events

    def append(self, event: NewEvent) -> Event:
        """Add an event to the log; on the disk when this returns. Sending the same event twice is safe.

        One transaction. The same (session, client_key) with the same content gives the stored event, with
        ``replayed=True``.

        Raises:
            BadVote: the same key with another content; a vote without a choice, for an unknown query, or for one
                this voter has answered already; a retraction of an unknown event, a retracted one or not a vote.
        """
        columns = event_columns(event)
        with self._database.write() as connection:
            stored = stored_event(connection, columns)
            if stored is not None:
                return stored
            check_references(connection, event)
            columns |= {"uuid": uuid4().hex, "received_at": time.time()}
            columns["seq"] = insert_row(connection, tables.event, columns)
        return event_of(columns)

    def append_votes(self, votes: Sequence[NewVote]) -> list[KeptVote | BadVote]:
        """Add votes in one transaction, in this order, each as :meth:`append` would; on the disk when this returns.

        What is wrong with one of them is given in its place and keeps no other from being stored. For many voters at
        once: the cost of a commit is shared, a round trip to the database serves all of them.
        """
        with self._database.write() as connection:
            return append_votes(connection, votes)

    def events(
        self, after: int = 0, kinds: Collection[str] | None = None, voter: str | None = None, limit: int | None = None
    ) -> list[Event]:
        """All events with seq larger than ``after``, in order: what a replay needs; or the first ``limit`` of some."""
        table = tables.event
        statement = select(table).where(table.c.seq > after).order_by(table.c.seq).limit(limit)
        if kinds is not None:
            statement = statement.where(table.c.kind.in_(kinds))
        return self._events(statement if voter is None else statement.where(table.c.voter == voter))

    def sent(self, session: str, client_key: str) -> Event | None:
        """The event that ``session`` stored under this key, if any."""
        same = tables.event.c.session == session, tables.event.c.client_key == client_key
        return next(iter(self._events(select(tables.event).where(*same))), None)

    def votes(self, voter: str | None = None) -> list[Event]:
        """The votes (of ``voter``) that were not retracted, in order."""
        statement = select(tables.current_vote).order_by(tables.current_vote.c.seq)
        return self._events(statement if voter is None else statement.where(tables.current_vote.c.voter == voter))

    def count_votes(self, voter: str) -> int:
        """How many votes of ``voter`` count now."""
        statement = select(count()).select_from(tables.current_vote).where(tables.current_vote.c.voter == voter)
        with self._database.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def count_events(self) -> dict[str, int]:
        """How many events there are of each kind."""
        kind = tables.event.c.kind
        with self._database.read() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(select(kind, count()).group_by(kind))}

    def image_place(self, sha256: str) -> tuple[int, int] | None:
        """Version and row of the candidate whose image was shown under this hash; None where it is no candidate.

        Raises:
            BadVote: the study has no such image.
        """
        table = tables.image
        with self._database.read() as connection:
            statement = select(table.c.pool, table.c.pool_row).where(table.c.sha256 == sha256)
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise BadVote(f"this study has no image '{sha256}'")
        return None if row.pool is None or row.pool_row is None else (int(row.pool), int(row.pool_row))

    def _events(self, statement: Select[Any]) -> list[Event]:
        with self._database.read() as connection:
            return [event_of(row) for row in connection.execute(statement).mappings()]

    # --------------------------------------------------------------------------------------------------- versions

    def add_version(
        self,
        kind: str,
        parent: int | None,
        checkpoint_sha256: str,
        settings: Mapping[str, Any],
        figures: Mapping[str, Any],
    ) -> Version:
        """Keep what a trained or aligned generator was made from; numbers start at 1.

        Raises:
            StudyMissing: ``parent`` is not a version of this study.
            BadConfiguration: settings or figures hold something that JSON cannot (NaN, infinity, objects).
        """
        values: dict[str, Any] = {
            "kind": kind,
            "parent": parent,
            "checkpoint_sha256": checkpoint_sha256,
            "config_hash": sha256(to_json(dict(settings)).encode()).hexdigest(),
            "settings": plain(settings),
            "figures": plain(figures),
            "created_at": time.time(),
        }
        table = tables.generator_version
        with self._database.write() as connection:
            if parent is not None and not row_exists(connection, table.c.number, parent):
                raise StudyMissing(f"version {parent}, the parent, is not a version of this study")
            return Version(number=insert_row(connection, table, values), **values)

    def versions(self) -> list[Version]:
        """All generator versions, in order."""
        statement = select(tables.generator_version).order_by(tables.generator_version.c.number)
        with self._database.read() as connection:
            return [Version(**row) for row in connection.execute(statement).mappings()]

    def add_taste(
        self, trained_through_seq: int, state_sha256: str, settings: Mapping[str, Any], figures: Mapping[str, Any]
    ) -> TasteVersion:
        """Keep which events a posterior had seen, and the hash of its state, to compare a replay with."""
        values: dict[str, Any] = {
            "trained_through_seq": trained_through_seq,
            "state_sha256": state_sha256,
            "settings": plain(settings),
            "figures": plain(figures),
            "created_at": time.time(),
        }
        with self._database.write() as connection:
            return TasteVersion(number=insert_row(connection, tables.taste_version, values), **values)

    def tastes(self) -> list[TasteVersion]:
        """All posteriors kept by :meth:`add_taste`, in order."""
        statement = select(tables.taste_version).order_by(tables.taste_version.c.number)
        with self._database.read() as connection:
            return [TasteVersion(**row) for row in connection.execute(statement).mappings()]
