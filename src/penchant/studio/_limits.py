"""How much one visitor may ask in a moment, and how large a request may be."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAMES_KEPT = 10_000


@dataclass
class RateLimit:
    """A token bucket a name: ``burst`` requests at once, ``a_second`` on average; old names are forgotten.

    >>> limit = RateLimit(burst=1, a_second=2, now=lambda: 100.0)
    >>> limit.wait("anna"), limit.wait("anna"), limit.wait("ben")
    (0.0, 0.5, 0.0)
    """

    burst: float
    a_second: float
    now: Callable[[], float] = time.monotonic
    _buckets: OrderedDict[str, tuple[float, float]] = field(
        default_factory=lambda: OrderedDict[str, tuple[float, float]]()
    )

    def wait(self, name: str) -> float:
        """Zero, and the request is counted; or how many seconds until one is allowed again, and it is not."""
        left = self._left(name)
        allowed = left >= 1
        self._buckets.pop(name, None)
        self._buckets[name] = (left - 1 if allowed else left, self.now())
        if len(self._buckets) > _NAMES_KEPT:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self.a_second

    def spent(self, name: str) -> float:
        """The same without counting anything."""
        return max(0.0, (1 - self._left(name)) / self.a_second)

    def _left(self, name: str) -> float:
        left, then = self._buckets.get(name, (self.burst, self.now()))
        return min(self.burst, left + (self.now() - then) * self.a_second)


class SmallRequests:
    """Middleware: a body of more than ``most`` bytes is refused with 413 before anything reads it whole."""

    def __init__(self, app: ASGIApp, most: int = 65_536):
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most:
                await _too_large(send, self._most)
                return
        given = False

        async def whole() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, whole, send)


async def _too_large(send: Send, most: int) -> None:
    text = json.dumps({"error": f"a request has at most {most} bytes"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text})
