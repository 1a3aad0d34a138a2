"""Votes on their way to the disk: stored together under load, each answered for itself, none forgotten."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from penchant.core.contracts import Choice
from penchant.core.errors import BadVote, StorageFull
from penchant.store import Event, KeptVote, NewEvent, NewVote
from penchant.studio._recorder import Recorder


class SlowStore:
    """Keeps the batches it was given; the first one waits until all others have come."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go_on = threading.Event()
        self.failure: Exception | None = None

    def append_votes(self, votes: Sequence[NewVote]) -> list[KeptVote | BadVote]:
        self.batches.append(len(votes))
        self.go_on.wait(10)
        if self.failure is not None:
            raise self.failure
        return [
            BadVote("refused") if vote.event.query == 13 else KeptVote(_stored(vote.event), len(self.batches))
            for vote in votes
        ]


def _stored(event: NewEvent) -> Event:
    values: dict[str, Any] = {**vars(event), "seq": event.query, "uuid": "u", "received_at": 0.0}
    return Event(**values)


def vote(query: int) -> NewVote:
    return NewVote(NewEvent("vote", "anna", "s", query=query, choice=Choice.LEFT))


def kept(store: SlowStore, queries: Sequence[int]) -> list[Any]:
    async def all_at_once() -> list[Any]:
        recorder = Recorder(store)  # pyright: ignore[reportArgumentType]
        tasks = [asyncio.create_task(recorder.keep(vote(query))) for query in queries]
        await asyncio.sleep(0.05)
        store.go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(all_at_once())


def test_those_that_come_meanwhile_are_stored_together_in_their_order() -> None:
    store = SlowStore()
    answers = kept(store, range(1, 12))
    assert [answer.event.query for answer in answers] == list(range(1, 12))
    assert store.batches in ([11], [1, 10])


def test_a_refused_vote_is_refused_alone() -> None:
    answers = kept(SlowStore(), [12, 13, 14])
    assert [isinstance(answer, BadVote) for answer in answers] == [False, True, False]


@pytest.mark.parametrize("failure", [StorageFull("no room left"), RuntimeError("a surprise")])
def test_a_batch_that_was_not_stored_is_refused_whole_and_the_next_is_taken(failure: Exception) -> None:
    store = SlowStore()
    store.failure = failure
    assert kept(store, [1, 2]) == [failure, failure]
    store.failure = None
    assert [answer.event.query for answer in kept(store, [1, 2])] == [1, 2]


def test_a_sender_who_has_gone_takes_nobody_along() -> None:
    store = SlowStore()

    async def one_leaves() -> list[Any]:
        recorder = Recorder(store)  # pyright: ignore[reportArgumentType]
        tasks = [asyncio.create_task(recorder.keep(vote(query))) for query in (1, 2, 3)]
        await asyncio.sleep(0.05)
        tasks[1].cancel()
        store.go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(one_leaves())
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[place].event.query for place in (0, 2)] == [1, 3]
    assert sum(store.batches) == 3
