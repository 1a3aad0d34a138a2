"""Asking and telling until enough votes are given: by a simulated voter, a function, or a person in the browser."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import Choice, Progress, Report, silent
from penchant.core.errors import BadConfiguration, Interrupted
from penchant.store import Query
from penchant.study.portrait import Standing, portray
from penchant.study.study import Study

HUMAN = "human"


def vote(study: Study, voter: str, count: int, report: Report = silent) -> int:
    """``count`` more votes from a simulated voter or a Python function; gives the number of votes in all.

    Raises:
        UnknownName, VoterFailed: there is no such voter, or it failed; the votes given so far are kept.
        Interrupted: Ctrl-C; the votes given so far are kept.
    """
    if count < 1:
        raise BadConfiguration(f"votes must be at least 1; found {count}")
    answering = study.voter(voter)
    given = 0
    try:
        for given in range(1, count + 1):
            question = study.ask(voter)
            rng = study.rng.child("voter", question.number).numpy()
            choice = answering.answer(question.left, question.right, rng)
            total = study.tell(question.number, choice, voter=voter)
            report(Progress("voting", given / count, figures={"votes": total}))
    except KeyboardInterrupt:
        raise Interrupted(
            f"voting was stopped; {len(study.taste.votes)} votes are kept. Give the same command again to go on"
        ) from None
    return len(study.taste.votes)


@dataclass(frozen=True)
class VotingState:
    """How far the voting is, and what was learned, in plain sentences by topic."""

    votes: int
    wanted: int
    learned: Mapping[str, str]


class BrowserVoting:
    """What the voting page needs of a study: pairs ahead of time, votes stored before they are acknowledged.

    Args:
        study: where the votes go.
        more: how many votes are wanted on top of those there are.
    """

    def __init__(self, study: Study, more: int):
        if more < 1:
            raise BadConfiguration(f"votes must be at least 1; found {more}")
        self._study = study
        self._wanted = len(study.taste.votes) + more
        self._waiting: deque[Query] = deque()
        self._learned: dict[str, str] = {}
        self._learned_at = -1

    def ask(self) -> Query:
        """The pair to answer now; the same one until it is answered."""
        if not self._waiting:
            self._waiting.append(self._study.next_query(HUMAN))
        return self._waiting[0]

    def prefetch(self, count: int) -> Sequence[Query]:
        """Up to ``count`` pairs after that one; a refit that is due happens here, while the person looks."""
        self.ask()
        self._study.refit()
        while len(self._waiting) < count + 1:
            self._waiting.append(self._study.next_query(HUMAN))
        self.progress()  # what it takes to find the sentences is spent now
        return list(self._waiting)[1 : count + 1]

    def tell(
        self,
        query: int,
        choice: Choice,
        *,
        client_key: str,
        shown_at: float | None,
        response_ms: float | None,
        hidden_ms: float | None,
        input: str | None,
        viewport: str | None,
    ) -> int:
        """Store a vote, then give the number of votes."""
        seen = {
            "shown_at": shown_at,
            "response_ms": response_ms,
            "hidden_ms": hidden_ms,
            "input": input,
            "viewport": viewport,
        }
        votes = self._study.tell(query, choice, voter=HUMAN, client_key=client_key, refit=False, seen=seen)
        self._waiting = deque(waiting for waiting in self._waiting if waiting.number != query)
        return votes

    def undo(self) -> bool:
        """Take back this person's last vote; its pair is asked again."""
        retracted = self._study.undo(HUMAN)
        if retracted is None:
            return False
        self._waiting.appendleft(retracted)
        return True

    def progress(self) -> VotingState:
        """Where the voting stands; the sentences are renewed after each refit."""
        votes = len(self._study.taste.votes)
        if votes != self._learned_at and self._study.taste.since_refit == 0:
            self._learned, self._learned_at = self._sentences(), votes
        return VotingState(votes, self._wanted, self._learned)

    def image_png(self, sha256: str) -> bytes:
        """An image that was shown."""
        return self._study.store.image_png(sha256)

    def _sentences(self) -> dict[str, str]:
        study = self._study
        if not study.taste.votes:
            return {"taste": "Choose what you like better; the first pairs only find out what matters to you."}
        features = np.asarray(study.pool("base").features[:1000], dtype=np.float64)
        stand = study.sufficiency(HUMAN if HUMAN in study.taste.people else None)
        portrait = portray(study.taste.of(HUMAN), study.extractor, features, study.rng, standing=stand.standing)
        learned = {"taste": portrait.sentence, "advice": stand.sentences[0]}
        if stand.standing is Standing.CONFIRMED:
            expected = f"Of pairs picked at random it expects to guess {stand.accuracy:.0%} as you would choose."
            learned["sureness"] = expected
        return learned
