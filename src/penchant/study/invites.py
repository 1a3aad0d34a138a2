"""Who else may vote: invitations by link, kept in the log, so that what was granted and taken back stays known."""

import re
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from penchant.core.errors import BadConfiguration, UnknownName
from penchant.store import Event, NewEvent, Store
from penchant.study.files import study_folder
from penchant.study.settings import StudySettings

_VOTER = re.compile(r"[^\W_][\w .@+-]{0,59}")
_DAY = 86400.0
_MOST_DAYS, _MOST_VOTES = 366.0, 1_000_000
_KINDS = ("invite", "revoke", "enter")
_SESSION = "invites"


@dataclass(frozen=True)
class Invite:
    """A voter's permission to vote: until ``expires_at``, at most ``quota`` votes; ``number`` is its event."""

    number: int
    voter: str
    token_sha256: str
    created_at: float
    expires_at: float
    quota: int | None
    revoked: bool = False

    def open(self, now: float) -> bool:
        """Whether it lets its voter in."""
        return not self.revoked and now < self.expires_at

    @property
    def session(self) -> str:
        """The name under which this voter's keys count: the same in every browser and after every restart."""
        return f"invite-{self.number}"


@dataclass
class Invites:
    """The invitations of a study: a fold over its log, caught up with whatever other processes stored.

    Tokens and cookies have 256 random bits; only their SHA-256 is stored, so the database opens no door.

    Args:
        store: the study's store; nothing else of the study is needed, so inviting works while the studio runs.
        now: the clock, in seconds since 1970.
    """

    store: Store
    now: Callable[[], float] = time.time
    _invites: dict[int, Invite] = field(default_factory=dict[int, Invite])
    _by_secret: dict[str, int] = field(default_factory=dict[str, int])
    _through: int = 0
    _looked_at: float = 0.0

    def invite(self, voter: str, days: float = 7, votes: int | None = None) -> tuple[Invite, str]:
        """Invite ``voter``; gives the invitation and its token, which is nowhere else and cannot be shown again.

        Raises:
            BadConfiguration: the name, the days or the number of votes cannot be used.
        """
        if not _VOTER.fullmatch(voter):
            raise BadConfiguration(
                f"a voter's name has 1 to 60 letters, digits, spaces or . _ @ + -, a letter or digit first; "
                f"found '{voter}'"
            )
        if voter in ("human", "penchant", "python"):
            raise BadConfiguration(f"'{voter}' is the name of who owns the study or of Penchant itself; choose another")
        if not 0 < days <= _MOST_DAYS:
            raise BadConfiguration(f"an invitation lasts above 0 and at most {_MOST_DAYS:g} days; found {days:g}")
        if votes is not None and not 1 <= votes <= _MOST_VOTES:
            raise BadConfiguration(f"an invitation is for 1 to {_MOST_VOTES:,} votes; found {votes}")
        token = secrets.token_urlsafe(32)
        payload = {"token_sha256": hashed(token), "expires_at": self.now() + days * _DAY, "quota": votes}
        event = self.store.append(NewEvent("invite", voter, _SESSION, payload=payload))
        self.catch_up()
        return self._invites[event.seq], token

    def revoke(self, number: int, by: str = "owner") -> Invite:
        """Take an invitation back, with all the browsers that came in by it; once is enough.

        Raises:
            UnknownName: there is no such invitation.
        """
        invite = self.numbered(number)
        if not invite.revoked:
            payload = {"invite": number, "by": by}
            key = f"revoke-{number}"
            self.store.append(NewEvent("revoke", invite.voter, _SESSION, key, payload=payload))
            self.catch_up()
        return self._invites[number]

    def enter(self, token: str) -> tuple[Invite, str] | None:
        """Let in who has the token of an open invitation: gives it and a secret for the browser's cookie."""
        invite = self._found(hashed(token))
        if invite is None or hashed(token) != invite.token_sha256:
            return None
        secret = secrets.token_urlsafe(32)
        payload = {"invite": invite.number, "secret_sha256": hashed(secret)}
        self.store.append(NewEvent("enter", invite.voter, _SESSION, payload=payload))
        self.catch_up()
        return invite, secret

    def holder(self, secret: str) -> Invite | None:
        """Whose cookie this is, while the invitation it came from is open."""
        invite = self._found(hashed(secret))
        return None if invite is None or hashed(secret) == invite.token_sha256 else invite

    def all(self) -> list[Invite]:
        """All invitations, the oldest first."""
        self.catch_up()
        return list(self._invites.values())

    def numbered(self, number: int) -> Invite:
        """The invitation with this number."""
        self.catch_up()
        if number not in self._invites:
            raise UnknownName("invitation", str(number), map(str, self._invites))
        return self._invites[number]

    def catch_up(self) -> None:
        """Take into account what was stored since, by whatever process."""
        self._looked_at = self.now()
        for event in self.store.events(self._through, kinds=_KINDS):
            self._through = event.seq
            self._apply(event)

    def _found(self, secret_sha256: str) -> Invite | None:
        """By the hash of a token or of a cookie: a look-up by hash tells nothing by the time it takes."""
        if secret_sha256 not in self._by_secret or self.now() - self._looked_at > 1:
            self.catch_up()
        number = self._by_secret.get(secret_sha256)
        invite = None if number is None else self._invites[number]
        return invite if invite is not None and invite.open(self.now()) else None

    def _apply(self, event: Event) -> None:
        payload = event.payload
        match event.kind:
            case "invite":
                token, quota = str(payload["token_sha256"]), payload["quota"]
                self._invites[event.seq] = Invite(
                    event.seq, event.voter, token, event.received_at, float(payload["expires_at"]), quota
                )
                self._by_secret[token] = event.seq
            case "revoke":
                self._invites[payload["invite"]] = replace(self._invites[payload["invite"]], revoked=True)
            case _:
                self._by_secret[str(payload["secret_sha256"])] = int(payload["invite"])


@contextmanager
def open_invites(path: str | Path) -> Generator[Invites]:
    """The invitations of the study at ``path``, without its lock: they can be changed while the studio runs.

    Raises:
        StudyMissing, StudyTooNew, StudyDamaged.
    """
    folder = study_folder(path)
    with Store.open(folder, StudySettings.load(folder).database) as store:
        yield Invites(store)


def hashed(secret: str) -> str:
    """SHA-256, which is enough for secrets of 256 random bits: there is nothing to guess."""
    return sha256(secret.encode()).hexdigest()
