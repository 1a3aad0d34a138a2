"""Two versions compared blindly by a voter: sides at random, names hidden, apart from the votes that teach a taste."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from jaxtyping import UInt8

from penchant.core.contracts import Choice, Progress, Report, silent
from penchant.core.errors import BadConfiguration, BadVote, Interrupted, StudyDamaged
from penchant.core.rng import Rng
from penchant.data import to_float, to_uint8
from penchant.metrics import Agreement, WinRate, votes_needed, win_rate
from penchant.store import Event, NewEvent
from penchant.study.alpha import WORTH, agreement_figures, agreement_of
from penchant.study.files import png_bytes
from penchant.study.study import Study

COMPARISON = "versus"
RETRACTED = "versus_retracted"
_OLD = "comparison"
"""What the studio of version 0.1 wrote; read, and written no more."""
KINDS = (COMPARISON, RETRACTED, _OLD)
_WON = {"for": Choice.LEFT, "against": Choice.RIGHT, "tie": Choice.TIE}
_AT_ONCE = 32
_AHEAD = 9
"""Pairs that a page may have loaded."""
_LOOKED_FOR = 0.6
"""The true win rate that votes are planned for while few are given."""
_FEW = 20
_ALIKE = 2000
"""Where more decisive votes than this are needed, two versions are as good as alike."""

Pixels = UInt8[np.ndarray, "c h w"]


@dataclass(frozen=True)
class Compared:
    """One answer, by version: which was preferred, of which pair of images (below 0: of an old log), by whom."""

    seq: int
    voter: str
    versions: tuple[int, int]
    pair: int
    choice: Choice
    """LEFT is the first of ``versions``, whatever side it was shown on."""


def comparisons(events: Sequence[Event]) -> list[Compared]:
    """The answers in the log that were not taken back, in order.

    Raises:
        StudyDamaged: one of them cannot be read.
    """
    found: dict[int, Compared] = {}
    for event in events:
        try:
            if event.kind == RETRACTED:
                found.pop(int(event.payload["seq"]), None)
            elif event.kind in (COMPARISON, _OLD):
                if event.kind == _OLD:
                    shown = int(event.payload["version"]), int(event.payload["against"])
                    answer, pair = _WON[event.payload["won"]], -1 - int(event.payload["number"])
                else:
                    shown = int(event.payload["left"]), int(event.payload["right"])
                    answer, pair = Choice(event.choice or ""), int(event.payload["pair"])
                choice = answer if shown[0] < shown[1] else answer.swapped
                versions = min(shown), max(shown)
                found[event.seq] = Compared(event.seq, event.voter, versions, pair, choice)
        except (KeyError, TypeError, ValueError) as error:
            raise StudyDamaged(f"event {event.seq}, a {event.kind}, cannot be read: {error}") from None
    return list(found.values())


@dataclass(frozen=True)
class Result:
    """Where the comparison of ``first`` with ``second`` stands; ``rate`` is the share of wins of the first."""

    first: int
    second: int
    rate: WinRate
    both_bad: int
    skipped: int
    voters: tuple[str, ...]
    needed: int | None
    agreement: Agreement
    """Of the voters with each other, on the pairs that several answered."""

    @property
    def decided(self) -> bool:
        """Whether the interval leaves one half out."""
        return self.rate.high < 0.5 or self.rate.low > 0.5

    @property
    def sentence(self) -> str:
        """What came out, no more than the interval holds."""
        rate = self.rate
        votes = round(rate.n * (1 - rate.tie_rate))
        if votes == 0:
            return "No vote so far prefers one of the two."
        told = f"{rate.value:.0%} of {votes} decisive votes ({rate.low:.0%} to {rate.high:.0%})"
        if self.decided:
            better, worse = (self.first, self.second) if rate.value > 0.5 else (self.second, self.first)
            return f"Version {better} is preferred to version {worse}: version {self.first} won {told}."
        more = (
            f"some {self.needed} more decisive votes would tell"
            if self.needed is not None
            else "they are so alike that thousands of votes would not tell"
        )
        return f"No preference is shown: version {self.first} won {told}; {more}."

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        rate = self.rate
        return {
            "first": self.first,
            "second": self.second,
            "win_rate": rate.value,
            "win_rate_interval": [rate.low, rate.high],
            "tie_rate": rate.tie_rate,
            "votes": rate.n,
            "both_bad": self.both_bad,
            "skipped": self.skipped,
            "voters": list(self.voters),
            **agreement_figures(self.agreement),
            "decided": self.decided,
            "votes_still_needed": self.needed,
            "sentence": self.sentence,
        }


def result(study: Study, first: str | int, second: str | int) -> Result:
    """What all voters together said of two versions so far."""
    one, other = _numbers(study, first, second)
    found = [
        each
        for each in comparisons(study.store.events(kinds=KINDS))
        if each.versions == (min(one, other), max(one, other))
    ]
    choices = [each.choice if one < other else each.choice.swapped for each in found]
    counted = {choice: choices.count(choice) for choice in Choice}
    rate = win_rate(counted[Choice.LEFT], counted[Choice.RIGHT], counted[Choice.TIE])
    return Result(
        first=one,
        second=other,
        rate=rate,
        both_bad=counted[Choice.BOTH_BAD],
        skipped=counted[Choice.SKIP],
        voters=tuple(sorted({each.voter for each in found})),
        needed=_still_needed(counted[Choice.LEFT], counted[Choice.RIGHT]),
        agreement=agreement_on(found, study.rng.child("comparison", "agreement")),
    )


def agreement_on(found: Sequence[Compared], rng: Rng) -> Agreement:
    """Krippendorff's α of the voters on the pairs that several answered."""
    given = {
        (each.voter, (each.versions, each.pair)): WORTH[each.choice]
        for each in found
        if each.pair > 0 and each.choice in WORTH
    }
    return agreement_of(given, rng)


