"""The pages where two versions are compared blindly, and where all of them stand; what their scripts ask for."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from penchant.core.contracts import Choice
from penchant.core.errors import NotReady
from penchant.studio._texts import Texts, texts_for
from penchant.study import HUMAN, Study
from penchant.study.comparing import KINDS, BlindComparison, Result, comparisons, result
from penchant.study.files import png_bytes
from penchant.study.leaderboard import Leaderboard, leaderboard

_SESSION = "blind comparison"
_KNOWN_AHEAD = 2
_KEPT = {"Cache-Control": "private, max-age=3600"}
"""A pair never changes, and the one after it is loaded ahead."""

Version = Annotated[int, Query(ge=1)]
Key = Annotated[str, Header(alias="Idempotency-Key", pattern=r"^[A-Za-z0-9_-]{8,100}$")]


class Compared(BaseModel):
    """Which two versions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, le=2**31)
    against: int = Field(ge=1, le=2**31)


class Verdict(Compared):
    """One answer: which image of which pair of which comparison."""

    number: int = Field(ge=1, le=1_000_000)
    choice: Choice


@dataclass
class Compare:
    """The handlers; sides are known to the server alone until the result is asked for.

    Args:
        study: whose versions are compared.
        page: renders a template.
    """

    study: Study
    page: Callable[..., Response]
    _sessions: dict[tuple[int, int], BlindComparison] = field(default_factory=dict[tuple[int, int], BlindComparison])
    _board: tuple[int, Leaderboard] | None = None
    _ranking: threading.Lock = field(default_factory=threading.Lock)

    async def show(self, request: Request, version: Version, against: Version = 1) -> Response:
        """The page."""
        self._session(version, against)
        return self.page(request, "compare.html", "leaderboard", version=version, against=against)

    def standings(self, request: Request) -> Response:
        """The leaderboard: all versions in order, and every two that were compared.

        A plain function: its hundreds of fits run in a thread, votes are answered meanwhile; it reads the store alone.
        """
        versions = self.study.versions.all()
        if len(versions) < 2:
            return self.page(request, "leaderboard_empty.html", "leaderboard")
        texts = texts_for(request)
        shown = {version.number: version.kind for version in versions}
        board = self._standings()
        pairs = sorted({each.versions for each in comparisons(self.study.store.events(kinds=KINDS))}, reverse=True)
        verdicts = [
            {"version": newer, "against": older, "text": verdict(result(self.study, newer, older), texts)}
            for older, newer in pairs
        ]
        newest = versions[-1].number
        context = {"versions": shown, "board": board, "verdicts": verdicts, "newest": newest}
        return self.page(request, "leaderboard.html", "leaderboard", **context)

    async def image(
        self,
        version: Version,
        against: Version,
        number: Annotated[int, Query(ge=1, le=1_000_000)],
        side: Literal["left", "right"],
    ) -> Response:
        """One image of a pair."""
        left, right = self._session(version, against).shown(number)
        return Response(png_bytes(left if side == "left" else right), media_type="image/png", headers=_KEPT)

    async def next(self, version: Version, against: Version) -> dict[str, Any]:
        """The pair to answer now, the one after it, and how many were answered."""
        return self._state(version, against)

    async def answer(self, told: Verdict, key: Key) -> dict[str, Any]:
        """Store an answer; answered only when it is on the disk."""
        self._session(told.version, told.against).tell(told.number, told.choice, client_key=key)
        return self._state(told.version, told.against)

    async def undo(self, told: Compared, key: Key) -> dict[str, Any]:
        """Take back the last answer."""
        undone = self._session(told.version, told.against).undo(key)
        return {"undone": undone, **self._state(told.version, told.against)}

    async def result(self, request: Request, version: Version, against: Version) -> dict[str, Any]:
        """Where it stands: the figures of ``penchant compare --json``, and ``text`` in the visitor's language."""
        found = result(self.study, version, against)
        return {**found.as_json(), "text": verdict(found, texts_for(request))}

    def _session(self, version: int, against: int) -> BlindComparison:
        versions = min(version, against), max(version, against)
        if versions not in self._sessions:
            self._sessions[versions] = BlindComparison(self.study, version, against, HUMAN, 1, _SESSION)
        return self._sessions[versions]

    def _state(self, version: int, against: int) -> dict[str, Any]:
        session = self._session(version, against)
        following = [session.ask(), *session.prefetch(_KNOWN_AHEAD - 1)]
        return {"numbers": [pair.number for pair in following], "answers": session.progress().votes}

    def _standings(self) -> Leaderboard | None:
        """Made anew only after a new answer: its intervals take hundreds of fits."""
        events = self.study.store.events(kinds=KINDS)
        through = events[-1].seq if events else 0
        with self._ranking:  # who comes meanwhile waits for it instead of doing it too
            if self._board is None or self._board[0] != through:
                try:
                    self._board = through, leaderboard(self.study)
                except NotReady:
                    return None
            return self._board[1]


def verdict(found: Result, texts: Texts) -> str:
    """What ``found.sentence`` says, in a language."""
    rate = found.rate
    votes = round(rate.n * (1 - rate.tie_rate))
    if votes == 0:
        return texts("compare.nothing")
    shares = {name: f"{value:.0%}" for name, value in (("value", rate.value), ("low", rate.low), ("high", rate.high))}
    told = texts("compare.told", first=found.first, votes=votes, **shares)
    if found.decided:
        better, worse = (found.first, found.second) if rate.value > 0.5 else (found.second, found.first)
        return texts("compare.decided", better=better, worse=worse, told=told)
    if found.needed is None:
        return texts("compare.alike", told=told)
    return texts("compare.open", told=told, needed=found.needed)
