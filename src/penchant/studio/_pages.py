"""The pages around voting: gallery, taste, versions and help, with what their scripts ask for."""

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field

from penchant.core.errors import BadConfiguration
from penchant.studio._admin import Admin
from penchant.studio._compare import Compare
from penchant.studio._gallery import PAGE, Gallery, Order
from penchant.studio._portrait import TastePage, TasteShown
from penchant.studio._rounds import Rounds
from penchant.studio._shapes import refusals
from penchant.studio._shared import SharedStudy
from penchant.studio._sorting import SortingPages
from penchant.studio._texts import COOKIE, languages, texts_for
from penchant.studio._versions import versions_listed
from penchant.studio._visitors import Visitor
from penchant.studio._work import Work
from penchant.study import Study

TEMPLATES = Jinja2Templates(Path(__file__).parent / "templates")
PLACES = ("vote", "gallery", "taste", "label", "runs", "leaderboard", "admin", "help")
"""The pages, in the order in which they are offered."""
_YEAR = 365 * 24 * 3600
_MORE_VOTES = 20

Version = Annotated[int, Query(ge=1)]
Rows = Annotated[list[int], Query(min_length=1, max_length=PAGE)]
Name = Annotated[str, Field(min_length=1, max_length=60)]
Share = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Strongest = Annotated[float | None, Query(ge=1, le=1e6, allow_inf_nan=False)]


class Alignment(BaseModel):
    """What to align to: the study's own strength or another one; all votes together, or voters by their shares."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    like_best_of: Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)] | Literal["auto"] | None = None
    of: Annotated[dict[Name, Share], Field(min_length=1, max_length=20)] | None = None


class Pages:
    """The handlers; like those of voting they are coroutines without waiting inside."""

    def __init__(self, study: Study, shared: SharedStudy, work: Work, voting: Rounds):
        self._study = study
        self._shared = shared
        self._work = work
        self._voting = voting
        self._gallery = Gallery(study)
        self._taste = TastePage(study, self._gallery)

    # ------------------------------------------------------------------------------------------------------- pages

    async def vote(self, request: Request) -> Response:
        """Voting, inside the studio; before there is a generator, a face that says so."""
        if not self._study.versions.all():
            return self.page(request, "waiting.html", "vote")
        return self.page(request, "vote.html", "vote", studio=self._who(request).owner)

    async def gallery(self, request: Request) -> Response:
        """Before and after."""
        if not self._study.versions.all():
            return self.page(request, "waiting.html", "gallery")
        versions = self._study.versions.all()
        return self.page(request, "gallery.html", "gallery", versions=versions, count=len(self._study.pool("base")))

    async def taste(self, request: Request) -> Response:
        """The portrait."""
        if not self._study.versions.all():
            return self.page(request, "waiting.html", "taste")
        if not self._study.taste.votes:
            return self.page(request, "taste_empty.html", "taste")
        return self.page(request, "taste.html", "taste", **self._taste.context(texts_for(request)))

    async def runs(self, request: Request) -> Response:
        """The versions, and what is being made."""
        context = versions_listed(self._study, texts_for(request))
        return self.page(request, "runs.html", "runs", **context)

    async def help(self, request: Request) -> Response:
        """How it works."""
        return self.page(request, "help.html", "help")

    async def speak(
        self, language: Annotated[str, PathParameter(pattern="^[a-z]{2}$")], back: str = "/"
    ) -> RedirectResponse:
        """Choose the language, then go back to where one was."""
        if language not in languages():
            raise BadConfiguration(f"no language '{language}'; there are: {', '.join(languages())}")
        here = back if back in {f"/{place}" for place in PLACES} else "/"
        response = RedirectResponse(here, status_code=303)
        response.set_cookie(COOKIE, language, max_age=_YEAR, httponly=True, samesite="lax", path="/")
        return response

    # ------------------------------------------------------------------------------------------------ for scripts

    async def listed(
        self, version: str = "latest", order: Order = "drawn", page: Annotated[int, Query(ge=0, le=100_000)] = 0
    ) -> dict[str, Any]:
        """A page of the gallery."""
        return self._gallery.listed(version, order, page)

    async def strip(self, version: Version, row: Rows, best_of: Annotated[float, Query(ge=1, le=1e6)]) -> Response:
        """Candidates side by side, at a strength."""
        return Response(self._gallery.strip(version, row, best_of), media_type="image/png")

    async def candidate(
        self, version: Version, row: Annotated[int, Query(ge=0)], best_of: Strongest = None, save: bool = False
    ) -> Response:
        """One candidate as PNG; to be saved as a file, where that is asked for."""
        strength = self._gallery.strengths.of(version)[-1] if best_of is None else best_of
        name = f"version-{version}-candidate-{row}-best-of-{strength:g}.png"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'} if save else {}
        return Response(self._gallery.strip(version, [row], strength), media_type="image/png", headers=headers)

    def told(self, request: Request) -> TasteShown:
        """The taste learned so far, in the visitor's language: a plain function, it takes some tenths of a second."""
        with self._shared.learning() as study:
            study.catch_up()
            return self._taste.shown(texts_for(request))

    async def working(self) -> dict[str, Any]:
        """What is being made, and how far it is."""
        return self._work.state()

    async def align(self, asked: Alignment) -> dict[str, Any]:
        """Begin to align."""
        self._work.align(asked.like_best_of, asked.of)
        return self._work.state()

    async def feed(self) -> dict[str, Any]:
        """Begin to train afresh, on kept generated images too."""
        self._work.feed()
        return self._work.state()

    async def train(self) -> dict[str, Any]:
        """Begin to train."""
        self._work.train()
        return self._work.state()

    async def stop(self) -> dict[str, Any]:
        """End what is being made."""
        self._work.stop()
        return self._work.state()

    async def more(self) -> dict[str, Any]:
        """Some more votes before the next alignment."""
        self._voting.extend(_MORE_VOTES)
        return {"more": _MORE_VOTES}

    def _who(self, request: Request) -> Visitor:
        """The visitor, whom a dependency has let in already."""
        return self._shared.visitors.known(request)

    def page(self, request: Request, template: str, here: str, **context: Any) -> Response:
        """A page with what all of them need."""
        texts = texts_for(request)
        shared = {
            "t": texts,
            "here": here,
            "places": PLACES,
            "languages": languages(),
            "csrf": self._who(request).csrf,
            "run": f"{self._shared.name}-{self._who(request).session}",
        }
        return TEMPLATES.TemplateResponse(request, template, {**shared, **context})


