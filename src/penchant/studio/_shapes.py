"""What is sent and answered, as OpenAPI says it: strict where it comes in, complete where it goes out."""

from typing import Annotated, Any, Literal

from fastapi import Header, Path
from pydantic import BaseModel, ConfigDict, Field

from penchant.core.contracts import Choice

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9_-]{8,100}$",
        description="Made up by the sender, once for each thing it wants done; sent again, nothing is done twice.",
    ),
]
ImageName = Annotated[
    str,
    Path(
        pattern=r"^([0-9a-f]{64}|[1-9][0-9]{0,5}-(0|[1-9][0-9]{0,8}))$",
        description="The SHA-256 of an image that was shown, or VERSION-ROW of a candidate, such as 2-17.",
    ),
]
Number = Annotated[int, Path(ge=1, le=2**53)]


class Sent(BaseModel):
    """Something a page or a program sends: nothing unknown in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Vote(Sent):
    """One answer; durations in milliseconds, ``shown_at`` in seconds since 1970."""

    query: int = Field(ge=1, le=2**53)
    choice: Choice
    shown_at: float | None = Field(None, ge=0, strict=True, allow_inf_nan=False)
    response_ms: float | None = Field(None, ge=0, strict=True, allow_inf_nan=False)
    hidden_ms: float | None = Field(None, ge=0, strict=True, allow_inf_nan=False)
    input: Literal["keyboard", "mouse", "touch", "pen"] | None = None
    viewport: str | None = Field(None, pattern=r"^[0-9]{1,5}x[0-9]{1,5}@[0-9]{1,2}(\.[0-9]{1,3})?$")


class Signal(Sent):
    """Something noticed besides answers: how long an image was looked at, enlarged, downloaded, looked at again."""

    key: str = Field(pattern=r"^[A-Za-z0-9_-]{8,100}$")
    kind: Literal["dwell", "zoom", "download", "revisit"]
    image: str = Field(pattern=r"^([0-9a-f]{64}|[1-9][0-9]{0,5}-(0|[1-9][0-9]{0,8}))$")
    ms: float | None = Field(None, ge=0, strict=True, le=86_400_000, allow_inf_nan=False)
    at: float | None = Field(None, ge=0, strict=True, allow_inf_nan=False)


class Signals(Sent):
    """Several at once; ``csrf`` takes the header's place where a page that is closing cannot set one."""

    csrf: str = Field("", max_length=200)
    events: list[Signal] = Field(max_length=100)


class NewInvite(Sent):
    """Whom to invite, for how many days and votes."""

    voter: str = Field(min_length=1, max_length=60)
    days: float = Field(7, strict=True, gt=0, le=366, allow_inf_nan=False)
    votes: int | None = Field(None, strict=True, ge=1, le=1_000_000)


class Refusal(BaseModel):
    """Every refusal is a sentence."""

    error: str


class Learned(BaseModel):
    """A sentence about what was learned."""

    topic: str
    text: str


class Standing(BaseModel):
    """How far this visitor is; ``wanted`` and ``done`` where there is an end."""

    votes: int
    wanted: int | None
    done: bool
    learned: list[Learned]


class Pair(BaseModel):
    """Two images to choose between, by the SHA-256 of their PNG bytes; the server decides the sides."""

    query: int
    left: str
    right: str


class Pairs(BaseModel):
    """The pair to answer now, then those after it."""

    pairs: list[Pair]
    progress: Standing


class Voted(BaseModel):
    """A vote that is on the disk; ``id`` takes it back."""

    id: int
    votes: int
    progress: Standing


class Retracted(BaseModel):
    """A vote that was taken back; its query is asked again."""

    retracted: int
    query: int
    votes: int
    progress: Standing


class Undone(BaseModel):
    """Whether there was a vote to take back."""

    undone: bool
    progress: Standing


class Me(BaseModel):
    """Who the server takes the sender for; ``csrf`` is what changes must send in X-CSRF-Token."""

    voter: str
    owner: bool
    csrf: str
    votes: int
    quota: int | None
    expires_at: float | None
    records_signals: bool


class Liked(BaseModel):
    """Whether an image is liked now."""

    image: str
    liked: bool


class Likes(BaseModel):
    """What is liked, as VERSION-ROW."""

    likes: list[str]


class Recorded(BaseModel):
    """How many signals were kept: none where the study does not record them."""

    recorded: int


class InviteShown(BaseModel):
    """An invitation, without its token, which nobody can show again."""

    id: int
    voter: str
    created_at: float
    expires_at: float
    quota: int | None
    votes: int
    revoked: bool
    expired: bool


class InvitesShown(BaseModel):
    """All invitations."""

    invites: list[InviteShown]


class Invited(BaseModel):
    """A new invitation; ``link`` is shown this once."""

    id: int
    link: str
    expires_at: float


class Revoked(BaseModel):
    """An invitation that was taken back."""

    id: int
    revoked: Literal[True] = True


class Audited(BaseModel):
    """One line of the log."""

    seq: int
    kind: str
    voter: str
    at: float
    text: str


class Audit(BaseModel):
    """Lines of the log, in order; ``next`` asks for those after them, None where there are none."""

    events: list[Audited]
    next: int | None


class ShareShown(BaseModel):
    """A share with its 95% interval (Wilson)."""

    successes: float
    trials: int
    value: float | None
    interval: tuple[float, float] | None


class VoterShown(BaseModel):
    """A voter: agreement with themselves on pairs asked twice, and with the others on pairs that both answered."""

    voter: str
    votes: int
    consistency: ShareShown
    left: ShareShown
    agreement: ShareShown
    median_response_ms: float | None


class VotersShown(BaseModel):
    """All voters."""

    voters: list[VoterShown]


class Belief(BaseModel):
    """What a process has learned: ``through`` is the last event of the log that counts in ``sha256``, the hash of all
    numbers of the taste. Two processes that say the same ``through`` say the same hash."""

    through: int
    votes: int
    sha256: str


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals a route may answer with, for OpenAPI."""
    said = {
        400: "not understood", 403: "not let in", 404: "there is none", 409: "it contradicts what is stored",
        413: "too large", 422: "not understood", 429: "too much at once, or the invitation's votes are given",
        500: "the study is damaged", 501: "not installed here", 503: "busy; try again", 507: "the disk is full",
    }  # fmt: skip
    everywhere = {400, 403, 413, 422, 429, 500, 503, 507}
    return {status: {"model": Refusal, "description": said[status]} for status in sorted({*statuses, *everywhere})}
