"""Who is speaking: the owner by the secret of the run, others by an invitation; nobody by what they say they are."""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from fastapi import HTTPException, Request, Response

from penchant.studio._access import Access
from penchant.studio._limits import RateLimit
from penchant.study import HUMAN, Invite, Invites

OWNER_SESSION = "owner"
_NOT_IN = "open the address that was printed when the studio began, or the link that you were invited by"


@dataclass(frozen=True)
class Visitor:
    """Somebody who was let in: the voter they are, the session their keys count in, the token their page must send."""

    voter: str
    session: str
    csrf: str
    owner: bool
    quota: int | None = None
    expires_at: float | None = None


class Visitors:
    """Lets people in and recognises them; every method a dependency of a route is a coroutine that never waits.

    Args:
        access: the secrets of this run, which make the owner.
        invites: the invitations of the study.
        origin: what a browser may say it comes from, besides ``http://`` and the host that the request names:
            ``https://…`` where a proxy in front speaks HTTPS, which makes the cookies Secure.
        requests: how many a session may make; by default 600 at once and 100 a second, many times what voting needs.
    """

    def __init__(self, access: Access, invites: Invites, origin: str | None = None, requests: RateLimit | None = None):
        self._access = access
        self._invites = invites
        self._origin = origin
        self._entries = RateLimit(burst=10, a_second=0.2)
        self._requests = requests or RateLimit(burst=600, a_second=100)

    @property
    def cookie(self) -> str:
        """The name of an invited browser's cookie."""
        return f"{self._access.cookie}_guest"

    def enter(self, request: Request, response: Response, token: str | None, invite: str | None) -> None:
        """Let this browser in by the owner's token or an invitation's; ``response`` is given the cookie.

        Raises:
            HTTPException: 403 for a wrong one; 429 for many wrong ones from one address.
        """
        peer = request.client.host if request.client else "unknown"
        if wait := self._entries.spent(peer):
            raise _slower(wait)
        if token is not None and self._access.opens(token):
            self._keep(response, self._access.cookie, token, None)
            response.delete_cookie(self.cookie, path="/")
            return
        entered = None if invite is None else self._invites.enter(invite)
        if entered is None:
            if wait := self._entries.wait(peer):
                raise _slower(wait)
            raise HTTPException(403, "this link is wrong, has expired or was taken back; ask for a new one")
        granted, secret = entered
        self._keep(response, self.cookie, secret, granted)

    async def visitor(self, request: Request) -> Visitor:
        """Who asks.

        Raises:
            HTTPException: 403 for a browser that was not let in, 429 for one that asks too much.
        """
        found = self.known(request)
        if wait := self._requests.wait(found.session):
            raise _slower(wait)
        return found

    def known(self, request: Request) -> Visitor:
        """The same without counting the request."""
        found = self._of(request)
        if found is None:
            raise HTTPException(403, _NOT_IN)
        return found

    async def owner(self, request: Request) -> Visitor:
        """The owner, reading."""
        return _owning(await self.visitor(request))

    async def page(self, request: Request) -> Visitor:
        """Who changes something, from a page of ours: same origin, and the page's token in ``X-CSRF-Token``."""
        return self.proven(request, await self.visitor(request), request.headers.get("x-csrf-token", ""))

    async def owner_page(self, request: Request) -> Visitor:
        """The owner, changing something from a page of ours."""
        return _owning(await self.page(request))

    def proven(self, request: Request, visitor: Visitor, csrf: str) -> Visitor:
        """The same visitor, once the request is known to come from a page of ours."""
        if self.bearer(request):  # no browser sends this by itself, so no other page can have made it
            return visitor
        if request.headers.get("origin") not in (f"http://{request.headers.get('host', '')}", self._origin or ""):
            raise HTTPException(403, "the request does not come from this page")
        if not hmac.compare_digest(csrf.encode(), visitor.csrf.encode()):
            raise HTTPException(403, "the page is out of date; reload it")
        return visitor

    def bearer(self, request: Request) -> bool:
        """Whether a program shows the token of the run: ``Authorization: Bearer TOKEN``."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._access.opens(token)

    def _of(self, request: Request) -> Visitor | None:
        secret = request.cookies.get(self.cookie)
        invite = None if secret is None else self._invites.holder(secret)
        if secret is not None and invite is not None:
            csrf = hmac.digest(secret.encode(), b"csrf", sha256).hex()
            return Visitor(invite.voter, invite.session, csrf, False, invite.quota, invite.expires_at)
        if self._access.opens(request.cookies.get(self._access.cookie, "")) or self.bearer(request):
            return Visitor(HUMAN, OWNER_SESSION, self._access.csrf, True)
        return None

    def _keep(self, response: Response, name: str, secret: str, invite: Invite | None) -> None:
        secure = (self._origin or "").startswith("https://")
        age = None if invite is None else int(invite.expires_at - self._invites.now())
        response.set_cookie(name, secret, max_age=age, httponly=True, samesite="lax", secure=secure, path="/")


def _owning(visitor: Visitor) -> Visitor:
    if not visitor.owner:
        raise HTTPException(403, "only who owns the study may do this")
    return visitor


def _slower(wait: float) -> HTTPException:
    return HTTPException(429, f"too many requests; wait {wait:.1f} s", {"Retry-After": str(int(wait) + 1)})
