"""What goes into the store and what comes out: frozen records, the same for every database.

Times are seconds since 1970 (UTC); durations are milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import uuid4

from penchant.core.contracts import Choice
from penchant.core.errors import BadImages

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class ImageRecord:
    """One image as it was shown: PNG bytes, and where it came from (generator version, pool and row, latent).

    ``latent`` is little-endian float32 bytes; None for real images.

    Raises:
        BadImages: ``png`` is not a PNG file.
    """

    png: bytes
    version: int | None = None
    pool: int | None = None
    row: int | None = None
    latent: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.png) < 24 or not self.png.startswith(_PNG_SIGNATURE):
            raise BadImages(f"the store keeps images as PNG bytes; found {self.png[:8]!r}…, {len(self.png)} bytes")

    @cached_property
    def sha256(self) -> str:
        """The image's name: 64 hexadecimal digits of its PNG bytes."""
        return sha256(self.png).hexdigest()

    @property
    def width(self) -> int:
        """Pixels, from the PNG header."""
        return int.from_bytes(self.png[16:20], "big")

    @property
    def height(self) -> int:
        """Pixels, from the PNG header."""
        return int.from_bytes(self.png[20:24], "big")


@dataclass(frozen=True)
class NewQuery:
    """A pair about to be shown, with everything that must be known later to learn from the answer without bias.

    ``propensity`` is the probability that this pair was asked; ``predicted`` the model's P(left) before the answer;
    ``taste_seq`` the last event that model had seen; ``repeat_of`` the query that is asked again, sides swapped.
    """

    left: ImageRecord
    right: ImageRecord
    pool: int
    left_row: int
    right_row: int
    strategy: str
    propensity: float
    audit: bool = False
    score: float | None = None
    predicted: float | None = None
    taste_seq: int | None = None
    repeat_of: int | None = None
    seed: int | None = None
    position: int | None = None


@dataclass(frozen=True)
class Query:
    """A pair that was asked; ``left`` and ``right`` are the sha256 of the images' PNG bytes."""

    number: int
    left: str
    right: str
    pool: int
    left_row: int
    right_row: int
    strategy: str
    propensity: float
    audit: bool
    score: float | None
    predicted: float | None
    taste_seq: int | None
    repeat_of: int | None
    seed: int | None
    position: int | None
    created_at: float


@dataclass(frozen=True)
class NewEvent:
    """Something that happened, before it is stored.

    ``kind``: ``vote`` (needs ``query`` and ``choice``), ``retract`` (needs ``target``, the seq of a vote), ``refit``
    (the posterior was refitted here, so that a replay gives the same one), ``features`` (it was learned anew on the
    extractor that the payload numbers), ``like``, ``unlike``, ``settings``, …
    ``client_key`` makes it safe to send twice: within a session, one key is one event.
    """

    kind: str
    voter: str
    session: str
    client_key: str = field(default_factory=lambda: uuid4().hex)
    query: int | None = None
    choice: Choice | None = None
    target: int | None = None
    shown_at: float | None = None
    response_ms: float | None = None
    hidden_ms: float | None = None
    input: str | None = None
    viewport: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Event:
    """A stored event; ``seq`` orders them. ``replayed``: it was there already when it was appended again."""

    seq: int
    uuid: str
    kind: str
    voter: str
    session: str
    client_key: str
    query: int | None
    choice: Choice | None
    target: int | None
    shown_at: float | None
    response_ms: float | None
    hidden_ms: float | None
    input: str | None
    viewport: str | None
    payload: Mapping[str, Any]
    received_at: float
    replayed: bool = False


@dataclass(frozen=True)
class Version:
    """A generator that was trained or aligned; ``config_hash`` is the sha256 of its settings."""

    number: int
    kind: str
    parent: int | None
    checkpoint_sha256: str
    config_hash: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Any]
    created_at: float


@dataclass(frozen=True)
class TasteVersion:
    """A posterior that was kept: which events it has seen, the hash of its state, and its figures."""

    number: int
    trained_through_seq: int
    state_sha256: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Any]
    created_at: float
