"""One voter of many: pairs ahead of time, votes acknowledged before they are learned from, likes, signals."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penchant.core.contracts import LIKE, Change, Choice
from penchant.core.errors import BadVote
from penchant.store import Event, NewEvent, Query
from penchant.study.portrait import Portrait, Standing, portray
from penchant.study.study import Study
from penchant.study.sufficiency import Sufficiency

SIGNALS = ("dwell", "zoom", "download", "revisit")
"""What may be recorded besides answers; kinds of events of their own, which no taste is learned from."""

Place = tuple[int, int]
"""A candidate: generator version and row."""


@dataclass(frozen=True)
class Sender:
    """Who sends, and under which name their keys count: the same key of one session is the same event."""

    voter: str
    session: str


class Ballot:
    """What one voter does in a study that many may vote on.

    ``vote``, ``retract``, ``sent``, ``count`` and ``record`` touch the store alone: safe in any thread, a commit each,
    and never waiting for anything to be learned. ``deal``, ``learned``, ``like`` and ``unlike`` learn first from all
    that was stored since; one at a time for the whole study.
    """

    def __init__(self, study: Study, sender: Sender):
        self._study = study
        self._sender = sender
        self._waiting: list[Query] = []
        self._returned: deque[Query] = deque()
        self._sentences: dict[str, str] = {}
        self._told_at: tuple[int, int] | None = None
        self._known: tuple[Portrait, Sufficiency, Change | None] | None = None

    # ------------------------------------------------------------------------------------------ the store alone

    def vote(self, query: int, choice: Choice, client_key: str, seen: Mapping[str, Any]) -> Event:
        """Store a vote; on the disk when this returns. ``replayed`` says that it was there already.

        Raises:
            BadVote: no such query, answered by this voter already, or the key was used for something else.
        """
        return self._study.store.append(self.answer(query, choice, client_key, seen))

    def answer(self, query: int, choice: Choice, client_key: str, seen: Mapping[str, Any]) -> NewEvent:
        """What :meth:`vote` stores, for whoever stores the votes of many together."""
        return NewEvent("vote", *self._names(), client_key, query=query, choice=choice, **seen)

    def retract(self, seq: int, client_key: str) -> Event:
        """Take back one's own vote; its pair is asked again.

        Raises:
            BadVote: no current vote of this voter has this number, or the key was used for something else.
        """
        store = self._study.store
        if (before := store.sent(self._sender.session, client_key)) is None:
            found = store.events(seq - 1, voter=self._sender.voter, limit=1)
            if not found or found[0].seq != seq or found[0].kind != "vote":
                raise BadVote(f"event {seq} is no vote of yours, so you cannot take it back")
        stored = store.append(NewEvent("retract", *self._names(), client_key, target=seq))
        if before is None:
            self._returned.append(store.query(self.query_of(seq)))
        return stored

    def undo(self, client_key: str) -> Event | None:
        """Take back one's last vote, once for each key; None where there is none."""
        before = self._study.store.sent(self._sender.session, client_key)
        if before is not None:
            if before.kind != "retract":
                raise BadVote(f"the key '{client_key}' was used before for a {before.kind}; an undo needs a new key")
            return before
        votes = self._study.store.votes(self._sender.voter)
        return self.retract(votes[-1].seq, client_key) if votes else None

    def query_of(self, seq: int) -> int:
        """The query that a vote answered."""
        (vote,) = self._study.store.events(seq - 1, limit=1)
        if vote.query is None:
            raise BadVote(f"event {seq} is no vote")
        return vote.query

    def count(self) -> int:
        """Votes of this voter that count now."""
        return self._study.store.count_votes(self._sender.voter)

    def record(self, kind: str, client_key: str, payload: Mapping[str, Any]) -> Event | None:
        """Keep a signal, where the study's settings allow it."""
        if kind not in SIGNALS:
            raise BadVote(f"no signal is named '{kind}'; there are: {', '.join(SIGNALS)}")
        if not self._study.settings.record_signals:
            return None
        return self._study.store.append(NewEvent(kind, *self._names(), client_key, payload=payload))

    # -------------------------------------------------------------------------------- learning, one at a time

    def deal(self, count: int) -> list[Query]:
        """The pair to answer now, the same one until it is answered, and those after it."""
        study = self._study
        study.catch_up()
        study.refit()
        taste = study.taste
        answered = {query.number for seq, (query, _) in taste.votes.items() if taste.voters[seq] == self._sender.voter}
        latest = study.versions.named("latest").number
        while self._returned:
            self._waiting.insert(0, self._returned.popleft())
        waiting = {one.number: one for one in self._waiting if one.number not in answered and one.pool == latest}
        self._waiting = list(waiting.values())  # one taken back before it was known to be answered is there twice
        while len(self._waiting) < count:
            self._waiting.append(study.next_query(self._sender.voter))
        return self._waiting[:count]

    def learned(self) -> Mapping[str, str]:
        """What was learned about this voter, in plain sentences by topic; renewed after each refit and version."""
        study, taste = self._study, self._study.taste
        moment = taste.refits, study.versions.named("latest").number
        if self._told_at != moment:
            self._sentences, self._told_at = self._said(), moment
        return self._sentences

    @property
    def told(self) -> Mapping[str, str]:
        """What :meth:`learned` said last."""
        return self._sentences

    @property
    def known(self) -> tuple[Portrait, Sufficiency, Change | None] | None:
        """The figures that :attr:`told` says in English, for other languages; None before this voter's first vote."""
        return self._known

    def like(self, place: Place, client_key: str | None = None) -> int:
        """Like a candidate; gives the event. Liking it twice is liking it once."""
        there = self._likes().get(place)
        if there is not None:
            return there
        version, row = place
        voter, session = self._names()
        return self._study.like(row, pool=version, voter=voter, session=session, client_key=client_key, refit=False)

    def unlike(self, place: Place) -> bool:
        """Take a like back; False where there is none."""
        there = self._likes().get(place)
        if there is None:
            return False
        self._study.unlike(there)
        return True

    def likes(self) -> list[Place]:
        """What this voter likes now, in the order of liking."""
        return list(self._likes())

    def _likes(self) -> dict[Place, int]:
        self._study.catch_up()
        return {
            (single.pool, single.row): seq
            for seq, single in self._study.taste.singles.items()
            if single.voter == self._sender.voter and single.channel == LIKE and single.positive
        }

    def _names(self) -> tuple[str, str]:
        return self._sender.voter, self._sender.session

    def _said(self) -> dict[str, str]:
        study = self._study
        if self._sender.voter not in study.taste.people:
            return {"taste": "Choose what you like better; the first pairs only find out what matters to you."}
        features = np.asarray(study.pool("base").features[:1000], dtype=np.float64)
        stand = study.sufficiency()
        own = study.taste.of(self._sender.voter)
        portrait = portray(own, study.extractor, features, study.rng, standing=stand.standing)
        self._known = portrait, stand, own.change
        learned = {"taste": portrait.sentence, "advice": stand.sentences[0]}
        if stand.standing is Standing.CONFIRMED:
            learned["sureness"] = (
                f"Of pairs picked at random it expects to guess {stand.accuracy:.0%} as you would choose."
            )
        return learned
