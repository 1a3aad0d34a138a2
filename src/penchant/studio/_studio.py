"""The studio as a web application: voting, the pages around it, and what is made meanwhile."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from penchant.core.errors import BadConfiguration
from penchant.studio._access import Access
from penchant.studio._app import VotingPage, add_voting, bare_app
from penchant.studio._pages import add_pages
from penchant.studio._rounds import Rounds
from penchant.studio._work import Work
from penchant.study import Study

ROUND = 40
"""Votes after which the page offers to align."""


class Studio:
    """One study in the browser; ``app`` is the application, :meth:`close` ends what it is making.

    Everything but the work that is being made runs in the serving thread, one request at a time.
    """

    def __init__(self, study: Study, access: Access | None = None, votes: int = ROUND):
        if votes < 1:
            raise BadConfiguration(f"a round has at least 1 vote; found {votes}")
        self._access = access or Access()
        rounds = Rounds(study, votes)
        self._work = Work(study, rounds.next_round)
        self._study = study
        self.app: FastAPI = bare_app("Penchant studio")
        self.app.add_api_route("/", self._enter, include_in_schema=False)
        add_voting(self.app, VotingPage(rounds, self._access, _stay), self._access)
        add_pages(self.app, study, self._access, self._work, rounds)

    def close(self) -> None:
        """End what is being made, and wait until it has ended."""
        self._work.stop(wait=True)

    async def _enter(self, request: Request, token: str | None = None) -> Response:
        """An address with the right token lets the browser in; then to where something can be done."""
        if token is not None and self._access.opens(token):
            response = RedirectResponse("/", status_code=303)
            self._access.remember(response)
            return response
        self._access.require_visitor(request)
        return RedirectResponse("/vote" if self._study.versions.all() else "/runs", status_code=303)


def _stay() -> None:
    """The studio goes on when a round is complete."""
