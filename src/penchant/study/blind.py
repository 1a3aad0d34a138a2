"""Two versions compared by a person who does not see which is which."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from penchant.core.contracts import Choice
from penchant.core.errors import BadConfiguration, BadVote
from penchant.data import to_uint8
from penchant.metrics import WinRate, win_rate
from penchant.store import NewEvent
from penchant.study.study import Study

KIND = "comparison"
"""The event's kind; a taste learns nothing from it."""


@dataclass(frozen=True)
class Blind:
    """Pairs of the same fresh latents, one image by each version, sides by a fair coin.

    Pair ``number`` is always the same, so that it can be shown again; it was never voted on. The taste learns nothing
    from the answers, so they stay an independent check of it.

    Args:
        study: where the answers are stored.
        version: the version that may be better.
        against: what it is compared with.

    Raises:
        UnknownName: there is no such version.
        BadConfiguration: both are the same.
    """

    study: Study
    version: int
    against: int = 1

    def __post_init__(self) -> None:
        self.study.versions.named(self.version)
        self.study.versions.named(self.against)
        if self.version == self.against:
            raise BadConfiguration(f"a comparison needs two versions; found {self.version} twice")

    def next(self, voter: str) -> int:
        """The number of the first pair that ``voter`` has not answered."""
        answered = {answer["number"] for answer in self._answers(voter)}
        return next(number for number in range(len(answered) + 1) if number not in answered)

    def image(self, number: int, left: bool) -> UInt8[np.ndarray, "c h w"]:
        """One image of a pair."""
        version = self.version if left == self._left(number) else self.against
        base = self.study.generator("base")
        latents = base.latents(1, self.study.rng.child("blind", number))
        with torch.no_grad():
            return to_uint8(self.study.generator(version).decode(latents))[0]

    def answer(self, number: int, choice: Choice, voter: str, session: str, key: str) -> None:
        """Store an answer for good; the same key again changes nothing.

        Raises:
            BadVote: this pair was answered already, or cannot be answered that way, or the key was used for another.
        """
        if choice not in (Choice.LEFT, Choice.RIGHT, Choice.TIE):
            raise BadVote(f"a comparison is answered by left, right or tie; found {choice}")
        won = "tie" if choice is Choice.TIE else "for" if (choice is Choice.LEFT) == self._left(number) else "against"
        payload = {"version": self.version, "against": self.against, "number": number, "won": won}
        known = [one for one in self.study.store.events() if one.kind == KIND and one.voter == voter]
        for event in known:
            if all(event.payload[name] == payload[name] for name in ("version", "against", "number")):
                if (event.session, event.client_key, event.payload["won"]) == (session, key, won):
                    return
                raise BadVote(f"pair {number} of this comparison was answered already")
        self.study.store.append(NewEvent(kind=KIND, voter=voter, session=session, client_key=key, payload=payload))

    def result(self) -> WinRate:
        """How often ``version`` was chosen, by everybody; ties are told beside it (Wilson, 95%)."""
        won = [answer["won"] for answer in self._answers()]
        return win_rate(won.count("for"), won.count("against"), won.count("tie"))

    def _answers(self, voter: str | None = None) -> list[dict[str, Any]]:
        return [
            dict(event.payload)
            for event in self.study.store.events()
            if event.kind == KIND
            and voter in (None, event.voter)
            and (event.payload["version"], event.payload["against"]) == (self.version, self.against)
        ]

    def _left(self, number: int) -> bool:
        """Whether ``version`` is on the left."""
        rng = self.study.rng.child("blind sides", self.version, self.against, number).numpy()
        return bool(rng.random() < 0.5)
