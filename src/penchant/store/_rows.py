"""Rows to records and back, and the checks that an event must pass before it enters the log."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from types import NoneType
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, Select, Table, bindparam, exists, insert, select

from penchant.core.contracts import Choice
from penchant.core.errors import BadConfiguration, BadVote, StudyDamaged
from penchant.store import _tables as tables
from penchant.store._database import to_json
from penchant.store._records import Event, ImageRecord, NewEvent, Query

_KIND = re.compile(r"[a-z][a-z_]{0,39}")
_PLAIN = (int, float, str, bytes, dict, NoneType)
_SAME_KEY = select(tables.event).where(
    tables.event.c.session == bindparam("of_session"), tables.event.c.client_key == bindparam("key")
)
_ANSWERED = select(tables.current_vote.c.seq).where(
    tables.current_vote.c.query == bindparam("of_query"), tables.current_vote.c.voter == bindparam("by")
)
_PRESENT = select(tables.image.c.sha256).where(tables.image.c.sha256.in_(bindparam("names", expanding=True)))
_LONGEST = {"voter": 200, "session": 200, "client_key": 200, "input": 100, "viewport": 100}


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping as it will be read back: JSON types only.

    Raises:
        BadConfiguration: something in it has no JSON form.
    """
    return json.loads(to_json(dict(settings)))


def insert_row(connection: Connection, table: Table, values: Mapping[str, Any]) -> Any:
    """Insert and give the new row's key.

    Raises:
        BadConfiguration: a value that SQLite would keep as raw bytes (a NumPy number, for example).
    """
    for name, value in values.items():
        if not isinstance(value, _PLAIN):
            raise BadConfiguration(
                f"{name} = {value!r} is {type(value).__name__}; the store keeps plain numbers and text"
            )
    (key,) = connection.execute(insert(table), dict(values)).inserted_primary_key or (None,)
    return key


def row_exists(connection: Connection, column: Column[Any], value: Any) -> bool:
    """Whether any row has ``value`` in ``column``."""
    return bool(connection.execute(_any_row(column), {"value": value}).scalar())


@cache
def _any_row(column: Column[Any]) -> Select[bool]:
    return select(exists().where(column == bindparam("value")))


def add_images(connection: Connection, records: Iterable[ImageRecord]) -> None:
    """Keep images under their hashes, once each.

    Raises:
        BadConfiguration: one names a generator version that does not exist.
    """
    wanted = {record.sha256: record for record in records}
    present = set(connection.execute(_PRESENT, {"names": list(wanted)}).scalars())
    missing = [record for name, record in wanted.items() if name not in present]
    for version in {record.version for record in missing} - {None}:
        if not row_exists(connection, tables.generator_version.c.number, version):
            raise BadConfiguration(f"an image says generator version {version}, which this study does not have")
    for record in missing:
        values = {
            "sha256": record.sha256,
            "png": record.png,
            "width": record.width,
            "height": record.height,
            "version": record.version,
            "pool": record.pool,
            "pool_row": record.row,
            "latent": record.latent,
        }
        insert_row(connection, tables.image, values)


def check_image(name: str, png: bytes) -> None:
    """Raise StudyDamaged where the bytes are not what their name says."""
    if sha256(png).hexdigest() != name:
        raise StudyDamaged(f"the bytes of image {name} are not what its hash says; restore the study from a backup")


def query_of(row: RowMapping | Mapping[str, Any]) -> Query:
    """The record of a row of ``query``."""
    values = dict(row)
    return Query(left=values.pop("left_image"), right=values.pop("right_image"), **values)


def event_of(row: RowMapping | Mapping[str, Any], replayed: bool = False) -> Event:
    """The record of a row of ``event``."""
    values = dict(row)
    choice = values.pop("choice")
    input_device = values.pop("input_device")
    return Event(choice=choice and Choice(choice), input=input_device, replayed=replayed, **values)


def event_columns(event: NewEvent) -> dict[str, Any]:
    """The columns of an event that its sender decides.

    Raises:
        BadVote: its kind, lengths, choice, query or target do not fit together.
    """
    if not _KIND.fullmatch(event.kind):
        raise BadVote(f"an event's kind is a word in lower case, for example vote; found '{event.kind}'")
    for name, longest in _LONGEST.items():
        if len(getattr(event, name) or "") > longest:
            raise BadVote(f"the {name} of an event has at most {longest} characters")
    if not event.session or not event.client_key:
        raise BadVote("an event needs a session and a client key, so that it can safely be sent twice")
    if event.kind == "vote" and (event.query is None or event.choice is None):
        raise BadVote("a vote needs a query and a choice")
    if (event.kind == "retract") != (event.target is not None):
        raise BadVote("an event of kind retract, and no other, has a target: the seq of the vote it takes back")
    values = asdict(event)
    return {
        **{name: value for name, value in values.items() if name != "input"},
        "input_device": event.input,
        "choice": event.choice and str(event.choice),
        "payload": plain(event.payload),
    }


def stored_event(connection: Connection, columns: Mapping[str, Any]) -> Event | None:
    """The event that this session already sent under the same key, if any.

    Raises:
        BadVote: that event says something else.
    """
    key = {"of_session": columns["session"], "key": columns["client_key"]}
    row = connection.execute(_SAME_KEY, key).mappings().one_or_none()
    if row is None:
        return None
    same_event(row, columns)
    return event_of(row, replayed=True)


def same_event(row: RowMapping | Mapping[str, Any], columns: Mapping[str, Any]) -> None:
    """Raise BadVote where what is sent is not what its key was used for before."""
    different = sorted(name for name, value in columns.items() if row[name] != value)
    if different:
        where = f" (event {row['seq']})" if "seq" in row else ""
        raise BadVote(
            f"the key '{columns['client_key']}' was used before with another {', '.join(different)}{where}; "
            "a new event needs a new key"
        )


def check_references(connection: Connection, event: NewEvent) -> None:
    """Raise BadVote where the event points at something that is not there or is answered or retracted already."""
    if event.query is not None and not row_exists(connection, tables.query.c.number, event.query):
        raise BadVote(f"this study has no query {event.query}")
    if event.kind == "vote":
        seq = connection.execute(_ANSWERED, {"of_query": event.query, "by": event.voter}).scalar()
        if seq is not None:
            raise BadVote(f"query {event.query} was answered already (event {seq}); retract that vote to change it")
    if event.target is not None:
        table = tables.event
        kind = connection.execute(select(table.c.kind).where(table.c.seq == event.target)).scalar()
        if kind not in ("vote", "like", "signal"):
            what = f"a {kind}" if kind else "unknown"
            raise BadVote(f"event {event.target} is {what}; only a vote, a like or a signal can be retracted")
        if row_exists(connection, table.c.target, event.target):
            raise BadVote(f"the {kind} of event {event.target} was retracted already")
