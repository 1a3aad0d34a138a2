"""Votes for other tools: a table (csv), lines of JSON (jsonl), or the columns of the Pick-a-Pic data set."""

import base64
import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from penchant.core.contracts import Choice
from penchant.core.errors import NO_ROOM, BadConfiguration, StorageFull, UnknownName
from penchant.store._records import Event, Query
from penchant.store._store import Store

_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_EVENT_COLUMNS = [field.name for field in fields(Event) if field.name not in {"kind", "target", "replayed"}]
_QUERY_COLUMNS = [field.name for field in fields(Query) if field.name != "number"]
_TIMES = {"shown_at", "received_at", "created_at"}


def export_votes(store: Store, format: str, out: Path) -> int:
    """Write the current votes to ``out`` and say how many; the file is complete or is not there.

    ``csv`` and ``jsonl`` have every column of the vote and of its query; times are ISO 8601 in UTC; in CSV, texts
    that a spreadsheet would run as a formula begin with an apostrophe. ``pick-a-pic`` is JSON lines in the columns of
    that data set plus propensity, round (the pool), response_ms and choice: images are PNG bytes in base64, labels are
    1 / 0, or 0.5 each for a tie; both_bad and skip have ``has_label`` false and no labels, so that they are never
    counted as ties by accident.

    Raises:
        UnknownName: there is no such format.
        StorageFull: no room for the file; what was at ``out`` before is untouched.
        BadConfiguration: ``out`` cannot be written (a folder, no permission).
    """
    if format not in _WRITERS:
        raise UnknownName("export format", format, _WRITERS)
    votes = store.votes()
    queries = {query.number: query for query in store.queries()}
    pairs = ((vote, queries[vote.query]) for vote in votes if vote.query is not None)
    _write_atomically(out, _WRITERS[format](store, pairs))
    return len(votes)


Pairs = Iterable[tuple[Event, Query]]


def _csv(_store: Store, pairs: Pairs) -> Iterator[str]:
    header = [*_EVENT_COLUMNS, *_QUERY_COLUMNS]
    yield _csv_line(header)
    for vote, query in pairs:
        row = _row(vote, query)
        row["payload"] = json.dumps(row["payload"], sort_keys=True)
        yield _csv_line([_cell(row[name]) for name in header])


def _jsonl(_store: Store, pairs: Pairs) -> Iterator[str]:
    for vote, query in pairs:
        yield json.dumps(_row(vote, query)) + "\n"


def _pick_a_pic(store: Store, pairs: Pairs) -> Iterator[str]:
    labels = {Choice.LEFT: (1.0, 0.0), Choice.RIGHT: (0.0, 1.0), Choice.TIE: (0.5, 0.5)}
    best = {Choice.LEFT: "left", Choice.RIGHT: "right"}
    for vote, query in pairs:
        choice = Choice(str(vote.choice))
        label_0, label_1 = labels.get(choice, (None, None))
        row = {
            "caption": "",
            "jpg_0": base64.b64encode(store.image_png(query.left)).decode("ascii"),
            "jpg_1": base64.b64encode(store.image_png(query.right)).decode("ascii"),
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
        yield json.dumps(row) + "\n"


_WRITERS: dict[str, Callable[[Store, Pairs], Iterator[str]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "pick-a-pic": _pick_a_pic,
}
FORMATS = tuple(_WRITERS)


def _row(vote: Event, query: Query) -> dict[str, Any]:
    columns = {name: getattr(vote, name) for name in _EVENT_COLUMNS}
    columns |= {name: getattr(query, name) for name in _QUERY_COLUMNS}
    return {name: _iso(value) if name in _TIMES and value is not None else value for name, value in columns.items()}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv_line(cells: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _write_atomically(out: Path, lines: Iterator[str]) -> None:
    part = out.with_name(f".{out.name}.{uuid4().hex}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise BadConfiguration(f"{out} is a folder; name a file to write the votes to")
        try:
            with part.open("x", encoding="utf-8", newline="") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull(f"no room left to write {out}; the votes are safe in the study: {error}") from None
        raise BadConfiguration(f"cannot write {out}: {error.strerror or error}") from None
