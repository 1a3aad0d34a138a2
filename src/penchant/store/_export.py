"""Votes for other tools: whole, as the columns of Pick-a-Pic, or as chosen and rejected; csv, jsonl or parquet."""

import base64
import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from penchant.core.contracts import Choice
from penchant.core.errors import NO_ROOM, BadConfiguration, StorageFull, UnknownName
from penchant.store._parquet import write_parquet
from penchant.store._records import Event, Query
from penchant.store._store import Store

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

_EVENT_COLUMNS = [field.name for field in fields(Event) if field.name not in {"kind", "target", "replayed"}]
_QUERY_COLUMNS = [field.name for field in fields(Query) if field.name != "number"]
_TIMES = {"shown_at", "received_at", "created_at"}

Row = dict[str, Any]
Pairs = Iterable[tuple[Event, Query]]


@dataclass(frozen=True)
class Exported:
    """How many votes were written, and how many have no place in that form (ties, both bad, skipped)."""

    written: int
    left_out: int


def export_votes(store: Store, format: str, out: Path) -> Exported:
    """Write the current votes to ``out`` and say how many; the file is complete or is not there.

    ``csv``, ``jsonl`` and ``parquet`` have every column of the vote and of its query; times are ISO 8601 in UTC; in
    CSV, texts that a spreadsheet would run as a formula begin with an apostrophe. The other two forms are JSON lines,
    or Parquet where the name of ``out`` ends in ``.parquet``; images are PNG bytes (base64 in JSON):

    * ``pick-a-pic``: the columns of that data set plus propensity, round (the pool), response_ms and choice; labels
      are 1 / 0, or 0.5 each for a tie; both_bad and skip have ``has_label`` false and no labels, so that they are never
      counted as ties by accident.
    * ``chosen-rejected``: prompt (empty), chosen and rejected, as trainers of preference models read it, with the
      images' hashes, the voter and the propensity. Only votes that chose a side have a place there; the others are
      left out and counted.

    Raises:
        UnknownName: there is no such format.
        StorageFull: no room for the file; what was at ``out`` before is untouched.
        BadConfiguration: ``out`` cannot be written (a folder, no permission), or pyarrow is missing for Parquet.
    """
    if format not in FORMATS:
        raise UnknownName("export format", format, FORMATS)
    form = format if format in _FORMS else "votes"
    container = format if form == "votes" else "parquet" if out.suffix == ".parquet" else "jsonl"
    written = _write_atomically(out, lambda file: write_votes(store, form, container, file))
    return written


def write_votes(store: Store, form: str, container: str, file: BinaryIO) -> Exported:
    """Write the current votes in a form (votes, pick-a-pic, chosen-rejected) and container (csv, jsonl, parquet).

    Raises:
        UnknownName: there is no such form or container.
        BadConfiguration: Parquet needs pyarrow, which is not installed.
    """
    for kind, name, known in (("export form", form, _FORMS), ("export container", container, _CONTAINERS)):
        if name not in known:
            raise UnknownName(kind, name, known)
    votes = store.votes()
    queries = {query.number: query for query in store.queries()}
    pairs = [(vote, queries[vote.query]) for vote in votes if vote.query is not None]
    counted = _Counted(_FORMS[form].rows(store, pairs))
    _CONTAINERS[container](_FORMS[form].columns, counted, file)
    return Exported(counted.count, len(pairs) - counted.count)


class _Counted:
    """Rows, counted as they go by."""

    def __init__(self, rows: Iterator[Row]):
        self._rows, self.count = rows, 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def _votes(_store: Store, pairs: Pairs) -> Iterator[Row]:
    return (_row(vote, query) for vote, query in pairs)


