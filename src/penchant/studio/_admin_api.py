"""For the owner: who may vote, what happened, how far people agree with themselves and with one another."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request

from penchant.core.errors import UnknownName
from penchant.studio import _shapes as shapes
from penchant.studio._audit import said
from penchant.studio._shared import SharedStudy
from penchant.studio._texts import texts_for
from penchant.study.agreement import VoterFigures, figures_of_voters
from penchant.study.answers import Share


@dataclass(frozen=True)
class AdminApi:
    """The handlers."""

    shared: SharedStudy

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        visitors = self.shared.visitors
        reading, changing = [Depends(visitors.owner)], [Depends(visitors.owner_page)]
        router = APIRouter(prefix="/api/v1", tags=["admin"])

        @router.get("/invites", dependencies=reading, responses=shapes.refusals())
        async def invites() -> shapes.InvitesShown:
            """All invitations; their tokens are nowhere."""
            all_of_them, store = self.shared.invites.all(), self.shared.study.store
            now = self.shared.invites.now()
            return shapes.InvitesShown(
                invites=[
                    shapes.InviteShown(
                        id=one.number, voter=one.voter, created_at=one.created_at, expires_at=one.expires_at,
                        quota=one.quota, votes=store.count_votes(one.voter), revoked=one.revoked,
                        expired=now >= one.expires_at,
                    )
                    for one in all_of_them
                ]
            )  # fmt: skip

        @router.post("/invites", status_code=201, dependencies=changing, responses=shapes.refusals())
        async def invite(wanted: shapes.NewInvite, request: Request) -> shapes.Invited:
            """Invite somebody; the link is shown this once."""
            made, token = self.shared.invites.invite(wanted.voter, wanted.days, wanted.votes)
            where = self.shared.origin or f"http://{request.headers['host']}"
            return shapes.Invited(id=made.number, link=f"{where}/?invite={token}", expires_at=made.expires_at)

        @router.post("/invites/{invite}/revoke", dependencies=changing, responses=shapes.refusals(404))
        async def revoke(invite: shapes.Number) -> shapes.Revoked:
            """Take an invitation back, with every browser that came in by it."""
            try:
                return shapes.Revoked(id=self.shared.invites.revoke(invite).number)
            except UnknownName as error:
                raise HTTPException(404, str(error)) from None

        @router.get("/audit", dependencies=reading, responses=shapes.refusals())
        async def audit(
            request: Request,
            after: Annotated[int, Query(ge=0, le=2**53)] = 0,
            limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        ) -> shapes.Audit:
            """What happened, in order: the log itself, which nothing can change."""
            events = self.shared.study.store.events(after, limit=limit)
            texts = texts_for(request)
            lines = [
                shapes.Audited(seq=one.seq, kind=one.kind, voter=one.voter, at=one.received_at, text=said(one, texts))
                for one in events
            ]
            return shapes.Audit(events=lines, next=events[-1].seq if len(events) == limit else None)

        @router.get("/voters", dependencies=reading, responses=shapes.refusals())
        def voters() -> shapes.VotersShown:
            """How far each voter agrees with themselves and with the others."""
            with self.shared.learning() as study:
                study.catch_up()
                figures = figures_of_voters(study)
            return shapes.VotersShown(voters=[_shown(one) for one in figures])

        app.include_router(router)


def _shown(figures: VoterFigures) -> shapes.VoterShown:
    return shapes.VoterShown(
        voter=figures.voter,
        votes=figures.votes,
        consistency=_share(figures.consistency.again),
        left=_share(figures.consistency.left),
        agreement=_share(figures.agreement),
        median_response_ms=figures.median_response_ms,
    )


def _share(share: Share) -> shapes.ShareShown:
    return shapes.ShareShown(successes=share.successes, trials=share.trials, value=share.value, interval=share.interval)
