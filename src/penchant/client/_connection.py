"""Requests to a studio: let in by the address, sent again under the same key, every refusal in words."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from penchant.core.errors import BadConfiguration, PenchantError

_TRIES = 4
_FIRST_WAIT = 0.25
_MOST_WAIT = 10.0


class Refused(PenchantError):
    """The studio said no, and why; ``status`` is that of HTTP: 403 not let in, 404 none, 409 contradicts, 429 quota."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


class Unreachable(PenchantError):
    """No studio answers there; whether what was sent last arrived is not known, sending it again is safe."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Any

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        """Redirections are answers: what is behind them is a page."""


@dataclass
class Connection:
    """One studio and the right to speak to it.

    Args:
        origin: ``http://127.0.0.1:8000``, or ``https://…`` where a proxy serves it.
        timeout: seconds that one answer may take.
    """

    origin: str
    timeout: float
    _headers: dict[str, str] = field(default_factory=dict[str, str])
    _opener: urllib.request.OpenerDirector = field(init=False)

    def __post_init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(cookies, _NoRedirect())

    @staticmethod
    def to(address: str, timeout: float) -> "Connection":
        """Come in by the address that the studio printed, or by an invitation's link.

        Raises:
            BadConfiguration: the address is no such address.
            Refused: its token or invitation is wrong, has expired or was taken back.
            Unreachable: nobody answers there.
        """
        parts = urlsplit(address)
        asked = parse_qs(parts.query)
        token, invite = asked.get("token", [""])[0], asked.get("invite", [""])[0]
        if parts.scheme not in ("http", "https") or not parts.netloc or not (token or invite):
            raise BadConfiguration(
                "a client needs the address that the studio printed, http://…/?token=…, or an invitation's link, "
                f"http://…/?invite=…; found '{parts.scheme}://{parts.netloc}{parts.path}'"  # the secret is not repeated
            )
        connection = Connection(f"{parts.scheme}://{parts.netloc}", timeout)
        if token:
            connection._headers = {"Authorization": f"Bearer {token}"}
        else:
            connection.ask("GET", f"/?invite={invite}", accepted=(303,))
            csrf = str(connection.ask("GET", "/api/v1/me").json()["csrf"])
            connection._headers = {"Origin": connection.origin, "X-CSRF-Token": csrf}
        return connection

    def change(self, method: str, path: str, body: object = None) -> Answer:
        """Ask for a change under a key of its own: however often it has to be sent, it is done once."""
        return self.ask(method, path, body, uuid4().hex)

    def ask(
        self, method: str, path: str, body: object = None, key: str | None = None, accepted: tuple[int, ...] = ()
    ) -> Answer:
        """Ask, again after a while where nobody answers or the studio is busy.

        Raises:
            Refused: the studio said no.
            Unreachable: nobody answered, however often it was tried.
        """
        wait = _FIRST_WAIT
        for left in reversed(range(_TRIES)):
            try:
                answer = self._sent(method, path, body, key)
            except (urllib.error.URLError, OSError) as error:
                if left == 0:
                    raise Unreachable(f"no studio answers at {self.origin}: {error}; is it still running?") from None
            else:
                if answer.status < 300 or answer.status in accepted:
                    return answer
                pause = answer.headers.get("Retry-After")
                if left == 0 or not (answer.status == 503 or (answer.status == 429 and pause)):
                    raise Refused(answer.status, _said(answer))
                wait = max(wait, float(pause or 0))
            time.sleep(min(wait, _MOST_WAIT))
            wait *= 2
        raise Unreachable(f"no studio answers at {self.origin}")

    def _sent(self, method: str, path: str, body: object, key: str | None) -> Answer:
        headers = {**self._headers, "Accept": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.origin + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                return Answer(response.status, response.read(), response.headers)
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, refused.read(), refused.headers)


def _said(answer: Answer) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the studio answered with status {answer.status}"
