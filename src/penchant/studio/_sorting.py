"""The pages where a person keeps and rejects their own images before a generator learns from them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field

from penchant.core.errors import BadVote, NotReady, StudyMissing, UnknownName
from penchant.studio import _shapes as shapes
from penchant.studio._shared import SharedStudy
from penchant.studio._visitors import OWNER_SESSION, Visitor
from penchant.study import HUMAN, Sender, Sorting
from penchant.study.files import png_bytes
from penchant.study.labels import KEEP, Labels, label, rejected_rows, unlabel

PAGE = 24
"""Images on a page of those that were kept or rejected."""
_NAME = r"^(0|[1-9][0-9]{0,8})-[0-9a-f]{32}$"
_CANDIDATE = r"^[1-9][0-9]{0,5}-(0|[1-9][0-9]{0,8})$"
_IMMUTABLE = {"Cache-Control": "private, max-age=604800, immutable"}

Said = Literal["keep", "reject"]
Candidate = Annotated[str, PathParameter(pattern=_CANDIDATE, description="VERSION-ROW of a candidate, such as 2-17.")]
After = Annotated[str | None, Query(pattern=_NAME, description="An image; those that come after it are listed.")]


class LabelGiven(shapes.Sent):
    """What is said of a real image; ``image`` is ROW-CONTENT, as the list names it."""

    image: str = Field(pattern=_NAME)
    label: Said


class CandidateKept(BaseModel):
    """Whether a candidate is kept for training."""

    image: str
    kept: bool


class SortedSoFar(BaseModel):
    """How many images are kept, rejected, and not labelled yet."""

    kept: int
    rejected: int
    left: int


class ImagesToLabel(BaseModel):
    """The image to label now and those after it, and how far it is."""

    images: list[str]
    progress: SortedSoFar


class LabelKept(BaseModel):
    """A label that is on the disk."""

    id: int
    image: str
    label: Said
    progress: SortedSoFar


class LabelUndone(BaseModel):
    """The image whose label was taken back; None where there was none."""

    image: str | None
    progress: SortedSoFar


class ImagesLabelled(BaseModel):
    """A page of the images that were kept, or rejected; the last one first."""

    images: list[str]
    count: int
    page_size: int = PAGE


@dataclass
class SortingPages:
    """The handlers: plain functions, which run in threads and use the store and the images alone.

    Args:
        shared: the study and who is let in.
        page: renders a template.
    """

    shared: SharedStudy
    page: Callable[..., Response]
    sorting: Sorting = field(init=False)

    def __post_init__(self) -> None:
        self.sorting = Sorting(self.shared.study, Sender(HUMAN, OWNER_SESSION))

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        visitors = self.shared.visitors
        owner, owner_page = Depends(visitors.owner), Depends(visitors.owner_page)
        for path, handler in (("/label", self.show), ("/label/sorted", self.show_sorted)):
            app.add_api_route(path, handler, dependencies=[owner], include_in_schema=False)
        router = APIRouter(tags=["labels"])

        @router.get("/api/v1/labels/next", dependencies=[owner], responses=shapes.refusals(409))
        def following(n: Annotated[int, Query(ge=1, le=24)] = 6, after: After = None) -> ImagesToLabel:
            """Real images without a label of the owner's, in an order of chance that stays the same."""
            return ImagesToLabel(images=list(self.sorting.next(n, after)), progress=self._standing())

        @router.get("/api/v1/labels", dependencies=[owner], responses=shapes.refusals())
        def labelled(label: Said, page: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> ImagesLabelled:
            """The images that the owner kept, or rejected."""
            images = self.sorting.listed(label)
            return ImagesLabelled(images=list(images[page * PAGE : (page + 1) * PAGE]), count=len(images))

        @router.post(
            "/api/v1/labels",
            status_code=201,
            responses={200: {"model": LabelKept, "description": "it was there already"}, **shapes.refusals(409)},
        )
        def give(
            given: LabelGiven, key: shapes.Key, who: Annotated[Visitor, owner_page], response: Response
        ) -> LabelKept:
            """Keep or reject a real image; answered when it is on the disk. The last label of an image counts."""
            event = self.sorting.label(given.image, given.label, key)
            response.status_code = 200 if event.replayed else 201
            return LabelKept(id=event.seq, image=given.image, label=given.label, progress=self._standing())

        @router.post("/api/v1/labels/undo", responses=shapes.refusals(409))
        def undo(key: shapes.Key, who: Annotated[Visitor, owner_page]) -> LabelUndone:
            """Take the last label back, once for each key."""
            return LabelUndone(image=self.sorting.undo(key), progress=self._standing())

        @router.put("/api/v1/kept/{image}", dependencies=[owner_page], responses=shapes.refusals(404, 409))
        def keep(image: Candidate) -> CandidateKept:
            """Keep a candidate for training: `POST /api/v1/work/feed` trains on it too. Twice is once."""
            return self._kept(image, True)

        @router.delete("/api/v1/kept/{image}", dependencies=[owner_page], responses=shapes.refusals(404, 409))
        def keep_no_longer(image: Candidate) -> CandidateKept:
            """Keep a candidate for training no longer."""
            return self._kept(image, False)

        @router.get(
            "/label/{image}.png",
            dependencies=[owner],
            response_class=Response,
            responses={200: {"content": {"image/png": {}}}, **shapes.refusals(404)},
        )
        def picture(image: Annotated[str, PathParameter(pattern=_NAME)]) -> Response:
            """A real image as the generator sees it; its name holds its content, so the browser may keep it."""
            try:
                row = self.sorting.row_of(image)
            except BadVote as error:
                raise HTTPException(404, str(error)) from None
            png = png_bytes(self.shared.study.images.train[row])
            return Response(png, media_type="image/png", headers=_IMMUTABLE)

        app.include_router(router)

    def show(self, request: Request) -> Response:
        """The page where one image comes after the other."""
        return self.page(request, "label.html", "label", **self._told())

    def show_sorted(self, request: Request, label: Said = "reject") -> Response:
        """The page of those that were kept or rejected, to change one's mind."""
        return self.page(request, "label_sorted.html", "label", label=label, page_size=PAGE, **self._told())

    def _kept(self, image: str, wanted: bool) -> CandidateKept:
        version, row = map(int, image.split("-"))
        study, own = self.shared.study, (HUMAN, OWNER_SESSION)
        try:
            kept = Labels.of(study, HUMAN).made(version).get(row) == KEEP
            if wanted and not kept:
                label(study, row, KEEP, version=version, voter=own[0], session=own[1])
            elif kept and not wanted:
                unlabel(study, row, version=version, voter=own[0], session=own[1])
        except (UnknownName, StudyMissing, NotReady) as error:
            raise HTTPException(404, str(error)) from None
        return CandidateKept(image=image, kept=wanted)

    def _standing(self) -> SortedSoFar:
        found = self.sorting.standing
        return SortedSoFar(kept=found.kept, rejected=found.rejected, left=found.left)

    def _told(self) -> dict[str, int | bool]:
        """For the templates: how many images no generator will learn from, and whether one has learned already."""
        study = self.shared.study
        images = len(study.images.train)
        try:
            left_out = len(rejected_rows(study))
        except NotReady:
            left_out = images
        return {"images": images, "left_out": left_out, "trained": bool(study.versions.all())}
