"""Files of a study: written whole or not at all, with a clear error when the disk is full."""

import errno
import hashlib
import io
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from penchant.core.errors import NO_ROOM, BadConfiguration, StorageFull, StudyMissing
from penchant.study.settings import FILE


@contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Tell a full disk, and a folder that may not be written, as what they are."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull(
                f"no room left on the disk of {path}; free some space and give the same command again. "
                "Votes that were acknowledged are safe."
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise BadConfiguration(f"{error.filename or path} may not be written: {error.strerror}") from None
        raise


@contextmanager
def moved_into_place(folder: Path) -> Generator[Path]:
    """A temporary folder beside ``folder`` that takes its place when all went well."""
    temporary = folder.with_name(folder.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def scratch(folder: Path) -> Generator[None]:
    """An empty ``folder`` inside the block, none after it."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of all files in ``folder``."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def pil_image(pixels: UInt8[np.ndarray, "c h w"]) -> Image.Image:
    """A PIL image (L or RGB) of bytes."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def png_bytes(pixels: UInt8[np.ndarray, "c h w"]) -> bytes:
    """The image as PNG."""
    buffer = io.BytesIO()
    pil_image(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def study_folder(path: str | Path) -> Path:
    """The folder of a study that is there.

    Raises:
        StudyMissing: there is none.
    """
    path = Path(path)
    if not (path / FILE).is_file():
        raise StudyMissing(f"there is no study at {path}; `penchant new FOLDER --study {path}` makes one")
    return path
