"""The voting page as a web application: a page, its pairs, votes and images; nothing else."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from penchant.core.contracts import Choice
from penchant.core.errors import (
    BadVote,
    PenchantError,
)
from penchant.studio._access import HOSTS, Access, SafeHeaders
from penchant.studio._limits import SmallRequests
from penchant.studio._refusals import refusal
from penchant.studio._session import VotingSession
from penchant.studio._shapes import refusals
from penchant.studio._texts import texts_for

_HERE = Path(__file__).parent
_TEMPLATES = Jinja2Templates(_HERE / "templates")
_SECONDS_AFTER_DONE = 10.0
_UNDO_KEYS_KEPT = 1000

Key = Annotated[str, Header(alias="Idempotency-Key", pattern=r"^[A-Za-z0-9_-]{8,100}$")]


class Vote(BaseModel):
    """One answer, as the page sends it; durations in milliseconds, ``shown_at`` in seconds since 1970."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: int = Field(ge=1)
    choice: Choice
    shown_at: float | None = Field(None, ge=0, allow_inf_nan=False)
    response_ms: float | None = Field(None, ge=0, allow_inf_nan=False)
    hidden_ms: float | None = Field(None, ge=0, allow_inf_nan=False)
    input: Literal["keyboard", "mouse", "touch", "pen"] | None = None
    viewport: str | None = Field(None, pattern=r"^\d{1,5}x\d{1,5}@\d{1,2}(\.\d{1,3})?$")


class VotingPage:
    """The handlers. They are coroutines without waiting inside: one at a time, in the thread that serves."""

    def __init__(self, session: VotingSession, access: Access, stop: Callable[[], None]):
        self._session = session
        self._access = access
        self._stop = stop
        self._undone: OrderedDict[str, bool] = OrderedDict()

    async def enter(self, request: Request, token: str | None = None) -> Response:
        """The page; an address with the right token lets the browser in and is then cleaned."""
        if token is not None and self._access.opens(token):
            response = RedirectResponse("/", status_code=303)
            self._access.remember(response)
            return response
        self._access.require_visitor(request)
        context = {"csrf": self._access.csrf, "run": self._access.cookie, "t": texts_for(request), "studio": False}
        return _TEMPLATES.TemplateResponse(request, "vote.html", context)

    async def pairs(self, n: Annotated[int, Query(ge=1, le=8)] = 3) -> dict[str, Any]:
        """The pair to answer now and those after it, so that the page can load their images ahead."""
        if self._progress()["done"]:
            return {"pairs": [], "progress": self._progress()}
        pairs = [self._session.ask(), *self._session.prefetch(n - 1)]
        listed = [{"query": pair.number, "left": pair.left, "right": pair.right} for pair in pairs]
        return {"pairs": listed, "progress": self._progress()}

    async def vote(self, vote: Vote, key: Key) -> dict[str, Any]:
        """Store a vote; answered only when it is on the disk. The same key and body again changes nothing."""
        votes = self._session.tell(
            vote.query,
            vote.choice,
            client_key=key,
            shown_at=vote.shown_at,
            response_ms=vote.response_ms,
            hidden_ms=vote.hidden_ms,
            input=vote.input,
            viewport=vote.viewport,
        )
        progress = self._progress()
        if progress["done"]:  # a page that never says goodbye must not keep the server waiting
            asyncio.get_running_loop().call_later(_SECONDS_AFTER_DONE, self._stop)
        return {"votes": votes, "progress": progress}

    async def undo(self, key: Key) -> dict[str, Any]:
        """Take back the last vote, once for each key."""
        if key not in self._undone:
            self._undone[key] = self._session.undo()
            if len(self._undone) > _UNDO_KEYS_KEPT:
                self._undone.popitem(last=False)
        return {"undone": self._undone[key], "progress": self._progress()}

    async def finish(self) -> Response:
        """The page has said thank you: the server may end, if the votes are all given."""
        if not self._progress()["done"]:
            raise HTTPException(409, "there are votes left to give")
        return JSONResponse({"finished": True}, background=BackgroundTask(self._end))

    async def image(self, sha256: Annotated[str, PathParameter(pattern=r"^[0-9a-f]{64}$")]) -> Response:
        """An image by the hash of its bytes; it can never change, so the browser may keep it."""
        try:
            png = self._session.image_png(sha256)
        except BadVote as error:
            raise HTTPException(404, str(error)) from None
        return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=604800, immutable"})

    async def _end(self) -> None:
        self._stop()

    def _progress(self) -> dict[str, Any]:
        progress = self._session.progress()
        return {
            "votes": progress.votes,
            "wanted": progress.wanted,
            "done": progress.votes >= progress.wanted,
            "learned": [{"topic": topic, "text": text} for topic, text in progress.learned.items()],
        }


def voting_app(
    session: VotingSession, access: Access | None = None, stop: Callable[[], None] = lambda: None
) -> FastAPI:
    """The application that lets one person vote on ``session``.

    Args:
        session: what is voted on.
        access: the secrets of this run; fresh ones by default.
        stop: called when the wanted number of votes is given and the page has said thank you.
    """
    access = access or Access()
    page = VotingPage(session, access, stop)
    app = bare_app("Penchant voting")
    app.add_api_route("/", page.enter, include_in_schema=False)
    app.add_api_route("/healthz", _healthy)
    add_voting(app, page, access)
    app.add_api_route("/api/v1/finish", page.finish, methods=["POST"], dependencies=[Depends(access.require_page)])
    return app


def add_voting(app: FastAPI, page: VotingPage, access: Access) -> None:
    """Pairs, votes, undo and the images that were shown."""
    visitor, own_page = [Depends(access.require_visitor)], [Depends(access.require_page)]
    app.add_api_route("/api/v1/pairs", page.pairs, dependencies=visitor)
    app.add_api_route("/api/v1/votes", page.vote, methods=["POST"], status_code=201, dependencies=own_page)
    app.add_api_route("/api/v1/undo", page.undo, methods=["POST"], dependencies=own_page)
    app.add_api_route("/images/{sha256}", page.image, dependencies=visitor)


def bare_app(title: str, about: str = "", hosts: Sequence[str] = HOSTS) -> FastAPI:
    """An application without pages: static files, refusals in words, small requests, safe headers."""
    app = FastAPI(
        title=title, version=version("penchant"), description=about, openapi_url=None, docs_url=None, redoc_url=None,
        redirect_slashes=False, responses=refusals(404, 409),
    )  # fmt: skip
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    app.add_exception_handler(PenchantError, _refused)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_middleware(SmallRequests)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(SafeHeaders)
    return app


async def _healthy() -> dict[str, str]:
    return {"status": "ok"}


async def _refused(request: Request, error: Exception) -> Response:
    """Every refusal is a sentence, in JSON; opened by a person, a small page."""
    status, text, headers = refusal(error)
    accepted = request.headers.get("accept", "")
    if "text/html" in accepted or (request.url.path == "/" and "application/json" not in accepted):
        context = {"t": texts_for(request), "status": status, "text": text}
        return _TEMPLATES.TemplateResponse(request, "refused.html", context, status_code=status)
    return JSONResponse({"error": text}, status_code=status, headers=headers)
