"""The page where two versions are compared blindly, and what its script asks for."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from penchant.core.contracts import Choice
from penchant.study import HUMAN, Study
from penchant.study.blind import Blind
from penchant.study.files import png_bytes

_SESSION = "blind comparison"

Version = Annotated[int, Query(ge=1)]
Key = Annotated[str, Header(alias="Idempotency-Key", pattern=r"^[A-Za-z0-9_-]{8,100}$")]


class Verdict(BaseModel):
    """One answer: which image of which pair of which comparison."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1)
    against: int = Field(ge=1)
    number: int = Field(ge=0, le=1_000_000)
    choice: Literal["left", "right", "tie"]


class Compare:
    """The handlers; sides are known to the server alone until the result is asked for."""

    def __init__(self, study: Study, page: Callable[..., Response]):
        self._study = study
        self._page = page

    async def show(self, request: Request, version: Version, against: Version = 1) -> Response:
        """The page."""
        Blind(self._study, version, against)
        return self._page(request, "compare.html", "runs", version=version, against=against)

    async def image(
        self,
        version: Version,
        against: Version,
        number: Annotated[int, Query(ge=0, le=1_000_000)],
        side: Literal["left", "right"],
    ) -> Response:
        """One image of a pair."""
        pixels = Blind(self._study, version, against).image(number, side == "left")
        return Response(png_bytes(pixels), media_type="image/png")

    async def next(self, version: Version, against: Version) -> dict[str, Any]:
        """The pair to answer now, and how many were answered."""
        blind = Blind(self._study, version, against)
        return {"number": blind.next(HUMAN), "answers": blind.result().n}

    async def answer(self, verdict: Verdict, key: Key) -> dict[str, Any]:
        """Store an answer; answered only when it is on the disk."""
        blind = Blind(self._study, verdict.version, verdict.against)
        blind.answer(verdict.number, Choice(verdict.choice), HUMAN, _SESSION, key)
        return {"number": blind.next(HUMAN), "answers": blind.result().n}

    async def result(self, version: Version, against: Version) -> dict[str, Any]:
        """How often the version was chosen."""
        found = Blind(self._study, version, against).result()
        return {"value": found.value, "low": found.low, "high": found.high, "ties": found.tie_rate, "answers": found.n}
