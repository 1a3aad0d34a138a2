"""One person sorting the real images, keep or reject, one after the other: what comes next, undo, what is left."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Int

from penchant.core.errors import BadVote
from penchant.store import Event, NewEvent
from penchant.study.ballot import Sender
from penchant.study.labels import KEEP, KIND, REJECT, Labels, content_of
from penchant.study.study import Study


@dataclass(frozen=True)
class Sorted:
    """How far it is: images kept, rejected, called something else, and not labelled yet."""

    kept: int
    rejected: int
    others: int
    left: int


@dataclass
class Sorting:
    """What one voter does with the real training images of a study; touches the store alone, so any thread may call it.

    An image is named ``ROW-CONTENT``: where it is, and the digits of its content, so that a name from before the folder
    changed is refused instead of meaning another image. The order is of chance and stays the same for the study.
    Nothing must be trained. What other voters said stays theirs; training hears them all (``Labels.agreed``).

    Args:
        study: whose images.
        sender: who labels.
    """

    study: Study
    sender: Sender
    _labels: Labels = field(default_factory=lambda: Labels(()))
    _through: int = 0
    _rows: dict[str, int] = field(default_factory=dict[str, int])
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def next(self, count: int, after: str | None = None) -> Sequence[str]:
        """Up to ``count`` images without a label: those that come after the image ``after``, then from the beginning.

        Raises:
            BadVote: there is no image named ``after``.
        """
        start = 0 if after is None else int(np.flatnonzero(self._order == self.row_of(after))[0]) + 1
        ahead = np.roll(self._order, -start)
        done = np.zeros(len(ahead), dtype=bool)
        done[[row for row, _ in self._given()]] = True
        return [self.name_of(int(row)) for row in ahead[~done[ahead]][:count]]

    def label(self, image: str, name: str, client_key: str) -> Event:
        """Say keep or reject of an image; on the disk when this returns. The last word on an image counts.

        Raises:
            BadVote: there is no such image, or the key was used for something else.
        """
        return self._store(self.row_of(image), name, client_key)

    def undo(self, client_key: str) -> str | None:
        """Take this voter's last label back, once for each key; gives the image, or None where there is none.

        Raises:
            BadVote: the key was used for something else.
        """
        sent = self.study.store.sent(self.sender.session, client_key)
        if sent is not None:
            if sent.kind != KIND or sent.payload["label"] is not None:
                raise BadVote(f"the key '{client_key}' was used before for something else; an undo needs a new key")
            return self.name_of(int(sent.payload["row"]))
        given = self._given()
        if not given:
            return None
        self._store(given[-1][0], None, client_key)
        return self.name_of(given[-1][0])

    def listed(self, name: str) -> Sequence[str]:
        """The images that this voter gave a label, the last one first."""
        return [self.name_of(row) for row, said in reversed(self._given()) if said == name]

    @property
    def standing(self) -> Sorted:
        """How far it is."""
        said = [name for _, name in self._given()]
        kept, rejected = said.count(KEEP), said.count(REJECT)
        return Sorted(kept, rejected, len(said) - kept - rejected, len(self._order) - len(said))

    def row_of(self, image: str) -> int:
        """The row of an image; raises BadVote where there is no such image any more."""
        place, _, content = image.partition("-")
        images = self.study.images.train
        if not place.isdecimal() or int(place) >= len(images) or content_of(images[int(place)]) != content:
            raise BadVote(f"there is no image '{image}'; the folder may have changed since it was shown: reload")
        return int(place)

    def name_of(self, row: int) -> str:
        """The name of the image at a row."""
        return f"{row}-{content_of(self.study.images.train[row])}"

    @cached_property
    def _order(self) -> Int[np.ndarray, " n"]:
        return self.study.rng.child("label", 0).numpy().permutation(len(self.study.images.train))

    def _store(self, row: int, name: str | None, client_key: str) -> Event:
        payload = {"image": content_of(self.study.images.train[row]), "version": None, "row": row, "label": name}
        voter, session = self.sender.voter, self.sender.session
        return self.study.store.append(NewEvent(KIND, voter, session, client_key, payload=payload))

    def _given(self) -> list[tuple[int, str]]:
        """Row and label of the images that this voter labelled and that are still there, in the order of labelling.

        Reads only what came since, and looks each image up once: 10,000 labels are as quick as ten.
        """
        with self._busy:
            events = self.study.store.events(self._through, kinds=[KIND], voter=self.sender.voter)
            if events:
                self._labels, self._through = self._labels.followed_by(events), events[-1].seq
                new = [one for one in self._labels.given if one.version is None and one.image not in self._rows]
                images = self.study.images.train
                self._rows |= {content_of(images[row]): row for row in Labels(tuple(new)).real(images)}
            real = [one for one in self._labels.given if one.version is None and one.image in self._rows]
            return [(self._rows[one.image], one.label) for one in real]
