"""Images on disk as one memory-mapped array of bytes with a description beside it; damaged entries count as absent."""

import json
import os
import tempfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from penchant.core.errors import NO_ROOM, BadConfiguration, StorageFull

FORMAT = 1


@dataclass(frozen=True)
class Description:
    """What is known about the images of an entry; row i of the array is called ``names[i]``.

    The first ``holdout`` rows are held out. ``stamp`` and ``digest`` are those of the source it was made from.
    """

    stamp: str | None
    digest: str
    hash: str
    holdout: int
    names: list[str]
    found: int
    duplicates: list[list[str]]
    skipped: list[list[str]]
    checksum: int = 0


def load(cache: Path, key: str) -> tuple[np.ndarray, Description] | None:
    """The entry called ``key``; None where there is none or it is damaged."""
    try:
        record: dict[str, Any] = json.loads((cache / f"{key}.json").read_text(encoding="utf-8"))
        if record.pop("format") != FORMAT:
            return None
        description = Description(**record)
        images = np.load(cache / f"{key}.npy", mmap_mode="r", allow_pickle=False)
        sound = (
            len(images) == len(description.names)
            and images.dtype == np.uint8
            and _checksum(images) == description.checksum
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None
    return (images, description) if sound else None


def save(cache: Path, key: str, rows: np.ndarray, order: np.ndarray, description: Description) -> None:
    """Write ``rows[order]`` and its description; a reader sees the old entry or the new one, never half of one.

    Raises:
        StorageFull: no room on the disk.
        BadConfiguration: the folder cannot be written for another reason.
    """
    checksum = 0
    with _replacing(cache / f"{key}.npy") as file:
        shape = (len(order), *rows.shape[1:])
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, len(order), 1024):
            data = np.ascontiguousarray(rows[order[start : start + 1024]]).tobytes()
            checksum = zlib.crc32(data, checksum)
            file.write(data)
    describe(cache, key, replace(description, checksum=checksum))


def describe(cache: Path, key: str, description: Description) -> None:
    """Write the description alone."""
    text = json.dumps({"format": FORMAT, **asdict(description)})
    with _replacing(cache / f"{key}.json") as file:
        file.write(text.encode())


def scratch(cache: Path) -> IO[bytes]:
    """A nameless file in the cache folder that is gone when it is closed."""
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
        return cast(IO[bytes], tempfile.TemporaryFile(dir=cache))


@contextmanager
def writing(cache: Path) -> Generator[None]:
    """Turn a failure to write into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull(
                f"no room for the image cache in {cache}: {error.strerror}; free some space or name another folder"
            ) from None
        raise BadConfiguration(f"the image cache cannot be written in {cache}: {error.strerror or error}") from None


@contextmanager
def _replacing(path: Path) -> Generator[IO[bytes]]:
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


def _checksum(images: np.ndarray) -> int:
    checksum = 0
    for start in range(0, len(images), 1024):
        checksum = zlib.crc32(images[start : start + 1024].tobytes(), checksum)
    return checksum
