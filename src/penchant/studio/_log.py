"""What the studio did, a JSON object a line, for whatever collects logs; no secret, voter or answer is in it."""

import json
import logging
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGER = logging.getLogger("penchant.studio")


class JsonLines(logging.Formatter):
    """A record as one line of JSON: ``at`` (ISO 8601, UTC), ``level``, ``event``, and what belongs to it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "figures", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


@contextmanager
def json_lines(stream: TextIO | None = None) -> Generator[None]:
    """Write what the studio and its server say to ``stream`` (stderr by default) as JSON.

    Requests are of level INFO; what the server cannot answer for is ERROR, with its traceback in ``error``.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    loggers = (LOGGER, logging.getLogger("uvicorn.error"))
    LOGGER.setLevel(logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        LOGGER.setLevel(logging.NOTSET)
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True


def note(event: str, **figures: Any) -> None:
    """Say that something happened, where somebody listens."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info(event, extra={"figures": figures})


class Logged:
    """Middleware: a line a request, by the route it matched, never by what somebody made up or a link holds."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not LOGGER.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            milliseconds = round(1000 * (time.perf_counter() - started), 2)
            route = getattr(scope.get("route"), "path", "other")
            note("request", method=scope["method"], route=route, status=status, ms=milliseconds)
