"""The studio as a web application: voting, the pages around it, and what is made meanwhile."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from penchant.core.errors import BadConfiguration
from penchant.studio._access import Access
from penchant.studio._api import ABOUT, add_api, entered, hosts_of
from penchant.studio._app import bare_app
from penchant.studio._log import Logged
from penchant.studio._pages import add_pages
from penchant.studio._rounds import Rounds
from penchant.studio._shared import SharedStudy
from penchant.studio._work import Work
from penchant.study import Study

ROUND = 40
"""Votes after which the page offers to align."""


class Studio:
    """One study in the browser; ``app`` is the application, :meth:`close` ends what it is making.

    Votes are stored in a thread of their own, before they are acknowledged; pairs are made in others, one at a time;
    the pages look at the study in the serving thread while no pair is made.

    Args:
        study: opened for writing.
        access: the secrets of this run; fresh ones by default.
        votes: in a round of the owner's.
        origin: the address people use, where it is not this machine's.
    """

    def __init__(self, study: Study, access: Access | None = None, votes: int = ROUND, origin: str | None = None):
        if votes < 1:
            raise BadConfiguration(f"a round has at least 1 vote; found {votes}")
        rounds = Rounds(study, votes)
        self._work = Work(study)
        self._shared = SharedStudy(study, access or Access(), origin, rounds=rounds)
        self.app: FastAPI = bare_app("Penchant", ABOUT, hosts_of(self._shared))
        self.app.add_api_route("/", self._enter, include_in_schema=False)
        add_api(self.app, self._shared)
        add_pages(self.app, self._shared, self._work, rounds)
        self.app.add_middleware(Logged)

    def close(self) -> None:
        """End what is being made, and wait until it has ended."""
        self._work.stop(wait=True)

    async def _enter(self, request: Request, token: str | None = None, invite: str | None = None) -> Response:
        """An address with a token or an invitation lets the browser in; then to where something can be done."""
        if token is not None or invite is not None:
            return entered(self._shared, request, token, invite)
        who = await self._shared.visitors.visitor(request)
        ready = bool(self._shared.study.versions.all())
        return RedirectResponse("/vote" if ready or not who.owner else "/runs", status_code=303)