def add_pages(app: FastAPI, shared: SharedStudy, work: Work, voting: Rounds) -> None:
    """All pages of the studio but the entrance, and what their scripts ask for; who was invited votes, and no more."""
    pages, visitors = Pages(shared.study, shared, work, voting), shared.visitors
    studying = Depends(shared.studying)
    anybody = [Depends(visitors.visitor), studying]
    visitor, own_page = [Depends(visitors.owner), studying], [Depends(visitors.owner_page), studying]
    for name in ("gallery", "taste", "runs"):
        app.add_api_route(f"/{name}", getattr(pages, name), dependencies=visitor, include_in_schema=False)
    for name in ("vote", "help"):
        app.add_api_route(f"/{name}", getattr(pages, name), dependencies=anybody, include_in_schema=False)
    app.add_api_route("/language/{language}", pages.speak, dependencies=anybody, include_in_schema=False)
    app.add_api_route("/gallery/strip.png", pages.strip, dependencies=visitor)
    app.add_api_route("/gallery/candidate.png", pages.candidate, dependencies=visitor)
    app.add_api_route("/api/v1/gallery", pages.listed, dependencies=visitor)
    app.add_api_route(
        "/api/v1/taste", pages.told, dependencies=[Depends(visitors.owner)], tags=["taste"], responses=refusals(409)
    )
    app.add_api_route("/api/v1/work", pages.working, dependencies=visitor)
    app.add_api_route("/api/v1/work/align", pages.align, methods=["POST"], dependencies=own_page)
    app.add_api_route("/api/v1/work/feed", pages.feed, methods=["POST"], dependencies=own_page)
    app.add_api_route("/api/v1/work/train", pages.train, methods=["POST"], dependencies=own_page)
    app.add_api_route("/api/v1/work/stop", pages.stop, methods=["POST"], dependencies=own_page)
    app.add_api_route("/api/v1/round/more", pages.more, methods=["POST"], dependencies=own_page)
    admin = Admin(shared, pages.page)
    app.add_api_route("/admin", admin.show, dependencies=anybody, include_in_schema=False)
    app.add_api_route("/api/v1/blend", admin.blend, dependencies=[Depends(visitors.owner)])
    SortingPages(shared, pages.page).add_to(app)
    compare = Compare(shared.study, pages.page)
    app.add_api_route("/compare", compare.show, dependencies=visitor, include_in_schema=False)
    app.add_api_route(
        "/leaderboard", compare.standings, dependencies=[Depends(visitors.owner)], include_in_schema=False
    )
    app.add_api_route("/compare/image.png", compare.image, dependencies=visitor)
    app.add_api_route("/api/v1/compare", compare.next, dependencies=visitor)
    app.add_api_route("/api/v1/compare", compare.answer, methods=["POST"], status_code=201, dependencies=own_page)
    app.add_api_route("/api/v1/compare/undo", compare.undo, methods=["POST"], dependencies=own_page)
    app.add_api_route("/api/v1/compare/result", compare.result, dependencies=visitor)
