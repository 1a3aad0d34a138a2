"""What a source of images must tell, whatever it is: how to know it again, and its images."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from penchant.data.settings import ImageSettings

Item = tuple[str, np.ndarray | str]
"""The name of an image, and its stored bytes (c × h × w) or the reason why it is left out."""

BLOCK = 256
"""Images that are read before progress is told and memory given back."""


class Source(Protocol):
    """A folder, an array or the embedded set."""

    @property
    def label(self) -> str:
        """What the report calls it."""
        ...

    def count(self) -> int:
        """How many images there may be."""
        ...

    def listing(self) -> str:
        """What can be told without reading it, such as names and sizes: this finds the cache entry."""
        ...

    def stamp(self) -> str | None:
        """A quick sign that nothing changed, such as times of change; None where there is no such sign."""
        ...

    def digest(self) -> str:
        """A hash of the contents: this decides whether the cache entry is right."""
        ...

    def blocks(self, settings: ImageSettings) -> Iterator[list[Item]]:
        """All images in a fixed order."""
        ...


def hash_of(*parts: str | bytes) -> str:
    """SHA-256 of the parts and of where one ends and the next begins."""
    state = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def hash_of_file(path: Path) -> str:
    """SHA-256 of a file's contents; of nothing where it cannot be read."""
    state = sha256()
    try:
        with path.open("rb") as file:
            while data := file.read(1 << 20):
                state.update(data)
    except OSError:
        return ""
    return state.hexdigest()
