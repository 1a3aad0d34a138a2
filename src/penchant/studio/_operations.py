"""For whoever runs it: is it well, and how much is going on (Prometheus text format 0.0.4)."""

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penchant.core.errors import PenchantError
from penchant.studio import _shapes as shapes
from penchant.studio._shared import SharedStudy
from penchant.studio._visitors import Visitor

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class Meter:
    """Counts requests by method, route and status, and how long they took; a few hundred bytes a route."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter[tuple[str, str, int]])
    _buckets: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    _seconds: Counter[str] = field(default_factory=Counter[str])

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request, answered."""
        self.requests[method, route, status] += 1
        self._buckets.setdefault(route, [0] * (len(_BOUNDS) + 1))[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds[route] += seconds  # pyright: ignore[reportArgumentType]

    def lines(self) -> list[str]:
        """What was counted, as Prometheus reads it."""
        lines = ["# HELP penchant_requests_total Requests answered.", "# TYPE penchant_requests_total counter"]
        for (method, route, status), count in sorted(self.requests.items()):
            labels = f'method="{method}",route="{_escaped(route)}",status="{status}"'
            lines.append(f"penchant_requests_total{{{labels}}} {count}")
        name = "penchant_request_seconds"
        lines += [f"# HELP {name} How long answers took.", f"# TYPE {name} histogram"]
        for route, counts in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip([*map(str, _BOUNDS), "+Inf"], counts, strict=True):
                total += count
                lines.append(f'{name}_bucket{{route="{_escaped(route)}",le="{bound}"}} {total}')
            lines.append(f'{name}_sum{{route="{_escaped(route)}"}} {self._seconds[route]:.6f}')
            lines.append(f'{name}_count{{route="{_escaped(route)}"}} {total}')
        return lines


class Metered:
    """Middleware: every request is counted under the route it matched, never under what somebody made up."""

    def __init__(self, app: ASGIApp, meter: Meter):
        self._app, self._meter = app, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
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
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._meter.count(method, route, status, time.perf_counter() - started)


_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}


@dataclass(frozen=True)
class OperationsApi:
    """The handlers."""

    shared: SharedStudy
    meter: Meter

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""

        @app.get("/healthz", tags=["operations"], responses=shapes.refusals())
        async def healthy() -> dict[str, str]:
            """Whether it serves and its database answers."""
            try:
                self.shared.study.store.count_events()
            except PenchantError as error:
                raise HTTPException(503, str(error)) from None
            return {"status": "ok"}

        @app.get("/api/v1/belief", tags=["operations"], responses=shapes.refusals(409))
        def belief(_who: Annotated[Visitor, Depends(self.shared.visitors.owner)]) -> shapes.Belief:
            """What this process has learned, all that is stored included: to compare processes, or with a replay."""
            with self.shared.learning() as study:
                study.catch_up()
                taste = study.taste
                return shapes.Belief(through=taste.through, votes=len(taste.votes), sha256=taste.hash)

        @app.get("/metrics", tags=["operations"], response_class=PlainTextResponse, responses=shapes.refusals())
        async def metrics(who: Annotated[Visitor, Depends(self.shared.visitors.owner)]) -> PlainTextResponse:
            """Figures for Prometheus; with ``Authorization: Bearer`` and the token of the run."""
            lines = ["# HELP penchant_events Events stored, by kind.", "# TYPE penchant_events gauge"]
            counts = self.shared.study.store.count_events()
            lines += [f'penchant_events{{kind="{kind}"}} {count}' for kind, count in sorted(counts.items())]
            lines += self.meter.lines()
            return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
