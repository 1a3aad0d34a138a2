"""Who may use the page: a secret for each run, a check that requests come from the page, headers that say no."""

import hmac
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

from fastapi import HTTPException, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Access:
    """The secrets of one run, 256 bits each: ``token`` opens the page, ``csrf`` proves that the page is speaking."""

    token: str = field(default_factory=_secret)
    csrf: str = field(default_factory=_secret)

    @property
    def cookie(self) -> str:
        """The cookie's name: two runs on one machine share a host, so each has a name of its own."""
        return f"penchant_{sha256(self.token.encode()).hexdigest()[:12]}"

    def opens(self, token: str) -> bool:
        """Whether this is the token, compared in constant time."""
        return _equal(token, self.token)

    def remember(self, response: Response) -> None:
        """Let this browser in from now on."""
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="lax", path="/")

    def require_visitor(self, request: Request) -> None:
        """Refuse a browser that did not come by the address with the token."""
        if not self.opens(request.cookies.get(self.cookie, "")):
            raise HTTPException(403, "open the address that was printed when voting began")

    def require_page(self, request: Request) -> None:
        """Refuse a change that was not asked for by our own page: same origin and CSRF token."""
        self.require_visitor(request)
        if request.headers.get("origin") != f"http://{request.headers.get('host', '')}":
            raise HTTPException(403, "the request does not come from this page")
        if not _equal(request.headers.get("x-csrf-token", ""), self.csrf):
            raise HTTPException(403, "the page is out of date; reload it")


def _equal(found: str, wanted: str) -> bool:
    return hmac.compare_digest(found.encode(), wanted.encode())


class SafeHeaders:
    """Middleware: every answer has the security headers; nothing is kept by the browser unless it says so."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