def _still_needed(wins: int, losses: int) -> int | None:
    """Decisive votes until a verdict with a probability of 80%, if it goes on like this; None: more than 2,000."""
    decisive = wins + losses
    rate = (wins + 1) / (decisive + 2) if decisive >= _FEW else _LOOKED_FOR
    needed = votes_needed(rate)
    return None if not math.isfinite(needed) or needed > _ALIKE else max(0, int(needed) - decisive)


def compare(
    study: Study, first: str | int, second: str | int, voter: str, count: int, report: Report = silent
) -> Result:
    """``count`` more comparisons by a simulated voter or a Python function.

    Raises:
        UnknownName, VoterFailed: there is no such version or voter, or it failed; answers given so far are kept.
        Interrupted: Ctrl-C; answers given so far are kept.
    """
    session = BlindComparison(study, first, second, voter, count)
    answering = study.voter(voter)
    try:
        for given in range(1, count + 1):
            pair = session.ask()
            rng = study.rng.child("comparison", "voter", voter, *session.versions, pair.number).numpy()
            left, right = (to_float(pixels[None])[0] for pixels in session.shown(pair.number))
            session.tell(pair.number, answering.answer(left, right, rng), client_key=uuid.uuid4().hex)
            report(Progress("comparing", given / count))
    except KeyboardInterrupt:
        raise Interrupted(
            "the comparison was stopped; all answers are kept. Give the same command again to go on"
        ) from None
    return result(study, first, second)


@dataclass(frozen=True)
class BlindPair:
    """Two images to choose between; nothing in it says which version made which."""

    number: int
    left: str
    right: str


@dataclass(frozen=True)
class ComparisonState:
    """How far it is; nothing is told of the result before the end, so that it cannot sway anybody."""

    votes: int
    wanted: int
    learned: Mapping[str, str]


