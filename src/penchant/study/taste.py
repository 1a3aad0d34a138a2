"""The taste of a study: posteriors that are nothing but the replay of the log."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import log

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import LIKE, Choice, Posterior, PriorTaste, Singles, Skippability, Votes
from penchant.core.errors import BadVote
from penchant.core.threads import one_blas_thread
from penchant.preference import skippability, trusted
from penchant.store import Event, Query

Weights = Float[np.ndarray, " d"]
Features = Callable[[int, int], Float[np.ndarray, " d"]]
"""Of a row of a pool: ``features(pool, row)``."""


@dataclass(frozen=True)
class View:
    """What the taste is learned on: the features of candidates, and the belief before any vote given what is known."""

    prior: Callable[[PriorTaste | None], Posterior]
    features: Features


_FEW = 5
"""Votes of a voter below which nothing is concluded from them about how far people agree."""
_ASKED = 8
"""How many of the others tell how far people agree; each costs a refit."""
_STEP = 1.25
"""The others' votes are looked at anew when there are so many times as many."""


@dataclass(frozen=True)
class Single:
    """One image that was liked or not, or treated in some way: row ``row`` of pool ``pool``."""

    voter: str
    pool: int
    row: int
    positive: bool
    channel: str
    exposure: float


@dataclass
class Taste:
    """Folds events into posteriors, one at a time; folding the same events gives the same posteriors to the bit.

    A vote or a like updates online; a ``refit`` event refits on all so far; a retraction refits on what is left; a
    ``features`` event refits on all votes with other features, those of the extractor that it names. ``posterior`` is
    the taste of all voters together, :meth:`of` that of one.
    """

    views: Callable[[int], View]
    query: Callable[[int], Query]
    imported: Callable[[Event], PriorTaste]
    learned: int = 0
    posterior: Posterior = field(init=False)
    votes: dict[int, tuple[Query, Choice]] = field(default_factory=dict[int, tuple[Query, Choice]])
    voters: dict[int, str] = field(default_factory=dict[int, str])
    singles: dict[int, Single] = field(default_factory=dict[int, Single])
    since_refit: int = 0
    refits: int = 0
    through: int = 0
    _known: PriorTaste | None = None
    _refitted: int = 0
    _base: Posterior = field(init=False)
    _skips: dict[str | None, Skippability | None] = field(default_factory=dict[str | None, Skippability | None])
    _own: dict[str, Posterior] = field(default_factory=dict[str, Posterior])
    _crowds: dict[tuple[frozenset[str], int], Weights] = field(
        default_factory=dict[tuple[frozenset[str], int], Weights]
    )

    def __post_init__(self) -> None:
        self.posterior = self._base = self.prior(None)

    def prior(self, known: PriorTaste | None) -> Posterior:
        """The belief before any vote, over the features in use, starting from what is ``known``."""
        return self.views(self.learned).prior(known)

    def apply(self, event: Event) -> None:
        """Take one event into account; events must come in the order of the log."""
        if event.seq <= self.through or event.kind.startswith(("comparison", "versus")):  # of versions
            return
        self.through = event.seq
        with one_blas_thread():
            self._apply(event)

    def _apply(self, event: Event) -> None:
        match event.kind:
            case "vote":
                if event.query is None or event.choice is None:
                    raise BadVote(f"event {event.seq} is a vote without a query or a choice")
                query = self.query(event.query)
                self.votes[event.seq] = (query, event.choice)
                self.voters[event.seq] = event.voter
                self.posterior = self._updated(self.posterior, event.seq)
            case "like" | "signal":
                self.singles[event.seq] = _single(event)
                self.posterior = self._updated(self.posterior, event.seq)
            case "retract" if event.target in self.votes or event.target in self.singles:
                self.votes.pop(event.target, None)
                self.voters.pop(event.target, None)
                self.singles.pop(event.target, None)
                self._crowds = {}
                self._refit()
                return
            case "refit":
                self._refit()
                return
            case "import":
                self._known = self.imported(event)
                self._crowds = {}
                self._refit()
                return
            case "features":
                self.learned = int(event.payload["extractor"])
                self._crowds = {}
                self._refit()
                return
            case _:
                return
        self.since_refit += 1
        if event.voter in self._own:
            self._own[event.voter] = self._updated(self._own[event.voter], event.seq)

    @property
    def hash(self) -> str:
        """SHA-256 of the posterior's numbers, to the bit."""
        digest = sha256()
        for name, values in sorted(self.posterior.state().items()):
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    @property
    def people(self) -> list[str]:
        """Who voted, in the order of the alphabet."""
        return sorted({self.voters[seq] for seq in self.votes})

    def replay(self, events: Iterable[Event]) -> None:
        """Apply many."""
        for event in events:
            self.apply(event)

    def of(self, voter: str) -> Posterior:
        """The taste of one voter, who starts from what the others like.

        The shared part is a posterior on the others' votes; how far it counts for somebody new is learned from how far
        it does for each of them without their own votes (:func:`penchant.preference.trusted`); the voter's votes decide
        the rest. With one voter it is the taste of the study. Seconds with tens of thousands of votes, once a refit.
        """
        if self.people in ([], [voter]):
            return self.posterior
        if voter not in self._own:
            with one_blas_thread():
                self._own[voter] = self._of(voter)
        return self._own[voter]

    def skips(self, voter: str | None = None) -> Skippability | None:
        """Which pairs are skipped (by ``voter``), as the votes up to the last refit tell; None where they do not.

        It rests on the belief that all had together then, so a replay gives the same, whenever it is first asked for.
        """
        if voter not in self._skips:
            seqs = [s for s in self.votes if s <= self._refitted and voter in (None, self.voters[s])]
            known = any(self.votes[seq][1] is Choice.SKIP for seq in seqs)
            with one_blas_thread():
                self._skips[voter] = skippability(self._stacked(seqs), self._base) if known else None
        return self._skips[voter]

    def _of(self, voter: str) -> Posterior:
        seen = [seq for seq in self.votes if seq <= self._refitted]
        known, own = self._shared(voter, seen), self._owned(voter, self._refitted)
        posterior = self.prior(known)
        if own:
            posterior = posterior.refit(self._stacked(own))
        for seq in self._owned(voter, self.through):
            if seq > self._refitted:
                posterior = self._updated(posterior, seq)
        return posterior

    def _shared(self, voter: str, seen: Sequence[int]) -> PriorTaste | None:
        """What the others like, as it was at the last milestone."""
        others = [seq for seq in seen if self.voters[seq] != voter]
        if not others:
            return self._known
        others = others[: _milestone(len(others))]
        weights = self._crowd(frozenset({voter}), others)
        names = sorted({self.voters[seq] for seq in others})
        asked = [name for name in names if sum(self.voters[seq] == name for seq in others) >= _FEW]
        if len(names) < 2 or not asked:
            return PriorTaste(weights)
        rows: list[Weights] = []
        people: list[Votes] = []
        for name in asked[:_ASKED]:
            rows.append(self._crowd(frozenset({voter, name}), [seq for seq in others if self.voters[seq] != name]))
            people.append(self._stacked([seq for seq in others if self.voters[seq] == name]))
        return PriorTaste(weights, *trusted(rows, people))

    def _crowd(self, without: frozenset[str], seqs: Sequence[int]) -> Weights:
        key = without, seqs[-1]
        if key not in self._crowds:
            self._crowds[key] = self.prior(self._known).refit(self._stacked(seqs)).weights()[0]
        return self._crowds[key]

    def _owned(self, voter: str, through: int) -> list[int]:
        """What the voter said, oldest first."""
        votes = [seq for seq in self.votes if self.voters[seq] == voter]
        singles = [seq for seq, single in self.singles.items() if single.voter == voter]
        return sorted(seq for seq in votes + singles if seq <= through)

    def _updated(self, posterior: Posterior, seq: int) -> Posterior:
        if seq in self.votes:
            query, choice = self.votes[seq]
            return posterior.update(*self._pair(query), choice)
        single = self.singles[seq]
        if not single.positive and single.exposure < 1:
            return posterior  # it counts for less than a whole one, which the refit knows
        return posterior.update_single(self.features_of(single.pool, single.row), single.positive, single.channel)

    def stacked(self, queries: Iterable[tuple[Query, Choice]]) -> Votes:
        """Some votes as features."""
        rows = list(queries)
        pairs = [self._pair(query) for query, _ in rows]
        width = len(pairs[0][0]) if pairs else 0
        left = np.array([pair[0] for pair in pairs]).reshape(len(rows), width)
        right = np.array([pair[1] for pair in pairs]).reshape(len(rows), width)
        return Votes(left, right, [choice for _, choice in rows])

    def _stacked(self, seqs: Sequence[int]) -> Votes:
        """Votes and single images as features."""
        votes = self.stacked(self.votes[seq] for seq in seqs if seq in self.votes)
        singles, voted = (
            [self.singles[seq] for seq in seqs if seq in self.singles],
            [s for s in seqs if s in self.votes],
        )
        if not singles:
            return votes
        images = np.array([self.features_of(single.pool, single.row) for single in singles])
        empty = np.zeros((0, images.shape[1]))
        return Votes(
            votes.left if len(votes) else empty,
            votes.right if len(votes) else empty,
            votes.choices,
            Singles(
                images,
                [single.positive for single in singles],
                [single.channel for single in singles],
                [single.exposure for single in singles],
                [bisect_left(voted, seq) for seq in seqs if seq in self.singles],
            ),
        )

    def _refit(self) -> None:
        known = sorted([*self.votes, *self.singles])
        prior = self.prior(self._known)
        self.posterior = prior.refit(self._stacked(known)) if known else prior
        self._base, self._skips = self.posterior, {}
        self._own, self._refitted, self.since_refit = {}, self.through, 0
        self.refits += 1

    def _pair(self, query: Query) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
        return self.features_of(query.pool, query.left_row), self.features_of(query.pool, query.right_row)

    def features_of(self, pool: int, row: int) -> Weights:
        """What the taste sees of a candidate."""
        return self.views(self.learned).features(pool, row)


def _single(event: Event) -> Single:
    try:
        return Single(
            event.voter, int(event.payload["pool"]), int(event.payload["row"]), bool(event.payload["positive"]),
            str(event.payload.get("channel", LIKE)), float(event.payload.get("exposure", 1.0)),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise BadVote(f"event {event.seq} is a {event.kind} without {error}") from None


def _milestone(count: int) -> int:
    """The largest whole power of the step that is at most ``count``, all of them while they are few."""
    if count <= 2 * _FEW:
        return count
    reached = int(_STEP ** int(log(count) / log(_STEP) + 1e-9))
    return max(2 * _FEW, min(count, reached))
