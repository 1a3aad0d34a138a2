"""The store's promises: nothing changes once it is stored, nothing counts twice, wrong references are refused."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from penchant.core.contracts import Choice
from penchant.core.errors import BadConfiguration, BadImages, BadVote, StudyDamaged, StudyExists, StudyMissing
from penchant.store import ImageRecord, NewEvent, NewQuery, Store

MakeQuery = Callable[..., NewQuery]


def vote(query: int, choice: Choice = Choice.LEFT, key: str = "k1", voter: str = "anna") -> NewEvent:
    return NewEvent("vote", voter, "session", key, query=query, choice=choice)


def retraction(seq: int) -> NewEvent:
    return NewEvent("retract", "anna", "session", target=seq)


def test_replay_is_equal_after_closing_and_opening(tmp_path: Path, pair: MakeQuery) -> None:
    with Store.create(tmp_path) as store:
        store.set_meta("name", "first")
        store.set_meta("name", "flowers")
        version = store.add_version("base", None, "a" * 64, {"beta": 0.1, "sizes": (1, 2)}, {"kid": 1 / 3})
        taste = store.add_taste(1, "b" * 64, {}, {"accuracy": 0.7})
        query = store.add_query(pair(audit=True, score=1 / 3, predicted=0.1 + 0.2, taste_seq=0, seed=2**62, position=1))
        seen = NewEvent(
            "vote",
            "anna",
            "s",
            "key",
            query.number,
            Choice.TIE,
            None,
            1e9 / 3,
            812.1,
            0.0,
            "keyboard",
            "9x9@1",
            {"a": [1]},
        )
        events = [store.append(seen), store.append(NewEvent("refit", "study", "s", payload={"through": 1}))]
    with Store.open(tmp_path) as store:
        assert store.meta() == {"name": "flowers"}
        assert store.versions() == [version]
        assert store.tastes() == [taste]
        assert store.queries() == [query]
        assert store.query(query.number) == query
        assert store.events() == events
        assert store.events(after=events[0].seq) == events[1:]
        assert store.votes() == events[:1]
    assert {name: getattr(events[0], name) for name in vars(seen)} == vars(seen)
    assert version.settings == {"beta": 0.1, "sizes": [1, 2]}
    assert (query.left_row, query.right_row, query.predicted, query.audit) == (2, 3, 0.1 + 0.2, True)


def test_images_are_kept_once_by_the_hash_of_their_bytes(tmp_path: Path, pair: MakeQuery) -> None:
    with Store.create(tmp_path) as store:
        new = pair()
        first, second = store.add_query(new), store.add_query(new)
        assert first.left == second.left == sha256(new.left.png).hexdigest()
        assert store.image_png(first.right) == new.right.png
        with sqlite3.connect(tmp_path / "penchant.db") as raw:
            rows = raw.execute("SELECT sha256, width, height, pool_row FROM image ORDER BY pool_row").fetchall()
            raw.execute("UPDATE image SET png = x'00' WHERE sha256 = ?", (first.left,))
        raw.close()
        assert rows == [(first.left, 4, 6, 2), (first.right, 4, 6, 3)]
        with pytest.raises(StudyDamaged, match="not what its hash says"):
            store.image_png(first.left)
        with pytest.raises(BadVote, match=r"no image '\.\./\.\./etc/passwd'"):
            store.image_png("../../etc/passwd")


def test_image_record_refuses_what_is_not_png() -> None:
    with pytest.raises(BadImages, match="PNG"):
        ImageRecord(b"GIF89a" + bytes(30))


def test_append_gives_the_stored_event_when_sent_again(store: Store, pair: MakeQuery) -> None:
    store.add_query(pair())
    first = store.append(vote(1))
    again = store.append(vote(1))
    assert again == replace(first, replayed=True)
    assert store.events() == [first]
    with pytest.raises(BadVote, match="key 'k1' was used before with another choice"):
        store.append(vote(1, Choice.RIGHT))
    other_session = replace(vote(1, voter="ben"), session="other")
    assert not store.append(other_session).replayed


def test_append_gives_the_stored_event_when_it_was_retracted_meanwhile(store: Store, pair: MakeQuery) -> None:
    store.add_query(pair())
    first = store.append(vote(1))
    store.append(retraction(first.seq))
    assert store.append(vote(1)).replayed
    assert store.votes() == []


def test_votes_are_those_not_retracted(store: Store, pair: MakeQuery) -> None:
    for number in (1, 2):
        store.add_query(pair(number))
    first, second = store.append(vote(1, key="a")), store.append(vote(2, Choice.SKIP, "b"))
    store.append(NewEvent("like", "anna", "session", payload={"image": "x"}))
    store.append(retraction(first.seq))
    assert store.votes() == [second]
    again = store.append(vote(1, Choice.RIGHT, "c"))
    assert store.votes() == [second, again]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (vote(9), "no query 9"),
        (vote(1, key="other"), "answered already .event 1."),
        (NewEvent("vote", "anna", "s", query=1), "needs a query and a choice"),
        (NewEvent("vote", "anna", "s", choice=Choice.LEFT), "needs a query and a choice"),
        (retraction(99), "event 99 is unknown"),
        (retraction(2), "event 2 is a refit"),
        (retraction(3), "event 3 was retracted already|vote of event 3"),
        (retraction(4), "event 4 is a retract"),
        (NewEvent("retract", "anna", "s"), "has a target"),
        (NewEvent("like", "anna", "s", target=1), "has a target"),
        (NewEvent("Vote!", "anna", "s"), "a word in lower case"),
        (NewEvent("like", "anna", "s", client_key=""), "client key"),
        (NewEvent("like", "a" * 201, "s"), "at most 200 characters"),
    ],
)
def test_append_refuses_what_does_not_fit(store: Store, pair: MakeQuery, event: NewEvent, message: str) -> None:
    for number in (1, 2):
        store.add_query(pair(number))
    store.append(vote(1, key="first"))
    store.append(NewEvent("refit", "study", "session"))
    store.append(vote(2, key="second"))
    store.append(retraction(3))
    before = store.events()
    with pytest.raises(BadVote, match=message):
        store.append(event)
    assert store.events() == before


def test_values_without_a_json_or_database_form_are_refused(store: Store, pair: MakeQuery) -> None:
    with pytest.raises(BadConfiguration, match="finite plain values"):
        store.append(NewEvent("settings", "anna", "s", payload={"kid": float("nan")}))
    with pytest.raises(BadConfiguration, match="finite plain values"):
        store.add_version("base", None, "a" * 64, {"path": Path("x")}, {})
    with pytest.raises(BadConfiguration, match=r"left_row = .* is int64; the store keeps plain"):
        store.add_query(pair(left_row=np.int64(3)))


def test_references_to_unknown_versions_and_queries_are_refused(store: Store, pair: MakeQuery) -> None:
    new = pair()
    with pytest.raises(BadConfiguration, match="generator version 5"):
        store.add_query(replace(new, left=replace(new.left, version=5)))
    with pytest.raises(BadVote, match="repeats query 7"):
        store.add_query(replace(new, repeat_of=7))
    with pytest.raises(StudyMissing, match="version 3"):
        store.add_version("aligned", 3, "a" * 64, {}, {})
    with pytest.raises(BadVote, match="no query 1"):
        store.query(1)
    assert store.queries() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET choice = 'right' WHERE seq = 1",
        "DELETE FROM event WHERE seq = 1",
        "INSERT OR REPLACE INTO event SELECT * FROM event WHERE seq = 1",
        "INSERT OR REPLACE INTO event SELECT 9, uuid, kind, voter, session, 'new', query, choice, target, shown_at, "
        "response_ms, hidden_ms, input_device, viewport, payload, received_at FROM event WHERE seq = 1",
    ],
)
def test_database_refuses_to_change_the_log(tmp_path: Path, pair: MakeQuery, statement: str) -> None:
    with Store.create(tmp_path) as store:
        store.add_query(pair())
        event = store.append(vote(1))
        raw = sqlite3.connect(tmp_path / "penchant.db")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), raw:
            raw.execute(statement)
        raw.close()
        assert store.events() == [event]


def test_create_refuses_a_folder_with_a_study(tmp_path: Path) -> None:
    Store.create(tmp_path).close()
    with pytest.raises(StudyExists, match="open it"):
        Store.create(tmp_path)


def test_create_refuses_a_file_as_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadConfiguration, match="cannot make the folder"):
        Store.create(tmp_path / "file")


def test_open_says_that_there_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyMissing, match=r"there is no penchant\.db"):
        Store.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_study_is_one_file(tmp_path: Path, pair: MakeQuery) -> None:
    with Store.create(tmp_path / "a") as store:
        query = store.add_query(pair())
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["penchant.db"]
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "penchant.db").rename(tmp_path / "b" / "penchant.db")
    with Store.open(tmp_path / "b") as store:
        assert store.queries() == [query]


def test_url_opens_the_same_database(tmp_path: Path, pair: MakeQuery) -> None:
    url = f"sqlite:///{tmp_path / 'penchant.db'}"
    with Store.create(tmp_path, url) as store:
        store.add_query(pair())
    with Store.open(tmp_path) as store:
        assert len(store.queries()) == 1
    with pytest.raises(BadConfiguration, match="not a database URL"):
        Store.open(tmp_path, "penchant")
    with pytest.raises(BadConfiguration, match="no driver"):
        Store.open(tmp_path, "nosuch://host/database")
