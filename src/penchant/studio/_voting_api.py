"""Pairs, votes, likes and signals of one visitor. A vote is acknowledged after its commit and before it is learned."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter

from penchant.core.errors import BadVote, DatabaseAway, QuotaReached, StudyMissing, UnknownName
from penchant.store import NewVote
from penchant.studio import _shapes as shapes
from penchant.studio._shared import SharedStudy
from penchant.studio._texts import texts_for
from penchant.studio._visitors import Visitor
from penchant.studio._words import learned_of
from penchant.study import Ballot

_IMMUTABLE = {"Cache-Control": "private, max-age=604800, immutable"}


@dataclass(frozen=True)
class VotingApi:
    """The handlers: coroutines use the store alone and never wait; plain functions run in threads and may learn."""

    shared: SharedStudy

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        visitors = self.shared.visitors
        visitor, page = Depends(visitors.visitor), Depends(visitors.page)
        router = APIRouter(prefix="/api/v1", tags=["voting"])

        @router.get("/me", responses=shapes.refusals())
        async def me(who: Annotated[Visitor, visitor]) -> shapes.Me:
            """Who the server takes you for."""
            records = self.shared.study.settings.record_signals
            votes = self.shared.ballot(who).count()
            return shapes.Me(
                voter=who.voter, owner=who.owner, csrf=who.csrf, votes=votes, quota=who.quota,
                expires_at=who.expires_at, records_signals=records,
            )  # fmt: skip

        @router.get("/pairs", responses=shapes.refusals(409))
        def pairs(
            request: Request, who: Annotated[Visitor, visitor], n: Annotated[int, Query(ge=1, le=8)] = 5
        ) -> shapes.Pairs:
            """The pair to answer now and those after it, so that their images can be loaded ahead."""
            ballot = self.shared.ballot(who)
            with self.shared.learning():
                wanted = self.shared.wanted(who)
                left = n if wanted is None else wanted - ballot.count()
                dealt = ballot.deal(min(n, left)) if left > 0 else []
                ballot.learned()
                progress = self._standing(who, ballot, request)
            listed = [shapes.Pair(query=one.number, left=one.left, right=one.right) for one in dealt]
            return shapes.Pairs(pairs=listed, progress=progress)

        @router.post(
            "/votes",
            status_code=201,
            responses={200: {"model": shapes.Voted, "description": "it was there already"}, **shapes.refusals(409)},
        )
        async def vote(
            vote: shapes.Vote, key: shapes.Key, who: Annotated[Visitor, page], request: Request, response: Response
        ) -> shapes.Voted:
            """Store a vote; answered only when it is on the disk."""
            ballot = self.shared.ballot(who)
            answer = ballot.answer(vote.query, vote.choice, key, vote.model_dump(exclude={"query", "choice"}))
            try:
                kept = await self.shared.recorder.keep(NewVote(answer, who.quota))
            except QuotaReached as error:
                raise HTTPException(429, str(error)) from None
            response.status_code = 200 if kept.event.replayed else 201
            progress = self._standing(who, ballot, request, kept.votes)
            return shapes.Voted(id=kept.event.seq, votes=progress.votes, progress=progress)

        @router.post(
            "/votes/{vote}/retract",
            status_code=201,
            responses={200: {"model": shapes.Retracted, "description": "it was done already"}, **shapes.refusals(409)},
        )
        async def retract(
            vote: shapes.Number, key: shapes.Key, who: Annotated[Visitor, page], request: Request, response: Response
        ) -> shapes.Retracted:
            """Take back one of your own votes."""
            ballot = self.shared.ballot(who)
            event = ballot.retract(vote, key)
            response.status_code = 200 if event.replayed else 201
            progress = self._standing(who, ballot, request)
            query = ballot.query_of(vote)
            return shapes.Retracted(retracted=vote, query=query, votes=progress.votes, progress=progress)

        @router.post("/undo", responses=shapes.refusals(409))
        async def undo(key: shapes.Key, who: Annotated[Visitor, page], request: Request) -> shapes.Undone:
            """Take back your last vote, once for each key."""
            ballot = self.shared.ballot(who)
            undone = ballot.undo(key) is not None
            return shapes.Undone(undone=undone, progress=self._standing(who, ballot, request))

        @router.get("/likes", responses=shapes.refusals())
        def likes(who: Annotated[Visitor, visitor]) -> shapes.Likes:
            """What you like."""
            with self.shared.learning():
                places = self.shared.ballot(who).likes()
            return shapes.Likes(likes=[f"{version}-{row}" for version, row in places])

        @router.put("/likes/{image}", responses=shapes.refusals(404, 409))
        def like(image: shapes.ImageName, who: Annotated[Visitor, page]) -> shapes.Liked:
            """Like an image; twice is once."""
            place = self._place(image)
            with self.shared.learning(), _missing():
                self.shared.ballot(who).like(place)
            return shapes.Liked(image=image, liked=True)

        @router.delete("/likes/{image}", responses=shapes.refusals(404, 409))
        def unlike(image: shapes.ImageName, who: Annotated[Visitor, page]) -> shapes.Liked:
            """Like an image no longer."""
            place = self._place(image)
            with self.shared.learning():
                self.shared.ballot(who).unlike(place)
            return shapes.Liked(image=image, liked=False)

        @router.post("/events", status_code=202, responses=shapes.refusals(409))
        async def signals(
            signals: shapes.Signals, who: Annotated[Visitor, visitor], request: Request
        ) -> shapes.Recorded:
            """Keep what was noticed besides answers, where the study records it; nothing is learned from it."""
            visitors.proven(request, who, request.headers.get("x-csrf-token", signals.csrf))
            ballot = self.shared.ballot(who)
            kept = [ballot.record(one.kind, one.key, _payload(one)) for one in signals.events]
            return shapes.Recorded(recorded=sum(event is not None for event in kept))

        app.include_router(router)

        @app.get(
            "/images/{sha256}",
            tags=["voting"],
            dependencies=[visitor],
            response_class=Response,
            responses={200: {"content": {"image/png": {}}}, **shapes.refusals(404)},
        )
        async def image(sha256: Annotated[str, PathParameter(pattern=r"^[0-9a-f]{64}$")]) -> Response:
            """An image by the hash of its bytes; it can never change, so the browser may keep it."""
            try:
                png = self.shared.study.store.image_png(sha256)
            except BadVote as error:
                raise HTTPException(404, str(error)) from None
            return Response(png, media_type="image/png", headers=_IMMUTABLE)

        del me, pairs, vote, retract, undo, likes, like, unlike, signals, image

    def _standing(self, who: Visitor, ballot: Ballot, request: Request, votes: int | None = None) -> shapes.Standing:
        votes, wanted = ballot.count() if votes is None else votes, self.shared.wanted(who)
        learned = learned_of(ballot, texts_for(request))
        return shapes.Standing(
            votes=votes,
            wanted=wanted,
            done=wanted is not None and votes >= wanted,
            learned=[shapes.Learned(topic=topic, text=text) for topic, text in learned.items()],
        )

    def _place(self, image: str) -> tuple[int, int]:
        """The candidate that an image is."""
        if "-" in image:
            version, row = image.split("-")
            return int(version), int(row)
        try:
            place = self.shared.study.store.image_place(image)
        except BadVote as error:
            raise HTTPException(404, str(error)) from None
        if place is None:
            raise HTTPException(404, "this image is no candidate of a generator, so it cannot be liked")
        return place


@contextmanager
def _missing() -> Generator[None]:
    """A generator version that there is not is an address that there is not."""
    try:
        yield
    except DatabaseAway:
        raise
    except (UnknownName, StudyMissing) as error:
        raise HTTPException(404, str(error)) from None


def _payload(signal: shapes.Signal) -> dict[str, Any]:
    payload = {"image": signal.image, "ms": signal.ms, "at": signal.at}
    return {name: value for name, value in payload.items() if value is not None}
