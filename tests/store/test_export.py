"""Exports: every column, formulas defused, Pick-a-Pic's meaning of labels, whole files only."""

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from penchant.core.contracts import Choice
from penchant.core.errors import BadConfiguration, UnknownName
from penchant.store import FORMATS, Exported, NewEvent, NewQuery, Store, export_votes

MakeQuery = Callable[..., NewQuery]


def given(store: Store, pair: MakeQuery, voter: str = "=HYPERLINK(1)") -> None:
    """One vote of each kind, and one that is taken back."""
    for number, choice in enumerate([*Choice, Choice.LEFT], start=1):
        query = store.add_query(pair(number, pool=number, predicted=-0.5))
        event = NewEvent("vote", voter, "s", query=query.number, choice=choice, shown_at=0.0, response_ms=-1.5)
        store.append(event)
    store.append(NewEvent("retract", voter, "s", target=store.votes()[-1].seq))


def test_csv_has_every_column_and_no_formulas(store: Store, pair: MakeQuery, tmp_path: Path) -> None:
    given(store, pair)
    out = tmp_path / "new folder" / "votes.csv"
    assert export_votes(store, "csv", out) == Exported(5, 0)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["choice"] for row in rows] == ["left", "right", "tie", "both_bad", "skip"]
    assert rows[0]["voter"] == "'=HYPERLINK(1)"
    assert (rows[0]["predicted"], rows[0]["response_ms"], rows[0]["propensity"]) == ("-0.5", "-1.5", "0.1")
    assert rows[0]["shown_at"] == "1970-01-01T00:00:00.000Z"
    assert rows[0]["left"] == store.query(1).left
    assert {"seq", "query", "right", "strategy", "audit", "taste_seq", "repeat_of", "payload"} <= set(rows[0])


def test_jsonl_has_the_same_columns_with_their_types(store: Store, pair: MakeQuery, tmp_path: Path) -> None:
    given(store, pair)
    export_votes(store, "csv", tmp_path / "votes.csv")
    assert export_votes(store, "jsonl", tmp_path / "votes.jsonl") == Exported(5, 0)
    rows = [json.loads(line) for line in (tmp_path / "votes.jsonl").read_text().splitlines()]
    header = (tmp_path / "votes.csv").read_text().splitlines()[0].split(",")
    assert [list(row) for row in rows] == [header] * 5
    assert (rows[0]["voter"], rows[0]["audit"], rows[0]["seed"]) == ("=HYPERLINK(1)", False, None)


def test_pick_a_pic_never_counts_a_refusal_as_a_tie(store: Store, pair: MakeQuery, tmp_path: Path) -> None:
    given(store, pair)
    assert export_votes(store, "pick-a-pic", tmp_path / "votes.jsonl") == Exported(5, 0)
    rows = [json.loads(line) for line in (tmp_path / "votes.jsonl").read_text().splitlines()]
    labels = {row["choice"]: (row["label_0"], row["label_1"], row["has_label"]) for row in rows}
    assert labels == {
        "left": (1.0, 0.0, True),
        "right": (0.0, 1.0, True),
        "tie": (0.5, 0.5, True),
        "both_bad": (None, None, False),
        "skip": (None, None, False),
    }
    best = [row["best_image_uid"] for row in rows]
    assert best == [rows[0]["image_0_uid"], rows[1]["image_1_uid"], "", "", ""]
    assert base64.b64decode(rows[2]["jpg_1"]) == store.image_png(rows[2]["image_1_uid"])
    assert [row["round"] for row in rows] == [1, 2, 3, 4, 5]
    assert (rows[0]["propensity"], rows[0]["response_ms"], rows[0]["caption"]) == (0.1, -1.5, "")


def test_a_study_without_votes_gives_a_header_or_an_empty_file(store: Store, tmp_path: Path) -> None:
    for format in FORMATS:
        assert export_votes(store, format, tmp_path / format) == Exported(0, 0)
    assert (tmp_path / "csv").read_text().startswith("seq,uuid,")
    assert (tmp_path / "jsonl").read_text() == ""


def test_export_refuses_unknown_formats_and_impossible_places(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'csv'"):
        export_votes(store, "cvs", tmp_path / "x")
    with pytest.raises(BadConfiguration, match="is a folder"):
        export_votes(store, "csv", tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadConfiguration, match="cannot write"):
        export_votes(store, "csv", tmp_path / "file" / "votes.csv")
