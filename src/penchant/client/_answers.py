"""What the studio answers, as frozen dataclasses; fields that a newer studio adds are left out."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Me:
    """Who the studio takes you for; ``quota`` votes at most, until ``expires_at`` (seconds since 1970)."""

    voter: str
    owner: bool
    votes: int
    quota: int | None
    expires_at: float | None
    records_signals: bool


@dataclass(frozen=True)
class Pair:
    """Two images to choose between, by the SHA-256 of their PNG bytes."""

    query: int
    left: str
    right: str


@dataclass(frozen=True)
class Standing:
    """How far you are: ``wanted`` votes in this round, None where there is no end; ``learned`` in plain sentences."""

    votes: int
    wanted: int | None
    done: bool
    learned: Mapping[str, str]


@dataclass(frozen=True)
class Voted:
    """A vote that is on the disk of the studio; ``id`` takes it back."""

    id: int
    votes: int
    progress: Standing


@dataclass(frozen=True)
class Pull:
    """A quality and how it goes with the taste: a correlation with its 90% interval; ``clear`` of zero or not."""

    quality: str
    towards: str
    correlation: float
    interval: tuple[float, float]
    clear: bool


@dataclass(frozen=True)
class Taste:
    """What was learned: in a sentence, by quality, and how many pairs at random it expects to guess.

    ``most`` and ``least`` are candidates at both ends, as VERSION-ROW; ``enough`` says that more votes would not help.
    """

    votes: int
    sentence: str
    advice: tuple[str, ...]
    accuracy: float
    enough: bool
    pulls: tuple[Pull, ...]
    most: tuple[str, ...]
    least: tuple[str, ...]


@dataclass(frozen=True)
class GalleryPage:
    """A page of candidates of a version: ``rows``, which of them are liked and kept, and ``count`` of all of them."""

    version: int
    rows: tuple[int, ...]
    liked: tuple[int, ...]
    kept: tuple[int, ...]
    count: int
    strengths: tuple[float, ...]


@dataclass(frozen=True)
class AlignmentWork:
    """What is being trained or aligned, how far it is, or how it ended: ``version``, ``stopped`` or ``error``."""

    kind: str
    running: bool
    stage: str
    fraction: float
    seconds_left: float | None
    error: str
    stopped: bool
    version: int | None


@dataclass(frozen=True)
class Invitation:
    """Who was invited, and what is left of it."""

    id: int
    voter: str
    created_at: float
    expires_at: float
    quota: int | None
    votes: int
    revoked: bool
    expired: bool


@dataclass(frozen=True)
class Sorted:
    """How many of the real images you kept and rejected, and how many have no label yet."""

    kept: int
    rejected: int
    left: int


def made(kind: type[T], answer: Mapping[str, Any], **others: Any) -> T:
    """An answer as its dataclass; lists become tuples, ``others`` take the place of what is nested."""
    values = {field.name: answer[field.name] for field in fields(kind) if field.name not in others}  # pyright: ignore[reportArgumentType]
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return kind(**frozen, **others)


def standing_of(answer: Mapping[str, Any]) -> Standing:
    """How far the voter is."""
    return made(Standing, answer, learned={one["topic"]: one["text"] for one in answer["learned"]})
