"""Several votes in one transaction: what many voters send at once costs one commit, not one each."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, bindparam, insert, select, tuple_
from sqlalchemy.sql.functions import count

from penchant.core.errors import BadVote, QuotaReached
from penchant.store import _tables as tables
from penchant.store._records import Event, NewEvent
from penchant.store._rows import event_columns, event_of, same_event

_KEY = (tables.event.c.session, tables.event.c.client_key)
_PAIR = (tables.current_vote.c.query, tables.current_vote.c.voter)
_SENT = select(tables.event).where(tuple_(*_KEY).in_(bindparam("keys", expanding=True)))
_KNOWN = select(tables.query.c.number).where(tables.query.c.number.in_(bindparam("queries", expanding=True)))
_ANSWERED = select(*_PAIR, tables.current_vote.c.seq).where(tuple_(*_PAIR).in_(bindparam("pairs", expanding=True)))
_VOTER = tables.current_vote.c.voter
_GIVEN = select(_VOTER, count()).where(_VOTER.in_(bindparam("voters", expanding=True))).group_by(_VOTER)
_INSERT = insert(tables.event).returning(tables.event.c.seq, sort_by_parameter_order=True)


@dataclass(frozen=True)
class NewVote:
    """A vote to be kept, where its voter has fewer than ``quota``; without one there is no end."""

    event: NewEvent
    quota: int | None = None


@dataclass(frozen=True)
class KeptVote:
    """A vote that is on the disk, and how many its voter had given then, this one included."""

    event: Event
    votes: int


def append_votes(connection: Connection, votes: Sequence[NewVote]) -> list[KeptVote | BadVote]:
    """Add votes to the log, in this order, each as if it came alone; a refused one leaves the others as they are."""
    columns = [_columns(vote.event) for vote in votes]
    log = _Log.before(connection, [one for one in columns if not isinstance(one, BadVote)])
    answers = [
        one if isinstance(one, BadVote) else log.take(one, vote.quota) for vote, one in zip(votes, columns, strict=True)
    ]
    if log.added:
        seqs = connection.execute(_INSERT, log.added).scalars().all()
        for added, seq in zip(log.added, seqs, strict=True):
            added["seq"] = seq
    return [_kept(answer) if isinstance(answer, _Taken) else answer for answer in answers]


@dataclass(frozen=True)
class _Taken:
    """A vote that the log has, or will have."""

    row: Mapping[str, Any]
    replayed: bool
    votes: int


@dataclass
class _Log:
    """What the log says that these votes may touch: earlier events by key, queries, answers by voter, numbers given."""

    sent: dict[tuple[str, str], Mapping[str, Any]]
    queries: set[int]
    answered: dict[tuple[int, str], int | None]
    given: dict[str, int]
    added: list[dict[str, Any]]

    @staticmethod
    def before(connection: Connection, columns: Sequence[Mapping[str, Any]]) -> "_Log":
        keys = list({(one["session"], one["client_key"]) for one in columns})
        pairs = list({(one["query"], one["voter"]) for one in columns})
        sent = connection.execute(_SENT, {"keys": keys}).mappings()
        queries = connection.execute(_KNOWN, {"queries": list({query for query, _ in pairs})}).scalars()
        answered = connection.execute(_ANSWERED, {"pairs": pairs})
        given = connection.execute(_GIVEN, {"voters": list({voter for _, voter in pairs})})
        return _Log(
            {(row["session"], row["client_key"]): dict(row) for row in sent},
            set(queries),
            {(query, voter): seq for query, voter, seq in answered},
            {voter: int(number) for voter, number in given},
            [],
        )

    def take(self, columns: dict[str, Any], quota: int | None) -> _Taken | BadVote:
        """One vote, given those before it."""
        key, pair, voter = (
            (columns["session"], columns["client_key"]),
            (columns["query"], columns["voter"]),
            columns["voter"],
        )
        given = self.given.get(voter, 0)
        if key in self.sent:
            try:
                same_event(self.sent[key], columns)
            except BadVote as refusal:
                return refusal
            return _Taken(self.sent[key], True, given)
        if quota is not None and given >= quota:
            return QuotaReached(f"all {quota} votes of your invitation are given; thank you")
        if pair[0] not in self.queries:
            return BadVote(f"this study has no query {pair[0]}")
        if pair in self.answered:
            seq = self.answered[pair]
            which = "" if seq is None else f" (event {seq})"
            return BadVote(f"query {pair[0]} was answered already{which}; retract that vote to change it")
        added = {**columns, "uuid": uuid4().hex, "received_at": time.time()}
        self.sent[key], self.answered[pair], self.given[voter] = added, None, given + 1
        self.added.append(added)
        return _Taken(added, False, given + 1)


def _columns(event: NewEvent) -> dict[str, Any] | BadVote:
    try:
        if event.kind != "vote":
            return BadVote(f"only votes are kept several at a time; found a {event.kind}")
        return event_columns(event)
    except BadVote as refusal:
        return refusal


def _kept(taken: _Taken) -> KeptVote:
    return KeptVote(replace(event_of(taken.row), replayed=taken.replayed), taken.votes)
