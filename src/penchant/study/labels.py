"""Labels on single images, real or generated: keep, reject, or a class; events like votes, known by their content."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
from jaxtyping import Int, UInt8

from penchant.core.contracts import Annotations
from penchant.core.errors import BadVote, NotReady, StudyDamaged
from penchant.store import Event, NewEvent

if TYPE_CHECKING:
    from penchant.study.study import Study

KIND = "label"
KEEP, REJECT = "keep", "reject"
_LONGEST = 100


@dataclass(frozen=True)
class Label:
    """What one voter called one image; ``version`` made it, None for a real one.

    ``image`` names its content and ``row`` says where it was when it was labelled: a row of ``study.images.train``, or
    of the version's candidates. Real images move when the folder changes; :class:`Labels` finds them again.
    """

    seq: int
    voter: str
    image: str
    version: int | None
    row: int
    label: str


def label(
    study: "Study",
    row: int,
    name: str,
    *,
    version: str | int | None = None,
    voter: str = "python",
    session: str | None = None,
    client_key: str | None = None,
) -> int:
    """Store a label for good; gives its event. A voter's later label of the same image takes the earlier one's place.

    Touches the store alone, so it is safe in any thread and before anything is trained.

    Args:
        study: whose images.
        row: of ``study.images.train``, or of the candidates of ``version``.
        name: ``keep``, ``reject``, or the name of a class.
        version: the generator version that made the image; None for a real one.
        voter, session, client_key: as for :meth:`Study.tell`.

    Raises:
        BadVote: there is no such image, the label is empty or too long, or the key was used for something else.
        UnknownName, NotReady: there is no such version.
    """
    said = " ".join(name.split())
    if not said or len(said) > _LONGEST or not said.isprintable():
        raise BadVote(f"a label is a word or a few, of 1 to {_LONGEST} characters; found {name!r}")
    return _stored(study, row, said, version, voter, session, client_key).seq


def unlabel(
    study: "Study",
    row: int,
    *,
    version: str | int | None = None,
    voter: str = "python",
    session: str | None = None,
    client_key: str | None = None,
) -> int:
    """Take a voter's label of an image back; gives the event that says so.

    Raises:
        BadVote: this voter has no label on it.
    """
    number = None if version is None else study.versions.named(version).number
    mark = content_of(_image(study, row, number))
    if mark not in {one.image for one in Labels.of(study).given if one.voter == voter}:
        raise BadVote(f"{voter} gave no label to {_called(row, number)}, so there is none to take back")
    return _stored(study, row, None, version, voter, session, client_key).seq


@dataclass(frozen=True)
class Labels:
    """The labels that count now, in the order of the log: the last one of each voter for each image."""

    given: tuple[Label, ...]

    @staticmethod
    def of(study: "Study", voter: str | None = None) -> "Labels":
        """All of a study, or those of one voter."""
        return Labels.replayed(study.store.events(kinds=[KIND], voter=voter))

    @staticmethod
    def replayed(events: Iterable[Event]) -> "Labels":
        """Those that the events of the log leave.

        Raises:
            StudyDamaged: one of them cannot be read.
        """
        return Labels(()).followed_by(events)

    def followed_by(self, events: Iterable[Event]) -> "Labels":
        """Those that are left when more events come after these; raises StudyDamaged as :meth:`replayed`."""
        found = {(one.voter, one.image): one for one in self.given}
        for event in events:
            try:
                told = event.payload
                key = event.voter, str(told["image"])
                found.pop(key, None)
                if told["label"] is not None:
                    number = None if told["version"] is None else int(told["version"])
                    found[key] = Label(event.seq, *key, number, int(told["row"]), str(told["label"]))
            except (KeyError, TypeError, ValueError) as error:
                raise StudyDamaged(f"event {event.seq} is a label that cannot be read: {error!r}") from None
        return Labels(tuple(found.values()))

    def __len__(self) -> int:
        return len(self.given)

    @cached_property
    def agreed(self) -> dict[str, str]:
        """For each image what most voters call it; the last word where as many say one thing as another."""
        said: dict[str, list[str]] = {}
        for one in self.given:
            said.setdefault(one.image, []).append(one.label)
        return {image: _most(names) for image, names in said.items()}

    @property
    def counts(self) -> Counter[str]:
        """How many images have each label."""
        return Counter(self.agreed.values())

    def real(self, images: UInt8[np.ndarray, "n c h w"]) -> dict[int, str]:
        """Row → label among real images, wherever they lie now; those that are gone are left out.

        Looks where they were first; only if one is not there any more are all hashed, 0.4 s for 100,000 of 32 px.
        """
        wanted = {one.image: one.row for one in self.given if one.version is None}
        found: dict[str, int] = {}
        for mark, row in wanted.items():
            if row < len(images) and content_of(images[row]) == mark:
                found[mark] = row
        if len(found) < len(wanted):
            moved = wanted.keys() - found.keys()
            found |= {mark: row for row, mark in enumerate(map(content_of, images)) if mark in moved}
        return {found[mark]: self.agreed[mark] for mark in wanted if mark in found}

    def made(self, version: int) -> dict[int, str]:
        """Row → label among the candidates of a version."""
        return {one.row: self.agreed[one.image] for one in self.given if one.version == version}


def next_to_label(
    study: "Study", count: int, *, version: str | int | None = None, voter: str = "python"
) -> Sequence[int]:
    """Rows that this voter did not label yet, in an order of chance that stays the same; fewer where fewer are left."""
    number = None if version is None else study.versions.named(version).number
    images = study.images.train if number is None else study.versions.pool(number).images
    labels = Labels.of(study, voter)
    done = labels.real(images) if number is None else labels.made(number)
    order = study.rng.child("label", number or 0).numpy().permutation(len(images))
    return [int(row) for row in order if int(row) not in done][:count]


def rejected_rows(study: "Study") -> Int[np.ndarray, " r"]:
    """Rows of the real training images that are rejected, in order: no generator learns from them.

    Raises:
        NotReady: all of them are.
    """
    labels = Labels.of(study)
    if not len(labels):
        return np.zeros(0, dtype=np.int64)
    images = study.images.train
    rows = np.array(sorted(row for row, name in labels.real(images).items() if name == REJECT), dtype=np.int64)
    if len(rows) == len(images):
        raise NotReady(
            f"all {len(rows)} images of {study.path} are rejected, so there is nothing to learn from; keep some: "
            f"penchant label {study.path}, or Study.label(row, 'keep')"
        )
    return rows


def heeded(annotations: Annotations, count: int, rejected: Int[np.ndarray, " r"]) -> Annotations:
    """Annotations under which rejected images are never seen."""
    if not len(rejected):
        return annotations
    weights = np.ones(count) if annotations.weights is None else np.array(annotations.weights)
    weights[rejected] = 0
    return replace(annotations, weights=weights)


def content_of(image: UInt8[np.ndarray, "c h w"]) -> str:
    """32 hexadecimal digits that name an image's bytes at the study's size."""
    return sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()[:32]


def _stored(
    study: "Study",
    row: int,
    name: str | None,
    version: str | int | None,
    voter: str,
    session: str | None,
    client_key: str | None,
) -> Event:
    number = None if version is None else study.versions.named(version).number
    payload = {"image": content_of(_image(study, row, number)), "version": number, "row": int(row), "label": name}
    event = NewEvent(KIND, voter, session or uuid4().hex, client_key or uuid4().hex, payload=payload)
    return study.store.append(event)


def _image(study: "Study", row: int, version: int | None) -> UInt8[np.ndarray, "c h w"]:
    images = study.images.train if version is None else study.versions.pool(version).images
    if not 0 <= row < len(images):
        raise BadVote(f"there is no {_called(row, version)}; there are 0 to {len(images) - 1}")
    return np.asarray(images[row])


def _called(row: int, version: int | None) -> str:
    return f"real image {row}" if version is None else f"image {row} of version {version}"


def _most(names: Sequence[str]) -> str:
    counts = Counter(names)
    most = max(counts.values())
    return next(name for name in reversed(names) if counts[name] == most)
