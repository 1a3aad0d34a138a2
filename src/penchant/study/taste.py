"""The taste of a study: a posterior that is nothing but the replay of the log."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Choice, Posterior, Votes
from penchant.core.errors import BadVote
from penchant.core.threads import one_blas_thread
from penchant.store import Event, Query

Features = Callable[[int, int], Float[np.ndarray, " d"]]


@dataclass
class Taste:
    """Folds events into a posterior, one at a time; folding the same events gives the same posterior to the bit.

    A vote updates online; a ``refit`` event refits on all votes so far; a retraction refits on those that are left.
    """

    prior: Posterior
    query: Callable[[int], Query]
    features: Features
    posterior: Posterior = field(init=False)
    votes: dict[int, tuple[Query, Choice]] = field(default_factory=dict[int, tuple[Query, Choice]])
    voters: dict[int, str] = field(default_factory=dict[int, str])
    since_refit: int = 0
    through: int = 0

    def __post_init__(self) -> None:
        self.posterior = self.prior

    def apply(self, event: Event) -> None:
        """Take one event into account; events must come in the order of the log."""
        if event.seq <= self.through:
            return
        self.through = event.seq
        with one_blas_thread():
            self._apply(event)

    def _apply(self, event: Event) -> None:
        if event.kind == "vote":
            if event.query is None or event.choice is None:
                raise BadVote(f"event {event.seq} is a vote without a query or a choice")
            query = self.query(event.query)
            self.votes[event.seq] = (query, event.choice)
            self.voters[event.seq] = event.voter
            self.posterior = self.posterior.update(*self._pair(query), event.choice)
            self.since_refit += 1
        elif event.kind == "retract" and event.target in self.votes:
            del self.votes[event.target], self.voters[event.target]
            self._refit()
        elif event.kind == "refit":
            self._refit()

    @property
    def hash(self) -> str:
        """SHA-256 of the posterior's numbers, to the bit."""
        digest = sha256()
        for name, values in sorted(self.posterior.state().items()):
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def replay(self, events: Iterable[Event]) -> None:
        """Apply many."""
        for event in events:
            self.apply(event)

    def stacked(self, queries: Iterable[tuple[Query, Choice]] | None = None) -> Votes:
        """The current votes (or some of them) as features."""
        rows = list(self.votes.values() if queries is None else queries)
        pairs = [self._pair(query) for query, _ in rows]
        width = len(pairs[0][0]) if pairs else 0
        left = np.array([pair[0] for pair in pairs]).reshape(len(rows), width)
        right = np.array([pair[1] for pair in pairs]).reshape(len(rows), width)
        return Votes(left, right, [choice for _, choice in rows])

    def _refit(self) -> None:
        self.posterior = self.prior.refit(self.stacked()) if self.votes else self.prior
        self.since_refit = 0

    def _pair(self, query: Query) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
        return self.features(query.pool, query.left_row), self.features(query.pool, query.right_row)