class BlindComparison:
    """One voter comparing two versions, for a page in the browser as for code.

    Pair k holds images of the same latents in both versions, drawn without choosing, and is the same for every voter,
    so that voters can be compared; the sides are a coin of its own for each voter. Answers go to the log as they are
    given, as events of a kind of their own, which no taste is learned from.

    Args:
        study: where the versions are, and where the answers go.
        first, second: the versions.
        voter: who compares.
        more: how many answers are wanted on top of those that this voter gave.
        session: under which name keys count; the same name finds an answer again after a restart.

    The log is read on every call, so that two of these (two tabs, the page and the command line) agree.
    """

    def __init__(
        self, study: Study, first: str | int, second: str | int, voter: str, more: int, session: str | None = None
    ):
        if more < 1:
            raise BadConfiguration(f"votes must be at least 1; found {more}")
        one, other = _numbers(study, first, second)
        self.versions = min(one, other), max(one, other)
        self._study, self._voter = study, voter
        self._session = session or uuid.uuid4().hex
        self._events: list[Event] = []
        self._wanted = len(self._answered()) + more
        self._batches: dict[int, tuple[Any, Any]] = {}
        self._pngs: dict[str, bytes] = {}

    def ask(self) -> BlindPair:
        """The pair to answer now; the same one until it is answered."""
        return self._pair(self._following(1)[0])

    def prefetch(self, count: int) -> Sequence[BlindPair]:
        """The pairs after that one."""
        return [self._pair(number) for number in self._following(count + 1)[1:]]

    def tell(
        self,
        query: int,
        choice: Choice,
        *,
        client_key: str,
        shown_at: float | None = None,
        response_ms: float | None = None,
        hidden_ms: float | None = None,
        input: str | None = None,
        viewport: str | None = None,
    ) -> int:
        """Store an answer, then give the number of answers. The same key again counts once.

        Raises:
            BadVote: a pair that was not asked or is answered, or the key was used for something else.
        """
        if self._study.store.sent(self._session, client_key) is None:
            answered = any(each.pair == query for each in self._answered())
            if answered or query not in self._following(_AHEAD):
                raise BadVote(f"pair {query} was answered already, or was not asked")
        left, right = self._sides(query)
        self._study.store.append(
            NewEvent(
                kind=COMPARISON,
                voter=self._voter,
                session=self._session,
                client_key=client_key,
                choice=choice,
                shown_at=shown_at,
                response_ms=response_ms,
                hidden_ms=hidden_ms,
                input=input,
                viewport=viewport,
                payload={"left": left, "right": right, "pair": query},
            )
        )
        return len(self._answered())

    def undo(self, client_key: str | None = None) -> bool:
        """Take back this voter's last answer, once for each key; its pair is asked again."""
        if client_key is not None and self._study.store.sent(self._session, client_key) is not None:
            return True
        answered = self._answered()
        if not answered:
            return False
        payload = {"seq": answered[-1].seq}
        self._study.store.append(
            NewEvent(RETRACTED, self._voter, self._session, client_key or uuid.uuid4().hex, payload=payload)
        )
        return True

    def progress(self) -> ComparisonState:
        """Where it stands."""
        told = {"comparison": "Which do you like better? Nothing says which version made which."}
        return ComparisonState(len(self._answered()), self._wanted, told)

    def image_png(self, sha256: str) -> bytes:
        """An image that was shown; raises BadVote where there is none."""
        if sha256 not in self._pngs:
            raise BadVote(f"this comparison has no image '{sha256}'")
        return self._pngs[sha256]

    def shown(self, number: int) -> tuple[Pixels, Pixels]:
        """The pixels of both sides of a pair."""
        left, _ = self._sides(number)
        images = self._images(number)
        return images if left == self.versions[0] else (images[1], images[0])

    def _answered(self) -> list[Compared]:
        """This voter's answers that count, by whatever page or process they came."""
        after = self._events[-1].seq if self._events else 0
        self._events += self._study.store.events(after, kinds=KINDS)
        found = comparisons(self._events)
        return [each for each in found if (each.voter, each.versions) == (self._voter, self.versions) and each.pair > 0]

    def _following(self, count: int) -> list[int]:
        """The numbers of the next pairs, from 1."""
        done = {each.pair for each in self._answered()}
        numbers = (number for number in range(1, len(done) + count + 1) if number not in done)
        return [number for number, _ in zip(numbers, range(count), strict=False)]

    def _pair(self, number: int) -> BlindPair:
        pngs = [png_bytes(pixels) for pixels in self.shown(number)]
        names = [sha256(png).hexdigest() for png in pngs]
        self._pngs |= dict(zip(names, pngs, strict=True))
        return BlindPair(number, *names)

    def _sides(self, number: int) -> tuple[int, int]:
        coin = self._study.rng.child("comparison", "sides", self._voter, *self.versions, number).numpy().random()
        return self.versions if coin < 0.5 else (self.versions[1], self.versions[0])

    def _images(self, number: int) -> tuple[Pixels, Pixels]:
        batch, row = divmod(number - 1, _AT_ONCE)
        if batch not in self._batches:
            rng = self._study.rng.child("comparison", "latents", batch)
            both = [to_uint8(generator.sample(_AT_ONCE, rng)) for generator in self._generators]
            self._batches[batch] = both[0], both[1]
        one, other = self._batches[batch]
        return one[row], other[row]

    @cached_property
    def _generators(self) -> list[Any]:
        return [self._study.generator(version) for version in self.versions]


def _numbers(study: Study, first: str | int, second: str | int) -> tuple[int, int]:
    one, other = (study.versions.named(name).number for name in (first, second))
    if one == other:
        raise BadConfiguration(f"'{first}' and '{second}' are both version {one}; a comparison needs two versions")
    return one, other
