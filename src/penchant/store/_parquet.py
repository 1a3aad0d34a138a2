"""Rows as Parquet, with real types, where pyarrow is installed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from json import dumps
from typing import Any, BinaryIO

from penchant.core.errors import BadConfiguration

_INTEGERS = {"seq", "query", "pool", "left_row", "right_row", "taste_seq", "repeat_of", "seed", "position", "round",
             "ranking_id"}  # fmt: skip
_REALS = {"response_ms", "hidden_ms", "propensity", "score", "predicted", "label_0", "label_1"}
_BOOLEANS = {"audit", "has_label"}
_TIMES = {"shown_at", "received_at", "created_at"}
_IMAGES = {"jpg_0", "jpg_1", "chosen", "rejected"}
_ROWS_AT_ONCE = 1000


def write_parquet(columns: Sequence[str], rows: Iterable[dict[str, Any]], file: BinaryIO) -> None:
    """Write rows (times as ISO 8601, images as bytes) to ``file``, a thousand at a time.

    Raises:
        BadConfiguration: pyarrow is not installed.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise BadConfiguration(
            "Parquet needs pyarrow, which is not installed: pip install 'penchant[parquet]'; csv and jsonl need nothing"
        ) from None
    types = {
        **dict.fromkeys(_INTEGERS, arrow.int64()),
        **dict.fromkeys(_REALS, arrow.float64()),
        **dict.fromkeys(_BOOLEANS, arrow.bool_()),
        **dict.fromkeys(_TIMES, arrow.timestamp("ms", tz="UTC")),
        **dict.fromkeys(_IMAGES, arrow.binary()),
    }
    schema = arrow.schema([(name, types.get(name, arrow.string())) for name in columns])
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(rows):
            values = [{name: _value(name, row[name]) for name in columns} for row in batch]
            writer.write_table(arrow.Table.from_pylist(values, schema=schema))


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    left = iter(rows)
    while batch := list(islice(left, _ROWS_AT_ONCE)):
        yield batch


def _value(name: str, value: Any) -> Any:
    if name in _TIMES and value is not None:
        return datetime.fromisoformat(value)
    if isinstance(value, dict):
        return dumps(value, sort_keys=True)
    return value if value is None or name in _IMAGES | _INTEGERS | _REALS | _BOOLEANS else str(value)
