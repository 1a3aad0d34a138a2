"""Votes kept several at a time: each as if it had come alone, in SQLite and in PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from penchant.core.contracts import Choice
from penchant.core.errors import BadVote, PenchantError, QuotaReached
from penchant.store import KeptVote, NewEvent, NewQuery, NewVote, Store

MakeQuery = Callable[..., NewQuery]


def vote(query: int, choice: Choice = Choice.LEFT, key: str = "k1", voter: str = "anna") -> NewEvent:
    return NewEvent("vote", voter, f"of {voter}", key, query=query, choice=choice)


def told(answers: Sequence[KeptVote | BadVote]) -> list[object]:
    """What came of each: its event, or the words of a refusal."""
    return [answer.event if isinstance(answer, KeptVote) else str(answer) for answer in answers]


BATCH = [
    vote(1, key="a"),
    vote(1, key="a"),
    vote(1, Choice.RIGHT, "a"),
    vote(1, key="b"),
    vote(1, Choice.TIE, "a", "ben"),
    vote(9, key="c"),
    vote(2, key="d"),
    NewEvent("vote", "anna", "of anna", "e", query=1),
    vote(2, Choice.RIGHT, "old", "carla"),
    vote(1, Choice.RIGHT, "new", "carla"),
]


def one_by_one(store: Store, votes: Sequence[NewEvent]) -> list[object]:
    answers: list[object] = []
    for event in votes:
        try:
            answers.append(store.append(event))
        except BadVote as refusal:
            answers.append(str(refusal))
    return answers


def test_together_is_as_one_by_one(tmp_path: Path, pair: MakeQuery, store: Store) -> None:
    with Store.create(tmp_path / "twin") as twin:
        for each in (store, twin):
            each.add_query(pair(1))
            each.add_query(pair(2))
            each.append(vote(2, Choice.RIGHT, "old", "carla"))
        together, alone = told(store.append_votes([NewVote(one) for one in BATCH])), one_by_one(twin, BATCH)
        assert [_plain(answer) for answer in together] == [_plain(answer) for answer in alone]
        assert [_plain(event) for event in store.events()] == [_plain(event) for event in twin.events()]
        again = store.append_votes([NewVote(BATCH[0]), NewVote(replace(BATCH[6], choice=Choice.TIE))])
        assert isinstance(again[0], KeptVote)
        assert again[0].event == replace(store.events()[1], replayed=True)
        assert "another choice (event 4)" in str(again[1])


def _plain(answer: object) -> object:
    """Without what differs by chance; and without the event's number where it was not known yet."""
    if isinstance(answer, str):
        return answer.partition(" (event")[0].partition("; ")[0]
    assert not isinstance(answer, PenchantError)
    return replace(answer, uuid="", received_at=0.0)  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_a_quota_counts_those_of_the_same_batch(pair: MakeQuery, store: Store) -> None:
    for number in range(1, 6):
        store.add_query(pair(number))
    first = store.append(vote(1, key="key-1"))
    batch = [NewVote(vote(number, key=f"key-{number}"), quota=3) for number in (1, 2, 3, 4)]
    answers = store.append_votes([*batch, NewVote(vote(4, key="key-4", voter="ben"), quota=3)])
    assert [answer.votes for answer in answers if isinstance(answer, KeptVote)] == [1, 2, 3, 1]
    assert isinstance(answers[3], QuotaReached)
    store.append(NewEvent("retract", "anna", "of anna", target=first.seq))
    (kept,) = store.append_votes([NewVote(vote(4, key="key-4"), quota=3)])
    assert isinstance(kept, KeptVote)
    assert kept.votes == 3
    assert store.count_votes("anna") == 3


def test_nothing_of_a_batch_is_stored_where_the_database_fails(
    pair: MakeQuery, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penchant.store import _votes

    for number in (1, 2):
        store.add_query(pair(number))
    batch = [NewVote(vote(1, key="a")), NewVote(vote(2, key="b"))]
    real = _votes._columns
    monkeypatch.setattr(_votes, "_columns", lambda event: {**real(event), "viewport": {1, 2}})  # pyright: ignore[reportGeneralTypeIssues, reportUnknownLambdaType]
    with pytest.raises(Exception, match=r"set|adapt|bind"):
        store.append_votes(batch)
    monkeypatch.undo()
    assert store.events() == []
    assert all(isinstance(answer, KeptVote) for answer in store.append_votes(batch))
