"""Choosing the next pair: by the strategy; one time in ten uniformly at random (audit); now and then an audit again."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Int

from penchant.core.contracts import QUERIES, Asked, Candidates, Choice, Posterior, Strategy
from penchant.core.family import parse_spec
from penchant.core.rng import Rng
from penchant.store import ImageRecord, NewQuery, Query, Store
from penchant.study.files import png_bytes
from penchant.study.pool import Pool
from penchant.study.settings import StudySettings
from penchant.study.suspicion import MORE, suspicious
from penchant.study.taste import Taste

AGAIN = "again"
"""The strategy that is named for a pair that is asked again."""

_LEAST_BETWEEN = 10
"""Votes between a pair and its being asked again, so that nobody remembers the answer."""

_FRESH_FIRST = 20
"""Votes before anything is asked again: at first every new pair counts."""


@dataclass
class Asker:
    """Query number n depends on the seed, n, and what was learned so far; nothing else.

    Where several processes ask, each counts its own, by a seed of its own; which images were shown and which audits
    were asked again is what all of them did.
    """

    store: Store
    settings: StudySettings
    rng: Rng
    _asked: int = 0
    _through: int = 0
    _repeated: set[int] = field(default_factory=set[int])
    _shown: dict[int, Int[np.ndarray, " n"]] = field(default_factory=dict[int, Int[np.ndarray, " n"]])
    _answered: dict[int, Asked] = field(default_factory=dict[int, Asked])

    def __post_init__(self) -> None:
        self._asked = self._heard()

    def next(self, version: int, pool: Pool, taste: Taste, voter: str | None = None) -> Query:
        """A new query over the candidates of ``version``, stored with its propensity and the prediction.

        The propensity is the share of such queries (audit, again, or neither) times the pair's own among them; that a
        pair might have been asked in another way too is left out, so it is a lower bound there.
        """
        self._heard()
        number = self._asked + 1
        rng = self.rng.child("ask", number)
        audit, earlier = self._is_audit(number), self._earlier(version, taste, voter)
        posterior = taste.posterior if voter is None else taste.of(voter)
        repeats = self._again_share(taste, posterior, voter) if earlier else 0.0
        again = None
        if earlier and self._is_again(number, repeats):
            again = earlier[int(rng.child("again").numpy().integers(len(earlier)))]
            name, rows, score = AGAIN, [again.right_row, again.left_row], 0.0
            propensity = repeats / len(earlier)
        else:
            name, strategy = self._auditor if audit else self._chooser
            shown = self._counts(version, len(pool))
            candidates = Candidates(
                pool.features,
                shown,
                _previous_winner(taste, version, voter),
                self._history(taste, voter),
                taste.skips(voter),
            )
            proposal = strategy.propose(candidates, posterior, 1, rng.child("strategy").numpy())
            name, rows, score = proposal.strategy or name, proposal.pairs[0].tolist(), float(proposal.scores[0])
            others = self.settings.audit_share + repeats
            share = self.settings.audit_share if audit else 1 - others
            propensity = share * float(proposal.propensities[0])
        left, right = (pool.features[row][None] for row in rows)
        query = self.store.add_query(
            NewQuery(
                left=_record(version, pool, rows[0]),
                right=_record(version, pool, rows[1]),
                pool=version,
                left_row=rows[0],
                right_row=rows[1],
                strategy=name,
                audit=audit,
                propensity=propensity,
                score=score,
                predicted=float(posterior.foretell(left, right)[0]),
                taste_seq=taste.through,
                repeat_of=again.number if again else None,
                position=number,
            )
        )
        self._asked = number
        return query

    def _heard(self) -> int:
        """Take into account what was asked since, by whatever process; gives how many that were."""
        new = self.store.queries(self._through)
        for query in new:
            self._through = query.number
            self._repeated |= set() if query.repeat_of is None else {query.repeat_of}
            if query.pool in self._shown:
                self._shown[query.pool][[query.left_row, query.right_row]] += 1
        return len(new)

    @cached_property
    def _chooser(self) -> tuple[str, Strategy]:
        spec = self.settings.strategy
        return parse_spec(spec, QUERIES.kind)[0], QUERIES.make(spec)

    @cached_property
    def _auditor(self) -> tuple[str, Strategy]:
        return "random", QUERIES.make("random")

    def _history(self, taste: Taste, voter: str | None) -> list[Asked]:
        """The current votes (of ``voter``) in order; each is looked at once."""
        for seq, (query, choice) in taste.votes.items():
            if seq not in self._answered:
                self._answered[seq] = _asked(query, choice)
        return [self._answered[seq] for seq in taste.votes if voter in (None, taste.voters[seq])]

    def _is_audit(self, number: int) -> bool:
        """One uniformly random place in each block of 1 / audit_share queries."""
        if self.settings.audit_share == 0:
            return False
        block_size = max(1, round(1 / self.settings.audit_share))
        block, place = divmod(number - 1, block_size)
        return place == int(self.rng.child("audit", block).numpy().integers(block_size))

    def _again_share(self, taste: Taste, posterior: Posterior, voter: str | None) -> float:
        """The share of questions that are asked again: larger while the answers call for a check."""
        usual = self.settings.again_share
        whose = voter or taste.voters[next(reversed(taste.votes))]
        if not suspicious(taste.votes, taste.voters, whose, posterior):
            return usual
        return max(usual, min(MORE * usual, 1 - self.settings.audit_share))

    def _is_again(self, number: int, share: float) -> bool:
        """One uniformly random place that is no audit in each block of 1 / share queries."""
        block_size = max(1, round(1 / share))
        block = (number - 1) // block_size
        block_of = range(block * block_size + 1, (block + 1) * block_size + 1)
        places = [place for place in block_of if not self._is_audit(place)]
        return bool(places) and number == places[int(self._places(share, block).integers(len(places)))]

    def _places(self, share: float, block: int) -> np.random.Generator:
        name = "again" if share == self.settings.again_share else "check"
        return self.rng.child(name, block).numpy()

    def _earlier(self, version: int, taste: Taste, voter: str | None) -> list[Query]:
        """The audits that may be asked again: of this pool, decided by ``voter`` or who voted last, never repeated.

        Audits, since they are uniformly random pairs: how often people agree with themselves there is what bounds the
        accuracy that audits measure. Pairs of the strategy are chosen to be hard.
        """
        if self.settings.again_share == 0 or len(taste.votes) < _FRESH_FIRST:
            return []
        voter = voter or taste.voters[next(reversed(taste.votes))]
        return [
            query
            for seq, (query, choice) in list(taste.votes.items())[:-_LEAST_BETWEEN]
            if query.audit and query.pool == version and taste.voters[seq] == voter
            if query.number not in self._repeated and choice in (Choice.LEFT, Choice.RIGHT)
        ]

    def _counts(self, pool: int, size: int) -> Int[np.ndarray, " n"]:
        if pool not in self._shown:
            counts = np.zeros(size, dtype=np.int64)
            for query in self.store.queries():
                if query.pool == pool and query.number <= self._through:
                    counts[[query.left_row, query.right_row]] += 1
            self._shown[pool] = counts
        return self._shown[pool]


def _asked(query: Query, choice: Choice) -> Asked:
    """A vote with its surprise: −log of the probability that was predicted for it."""
    if query.predicted is None or choice not in (Choice.LEFT, Choice.RIGHT):
        return Asked(query.strategy, query.audit, None)
    predicted = query.predicted if choice is Choice.LEFT else 1 - query.predicted
    return Asked(query.strategy, query.audit, -float(np.log(max(predicted, 1e-12))))


def _previous_winner(taste: Taste, pool: int, voter: str | None) -> int | None:
    """The row of the image that won the last vote (of ``voter``), where it is one of this pool."""
    last = next((seq for seq in reversed(taste.votes) if voter in (None, taste.voters[seq])), None)
    if last is None:
        return None
    query, choice = taste.votes[last]
    if query.pool != pool or choice not in (Choice.LEFT, Choice.RIGHT):
        return None
    return query.left_row if choice is Choice.LEFT else query.right_row


def _record(version: int, pool: Pool, row: int) -> ImageRecord:
    latent = np.asarray(pool.latents[row], dtype=np.float32).tobytes()
    return ImageRecord(png_bytes(np.asarray(pool.images[row])), version, version, row, latent)
