"""Who may use the page: a secret for each run, a check that requests come from the page, headers that say no."""

import hmac
import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from fastapi import HTTPException, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penchant.core.errors import StudyDamaged
from penchant.study.files import storage_errors

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
    """Secrets of 256 bits each: ``token`` opens the page, ``csrf`` proves that the page is speaking.

    Fresh ones where a page is served once; those of :func:`kept_access` for a studio, so that pages which are open when
    it is killed go on with the next one, and so that several processes let in the same people.
    """

    token: str = field(default_factory=_secret)
    csrf: str = field(default_factory=_secret)

    @property
    def cookie(self) -> str:
        """The cookie's name: two studies on one machine share a host, so each has a name of its own."""
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


def kept_access(study: Path) -> Access:
    """The secrets of a study's studio: made at its first start, in a file that only its owner may read.

    Removing ``studio.json`` takes all addresses and the owner's cookies back; invitations are not touched by it.

    Raises:
        StudyDamaged: the file is not what was written.
        StorageFull, BadConfiguration: it cannot be written.
    """
    path = study / "studio.json"
    if not path.exists():
        made = path.with_name(f"studio.{secrets.token_hex(8)}.partial")
        with storage_errors(study):
            try:
                with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    json.dump(asdict(Access()), file)
                with suppress(FileExistsError):  # another process was quicker: its secrets are everybody's
                    os.link(made, path)
            finally:
                made.unlink(missing_ok=True)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        access = Access(str(kept["token"]), str(kept["csrf"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyDamaged(f"{path} cannot be read ({error}); remove it, and the studio makes a new one") from None
    if min(len(access.token), len(access.csrf)) < len(_secret()):
        raise StudyDamaged(f"the secrets in {path} are too short; remove it, and the studio makes a new one")
    return access


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
