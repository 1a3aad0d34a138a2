"""The studio as a web application: the JSON API of one study for many voters, and its description."""

from importlib.metadata import version
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from penchant.core.errors import PenchantError
from penchant.studio import _shapes as shapes
from penchant.studio._access import HOSTS, SafeHeaders
from penchant.studio._admin_api import AdminApi
from penchant.studio._export_api import ExportApi
from penchant.studio._limits import SmallRequests
from penchant.studio._operations import Meter, Metered, OperationsApi
from penchant.studio._refusals import refusal
from penchant.studio._shared import SharedStudy
from penchant.studio._visitors import Visitor
from penchant.studio._voting_api import VotingApi

ABOUT = """Votes on pairs of images, and what they taught.

Let in by a cookie (`/?token=…` for the owner, `/?invite=…` for others) or, for programs of the owner, by
`Authorization: Bearer TOKEN`. Changes by cookie need `Origin` and `X-CSRF-Token` (which `/api/v1/me` says). A vote is
answered when it is on the disk; the same Idempotency-Key and body again changes nothing."""


def api_app(shared: SharedStudy) -> FastAPI:
    """The application that serves a study's JSON API alone, with an entrance; programs need no pages."""
    app = FastAPI(
        title="Penchant", version=version("penchant"), description=ABOUT, openapi_url=None, docs_url=None,
        redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    add_api(app, shared)

    @app.get("/", include_in_schema=False)
    async def enter(
        request: Request, token: Annotated[str | None, Query()] = None, invite: Annotated[str | None, Query()] = None
    ) -> Response:
        return entered(shared, request, token, invite)

    for cause in (PenchantError, StarletteHTTPException, RequestValidationError):
        app.add_exception_handler(cause, refused)
    app.add_middleware(SmallRequests)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts_of(shared), www_redirect=False)
    app.add_middleware(SafeHeaders)
    return app


def add_api(app: FastAPI, shared: SharedStudy) -> None:
    """Add all JSON routes, and count what is asked."""
    meter = Meter()
    for api in (VotingApi(shared), ExportApi(shared), AdminApi(shared), OperationsApi(shared, meter)):
        api.add_to(app)

    @app.get("/api/v1/openapi.json", tags=["operations"], responses=shapes.refusals())
    async def description(_who: Annotated[Visitor, Depends(shared.visitors.visitor)]) -> dict[str, Any]:
        """This description."""
        return app.openapi()

    app.add_middleware(Metered, meter=meter)


def entered(shared: SharedStudy, request: Request, token: str | None, invite: str | None) -> Response:
    """Let the browser in and clean its address: the answer to an address with a token or an invitation."""
    response = Response(status_code=303, headers={"Location": "/"})
    shared.visitors.enter(request, response, token, invite)
    return response


async def refused(_request: Request, error: Exception) -> Response:
    """Every refusal is a sentence, in JSON."""
    status, text, headers = refusal(error)
    return JSONResponse({"error": text}, status_code=status, headers=headers)


def hosts_of(shared: SharedStudy) -> list[str]:
    """The hosts a request may name: this machine's, and that of the address people use."""
    own = urlsplit(shared.origin).hostname if shared.origin else None
    return [*HOSTS, own] if own else list(HOSTS)