def _pick_a_pic(store: Store, pairs: Pairs) -> Iterator[Row]:
    labels = {Choice.LEFT: (1.0, 0.0), Choice.RIGHT: (0.0, 1.0), Choice.TIE: (0.5, 0.5)}
    best = {Choice.LEFT: "left", Choice.RIGHT: "right"}
    for vote, query in pairs:
        choice = Choice(str(vote.choice))
        label_0, label_1 = labels.get(choice, (None, None))
        yield {
            "caption": "",
            "jpg_0": store.image_png(query.left),
            "jpg_1": store.image_png(query.right),
            "label_0": label_0,
            "label_1": label_1,
            "image_0_uid": query.left,
            "image_1_uid": query.right,
            "best_image_uid": getattr(query, best[choice]) if choice in best else "",
            "has_label": label_0 is not None,
            "ranking_id": query.number,
            "user_id": vote.voter,
            "created_at": _iso(vote.received_at),
            "propensity": query.propensity,
            "round": query.pool,
            "response_ms": vote.response_ms,
            "choice": str(choice),
        }


def _chosen_rejected(store: Store, pairs: Pairs) -> Iterator[Row]:
    for vote, query in pairs:
        if vote.choice not in (Choice.LEFT, Choice.RIGHT):
            continue
        sides = (query.left, query.right) if vote.choice is Choice.LEFT else (query.right, query.left)
        yield {
            "prompt": "",
            "chosen": store.image_png(sides[0]),
            "rejected": store.image_png(sides[1]),
            "chosen_uid": sides[0],
            "rejected_uid": sides[1],
            "user_id": vote.voter,
            "propensity": query.propensity,
            "created_at": _iso(vote.received_at),
        }


@dataclass(frozen=True)
class _Form:
    columns: tuple[str, ...]
    rows: Callable[[Store, Pairs], Iterator[Row]]


_PICK_A_PIC_COLUMNS = """
caption jpg_0 jpg_1 label_0 label_1 image_0_uid image_1_uid best_image_uid has_label ranking_id user_id created_at
propensity round response_ms choice
"""
_CHOSEN_COLUMNS = "prompt chosen rejected chosen_uid rejected_uid user_id propensity created_at"
_FORMS = {
    "votes": _Form((*_EVENT_COLUMNS, *_QUERY_COLUMNS), _votes),
    "pick-a-pic": _Form(tuple(_PICK_A_PIC_COLUMNS.split()), _pick_a_pic),
    "chosen-rejected": _Form(tuple(_CHOSEN_COLUMNS.split()), _chosen_rejected),
}


def _csv(columns: Sequence[str], rows: Iterable[Row], file: BinaryIO) -> None:
    file.write(_csv_line(columns))
    for row in rows:
        file.write(_csv_line([_cell(row[name]) for name in columns]))


def _jsonl(_columns: Sequence[str], rows: Iterable[Row], file: BinaryIO) -> None:
    for row in rows:
        file.write(json.dumps(row, default=_base64).encode() + b"\n")


_CONTAINERS: dict[str, Callable[[Sequence[str], Iterable[Row], BinaryIO], None]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": write_parquet,
}
FORMATS = (*_CONTAINERS, *(form for form in _FORMS if form != "votes"))


def _row(vote: Event, query: Query) -> dict[str, Any]:
    columns = {name: getattr(vote, name) for name in _EVENT_COLUMNS}
    columns |= {name: getattr(query, name) for name in _QUERY_COLUMNS}
    return {name: _iso(value) if name in _TIMES and value is not None else value for name, value in columns.items()}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return _base64(value)
    if isinstance(value, dict):
        value = json.dumps(value, sort_keys=True)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _csv_line(cells: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _write_atomically(out: Path, write: Callable[[BinaryIO], Exported]) -> Exported:
    part = out.with_name(f".{out.name}.{uuid4().hex}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise BadConfiguration(f"{out} is a folder; name a file to write the votes to")
        try:
            with part.open("xb") as file:
                exported = write(file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(out)
            return exported
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull(f"no room left to write {out}; the votes are safe in the study: {error}") from None
        raise BadConfiguration(f"cannot write {out}: {error.strerror or error}") from None
