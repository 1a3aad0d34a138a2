"""The client: one method for each thing that can be asked of a studio."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from penchant.client._answers import (
    AlignmentWork,
    GalleryPage,
    Invitation,
    Me,
    Pair,
    Pull,
    Sorted,
    Standing,
    Taste,
    Voted,
    made,
    standing_of,
)
from penchant.client._connection import Connection, Refused
from penchant.core.errors import BadConfiguration

Choice = Literal["left", "right", "tie", "both_bad", "skip"]
Order = Literal["drawn", "best", "liked", "kept"]
ExportForm = Literal["votes", "pick-a-pic", "chosen-rejected"]
ExportContainer = Literal["csv", "jsonl", "parquet"]


class Client:
    """A studio, spoken to by a program: of the owner by the printed address, of who was invited by the link.

    Every change has a key of its own and is sent again under it where no answer comes, so nothing is done twice. One
    request at a time; not for several threads at once. Whoever was invited may vote, like and undo; the rest is the
    owner's and :class:`Refused` (403) to others.

    Args:
        address: as the studio printed it, ``http://127.0.0.1:PORT/?token=…``, or ``…/?invite=…``.
        timeout: seconds that one answer may take.

    Raises:
        BadConfiguration: the address is no such address.
        Refused: the token or the invitation is wrong, has expired or was taken back.
        Unreachable: nobody answers there.

    >>> import tempfile, pathlib
    >>> from penchant import Study, StudySettings
    >>> from penchant.client import Client
    >>> from penchant.studio import served
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "study"
    >>> with Study.create(folder, StudySettings(source="pictures:300", train_seconds=2, pool=40)) as study:
    ...     version = study.train()
    ...     with served(study) as address:
    ...         studio = Client(address)
    ...         pair = studio.next_pair()
    ...         png = studio.image(pair.left)
    ...         vote = studio.vote(pair, "left")
    ...         undone = studio.undo()
    >>> png[:4], vote.votes, undone
    (b'\\x89PNG', 1, True)
    """

    def __init__(self, address: str, timeout: float = 30.0):
        self._connection = Connection.to(address, timeout)

    # ----------------------------------------------------------------------------------------------------- voting

    def me(self) -> Me:
        """Who the studio takes you for."""
        return made(Me, self._get("/api/v1/me"))

    def next_pair(self) -> Pair | None:
        """The pair to answer now, the same one until it is answered; None where the round is complete.

        Raises:
            Refused: 409, there is no generator yet.
        """
        return next(iter(self.pairs(1)), None)

    def pairs(self, count: int = 5) -> Sequence[Pair]:
        """The pair to answer now and those after it, 1 to 8."""
        return [made(Pair, one) for one in self._get("/api/v1/pairs", n=count)["pairs"]]

    def standing(self) -> Standing:
        """How far you are, and what was learned so far in plain sentences."""
        return standing_of(self._get("/api/v1/pairs", n=1)["progress"])

    def image(self, sha256: str) -> bytes:
        """The PNG of an image of a pair."""
        return self._connection.ask("GET", f"/images/{sha256}").body

    def vote(self, pair: Pair | int, choice: Choice, *, response_ms: float | None = None) -> Voted:
        """Answer a pair; when this returns, it is on the studio's disk.

        Args:
            pair: it, or the number of its query.
            choice: left, right, tie, both_bad or skip.
            response_ms: how long it was looked at.

        Raises:
            Refused: 409, it was answered already; 429, the votes of the invitation are given.
        """
        query = pair.query if isinstance(pair, Pair) else pair
        body: dict[str, Any] = {"query": query, "choice": choice}
        if response_ms is not None:
            body["response_ms"] = response_ms
        answer = self._connection.change("POST", "/api/v1/votes", body).json()
        return made(Voted, answer, progress=standing_of(answer["progress"]))

    def undo(self) -> bool:
        """Take your last vote back, whose pair comes again; False where there is none."""
        return bool(self._connection.change("POST", "/api/v1/undo").json()["undone"])

    def retract(self, vote: Voted | int) -> None:
        """Take one of your votes back; its pair comes again."""
        number = vote.id if isinstance(vote, Voted) else vote
        self._connection.change("POST", f"/api/v1/votes/{number}/retract")

    def like(self, image: str, liked: bool = True) -> None:
        """Like an image, or no longer: the SHA-256 of one that was shown, or VERSION-ROW of a candidate."""
        self._connection.change("PUT" if liked else "DELETE", f"/api/v1/likes/{image}")

    def likes(self) -> Sequence[str]:
        """What you like, as VERSION-ROW."""
        return self._get("/api/v1/likes")["likes"]

    # ----------------------------------------------------------------------------------------- taste and gallery

    def taste(self) -> Taste:
        """What was learned of the owner's taste.

        Raises:
            Refused: 409, there are no votes yet.
        """
        answer = self._get("/api/v1/taste")
        pulls = tuple(made(Pull, one, interval=tuple(one["interval"])) for one in answer["pulls"])
        return made(Taste, answer, pulls=pulls)

    def gallery(self, version: int | str = "latest", order: Order = "drawn", page: int = 0) -> GalleryPage:
        """A page of the candidates of a version: as they were drawn, the best first, or those the owner likes."""
        return made(GalleryPage, self._get("/api/v1/gallery", version=version, order=order, page=page))

    def candidate(self, version: int, row: int, like_best_of: float | None = None) -> bytes:
        """The PNG of a candidate; at one of ``GalleryPage.strengths`` instead of the version's own: 1 is before."""
        asked = {"version": version, "row": row} | ({} if like_best_of is None else {"best_of": like_best_of})
        return self._connection.ask("GET", f"/gallery/candidate.png?{urlencode(asked)}").body

    # --------------------------------------------------------------------------------------------- training data

    def images_to_label(self, count: int = 6, after: str | None = None) -> Sequence[str]:
        """Real images that have no label yet, 1 to 24, in an order of chance; those that come after one of them."""
        asked = {"n": count} | ({} if after is None else {"after": after})
        return self._get("/api/v1/labels/next", **asked)["images"]

    def real_image(self, image: str) -> bytes:
        """The PNG of a real image, as the generator sees it."""
        return self._connection.ask("GET", f"/label/{image}.png").body

    def label(self, image: str, label: Literal["keep", "reject"]) -> Sorted:
        """Keep or reject a real image; no generator learns from rejected ones."""
        answer = self._connection.change("POST", "/api/v1/labels", {"image": image, "label": label}).json()
        return made(Sorted, answer["progress"])

    def keep(self, image: str, kept: bool = True) -> None:
        """Keep a candidate, VERSION-ROW, as training data for :meth:`feed`, or no longer."""
        self._connection.change("PUT" if kept else "DELETE", f"/api/v1/kept/{image}")

    # ----------------------------------------------------------------------------------------------------- making

    def train(self) -> AlignmentWork:
        """Begin to train the base generator; :meth:`wait` waits for it."""
        return made(AlignmentWork, self._connection.change("POST", "/api/v1/work/train").json())

    def feed(self) -> AlignmentWork:
        """Begin to train afresh on the real images and the candidates kept by :meth:`keep`, capped and watched.

        Raises:
            Refused: 409, nothing is kept; 503, something is being made already.
        """
        return made(AlignmentWork, self._connection.change("POST", "/api/v1/work/feed").json())

    def align(
        self, like_best_of: float | Literal["auto"] | None = None, of: str | Mapping[str, float] | None = None
    ) -> AlignmentWork:
        """Begin to bend the generator to the taste; :meth:`wait` waits for it.

        Args:
            like_best_of: how far; ``"auto"`` as far as a judge is sure; None as the study's settings say.
            of: a voter, or shares of several, as in ``{"anna": 0.7, "ben": 0.3}``; None for all together.

        Raises:
            Refused: 409, there are no votes; 503, something is being made already.
        """
        body = {"like_best_of": like_best_of, "of": {of: 1.0} if isinstance(of, str) else of}
        body = {name: value for name, value in body.items() if value is not None}
        return made(AlignmentWork, self._connection.change("POST", "/api/v1/work/align", body).json())

    def work(self) -> AlignmentWork:
        """What is being made, and how far it is, or how the last work ended."""
        return made(AlignmentWork, self._get("/api/v1/work"))

    def wait(self, seconds: float = 3600.0, every: float = 0.5) -> AlignmentWork:
        """Wait until what is being made has ended, ``seconds`` at most; see how by what it gives."""
        until = time.monotonic() + seconds
        while (found := self.work()).running and time.monotonic() < until:
            time.sleep(every)
        return found

    # ------------------------------------------------------------------------------------------ others, and exports

    def invite(self, voter: str, days: float = 7, votes: int | None = None) -> str:
        """Invite somebody; gives the link, this once."""
        body = {"voter": voter, "days": days} | ({} if votes is None else {"votes": votes})
        return str(self._connection.change("POST", "/api/v1/invites", body).json()["link"])

    def invites(self) -> Sequence[Invitation]:
        """Who was invited."""
        return [made(Invitation, one) for one in self._get("/api/v1/invites")["invites"]]

    def revoke(self, invite: Invitation | int) -> None:
        """Take an invitation back, with every browser that came in by it; votes stay."""
        number = invite.id if isinstance(invite, Invitation) else invite
        self._connection.change("POST", f"/api/v1/invites/{number}/revoke")

    def export(self, file: str | Path, form: ExportForm = "votes") -> int:
        """Write the votes to a file, .csv, .jsonl or .parquet by its name; gives the number of rows.

        Raises:
            BadConfiguration: the name ends otherwise, or the file cannot be written.
            Refused: 501, the studio cannot write Parquet.
        """
        path = Path(file)
        container = path.suffix.removeprefix(".")
        if container not in ("csv", "jsonl", "parquet"):
            raise BadConfiguration(f"votes are exported as .csv, .jsonl or .parquet; found '{path.name}'")
        answer = self._connection.ask("GET", f"/api/v1/export.{container}?{urlencode({'form': form})}")
        try:
            path.write_bytes(answer.body)
        except OSError as error:
            raise BadConfiguration(f"{path} cannot be written: {error.strerror}") from None
        return int(answer.headers["X-Rows"])

    def healthy(self) -> bool:
        """Whether it serves and its database answers."""
        try:
            return self._get("/healthz")["status"] == "ok"
        except Refused:
            return False

    def _get(self, path: str, **asked: Any) -> Any:
        return self._connection.ask("GET", f"{path}?{urlencode(asked)}" if asked else path).json()
