"""Images from a folder and everything below it, idx files included; or from one idx file."""

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from penchant.data._arrays import IDX_NAME, array_blocks, idx_shape, read_idx
from penchant.data._decode import SUFFIXES, Unusable, read_image
from penchant.data._source import BLOCK, Item, hash_of, hash_of_file
from penchant.data.settings import ImageSettings

_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class FolderSource:
    """All image files below ``root`` in the order of their names; ``only`` names one file in it instead."""

    root: Path
    only: str | None = None

    @property
    def label(self) -> str:
        """See :class:`Source`."""
        return str(self.root / self.only) if self.only else str(self.root)

    @cached_property
    def _found(self) -> tuple[list[str], list[Item]]:
        return ([self.only], []) if self.only else _walk(self.root)

    @cached_property
    def _states(self) -> list[tuple[str, int, int]]:
        return [(name, *_size_and_time(self.root / name)) for name in self._found[0]]

    def count(self) -> int:
        """See :class:`Source`."""
        pictures = sum(not IDX_NAME.search(name) for name in self._found[0]) if self.only is None else 0
        return pictures + sum(self._idx_count(name) for name in self._idx_names()) + len(self._found[1])

    def listing(self) -> str:
        """See :class:`Source`."""
        return hash_of(*(f"{name}\0{size}" for name, size, _ in self._states))

    def stamp(self) -> str | None:
        """See :class:`Source`."""
        return hash_of(*(f"{name}\0{size}\0{time}" for name, size, time in self._states))

    def digest(self) -> str:
        """See :class:`Source`."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            return hash_of(*pool.map(lambda name: name + hash_of_file(self.root / name), self._found[0]))

    def blocks(self, settings: ImageSettings) -> Iterator[list[Item]]:
        """See :class:`Source`."""
        names, unreadable = self._found
        yield unreadable
        packed = set(self._idx_names())
        single = [name for name in names if name not in packed]
        with ThreadPoolExecutor(_WORKERS) as pool:
            for start in range(0, len(single), BLOCK):
                with warnings.catch_warnings():
                    # Pillow warns of odd metadata and of large headers; what matters is in the report.
                    warnings.simplefilter("ignore", UserWarning)
                    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                    block = list(pool.map(lambda name: _read(self.root, name, settings), single[start : start + BLOCK]))
                yield block
        for name in self._idx_names():
            try:
                array = read_idx(self.root / name)
            except Unusable as reason:
                yield [(name, str(reason))]
                continue
            for block in array_blocks(array, settings, name):
                yield [(f"{name}/{index}", image) for index, image in block]

    def _idx_names(self) -> list[str]:
        return [name for name in self._found[0] if self.only or IDX_NAME.search(name)]

    def _idx_count(self, name: str) -> int:
        try:
            return idx_shape(self.root / name)[0]
        except Unusable:
            return 1


def _read(root: Path, name: str, settings: ImageSettings) -> Item:
    try:
        return name, read_image(root / name, settings)
    except Unusable as reason:
        return name, str(reason)


def _walk(root: Path) -> tuple[list[str], list[Item]]:
    """Names of the image files below ``root``, sorted, and the folders that could not be read.

    Links to folders are followed, each folder is visited once, so that a loop of links ends. Hidden files and folders
    are left alone.
    """
    names: list[str] = []
    unreadable: list[Item] = []
    visited: set[tuple[int, int]] = set()

    def note(error: OSError) -> None:
        folder = os.path.relpath(error.filename, root) if error.filename else str(root)
        unreadable.append((folder, f"a folder that cannot be read: {error.strerror}"))

    for folder, inner, files in os.walk(root, followlinks=True, onerror=note):
        state = Path(folder).stat()
        if (state.st_dev, state.st_ino) in visited:
            inner.clear()
            continue
        visited.add((state.st_dev, state.st_ino))
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        relative = Path(folder).relative_to(root)
        names.extend((relative / name).as_posix() for name in files if is_candidate(name))
    return sorted(names), sorted(unreadable, key=lambda item: item[0])


def is_candidate(name: str) -> bool:
    """Whether a file of this name may hold images."""
    return not name.startswith(".") and (name.lower().endswith(SUFFIXES) or bool(IDX_NAME.search(name)))


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:
        return -1, 0
    return state.st_size, state.st_mtime_ns
