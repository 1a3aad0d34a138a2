"""Images from arrays: in memory, .npy, .npz, and the idx files of MNIST and its relatives."""

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BufferedReader
from pathlib import Path

import numpy as np

from penchant.core.errors import BadImages
from penchant.data._decode import Unusable, read_array
from penchant.data._source import BLOCK, Item, hash_of, hash_of_file
from penchant.data.settings import ImageSettings

IDX_NAME = re.compile(r"idx[34]-ubyte(\.gz)?$")
_SHAPES = "n × h × w, n × h × w × c or n × c × h × w with c = 1, 3 or 4"
_LARGEST_IDX = 1 << 34


@dataclass(frozen=True)
class ArraySource:
    """Images in an array; ``path`` is the file that it came from, if any.

    Raises:
        BadImages: the array does not hold images.
    """

    label: str
    array: np.ndarray
    path: Path | None = None

    def __post_init__(self) -> None:
        _channels_last(self.array, self.label)

    def count(self) -> int:
        """See :class:`Source`."""
        return len(self.array)

    def listing(self) -> str:
        """See :class:`Source`."""
        return hash_of(str(self.array.dtype), str(self.array.shape), self.path.name if self.path else "")

    def stamp(self) -> str | None:
        """See :class:`Source`."""
        return None if self.path is None else f"{self.path.stat().st_size} {self.path.stat().st_mtime_ns}"

    def digest(self) -> str:
        """See :class:`Source`."""
        if self.path is not None:
            return hash_of_file(self.path)
        state = sha256()
        for start in range(0, len(self.array), BLOCK):
            state.update(np.ascontiguousarray(self.array[start : start + BLOCK]).tobytes())
        return state.hexdigest()

    def blocks(self, settings: ImageSettings) -> Iterator[list[Item]]:
        """See :class:`Source`."""
        yield from array_blocks(self.array, settings, self.label)


def array_blocks(array: np.ndarray, settings: ImageSettings, label: str) -> Iterator[list[Item]]:
    """The images of an array with names such as ``00017``.

    Raises:
        BadImages: the array does not hold images.
    """
    images = _channels_last(array, label)
    digits = max(5, len(str(len(images))))
    for start in range(0, len(images), BLOCK):
        block: list[Item] = []
        for index, image in enumerate(images[start : start + BLOCK], start):
            try:
                block.append((f"{index:0{digits}}", read_array(_as_bytes(image), settings)))
            except Unusable as reason:
                block.append((f"{index:0{digits}}", str(reason)))
        yield block


def open_array_file(path: Path) -> np.ndarray:
    """The images in a .npy or .npz file; in an archive of several arrays the one called ``images``, or the only one.

    Raises:
        BadImages: it cannot be read, holds Python objects, or does not say which array is meant.
    """
    try:
        if path.suffix.lower() == ".npy":
            return np.lib.format.open_memmap(path, mode="r")
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            names = list(archive.files)
            likely = [name for name in ("images", "x_train", "arr_0") if name in names][:1] or names
            if len(likely) != 1:
                raise BadImages(f"{path} holds {', '.join(names) or 'nothing'}; name the array of images 'images'")
            return archive[likely[0]]
    except (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise BadImages(f"{path} cannot be read as an array of numbers: {error}") from None


def is_idx(path: Path) -> bool:
    """Whether a file is named or begins like the idx image files of MNIST."""
    if IDX_NAME.search(path.name):
        return True
    try:
        with _open_idx(path) as file:
            start = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return start in (b"\0\0\x08\x03", b"\0\0\x08\x04")


def idx_shape(path: Path) -> tuple[int, ...]:
    """Shape of the images in an idx file, from its header.

    Raises:
        Unusable: it has no such header.
    """
    try:
        with _open_idx(path) as file:
            return _shape(file)
    except (OSError, EOFError, zlib.error) as error:
        raise Unusable(f"cannot be read: {error}") from None


def read_idx(path: Path) -> np.ndarray:
    """The bytes of an idx file, n × h × w.

    Raises:
        Unusable: broken, cut short, or not images.
    """
    try:
        with _open_idx(path) as file:
            shape = _shape(file)
            size = int(np.prod(shape, dtype=object))
            data = file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise Unusable(f"broken: {error}") from None
    if len(data) != size:
        raise Unusable(f"cut short: its header states {size:,} bytes of images, it has {len(data):,}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _open_idx(path: Path) -> gzip.GzipFile | BufferedReader:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")


def _shape(file: gzip.GzipFile | BufferedReader) -> tuple[int, ...]:
    start = file.read(4)
    if start not in (b"\0\0\x08\x03", b"\0\0\x08\x04"):
        raise Unusable("not an idx file of images (bytes, n × h × w)")
    sizes = file.read(4 * start[3])
    if len(sizes) != 4 * start[3]:
        raise Unusable("cut short within its header")
    shape = tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))
    if int(np.prod(shape, dtype=object)) > _LARGEST_IDX:
        raise Unusable(f"its header states {' × '.join(map(str, shape))} bytes, which is more than is read")
    return shape


def _channels_last(array: np.ndarray, label: str) -> np.ndarray:
    if array.dtype.kind not in "buif":
        raise BadImages(f"{label} holds {array.dtype}; images are bytes, 16-bit numbers or floats in [0, 1]")
    if array.ndim in (3, 4) and 0 in array.shape[1:]:
        raise BadImages(f"{label} has shape {array.shape}, images without pixels")
    if array.ndim == 3:
        return array[..., None]
    if array.ndim == 4 and array.shape[1] in (1, 3, 4) and array.shape[3] not in (1, 3, 4):
        return np.moveaxis(array, 1, -1)
    if array.ndim == 4 and array.shape[3] in (1, 3, 4):
        return array
    raise BadImages(f"{label} has shape {array.shape}; images are {_SHAPES}")


def _as_bytes(image: np.ndarray) -> np.ndarray:
    """One image as bytes: 16-bit numbers and floats in [0, 1] scaled, other whole numbers taken as 0 to 255."""
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.bool_:
        return image.astype(np.uint8) * 255
    if image.dtype == np.uint16:
        return np.rint(image / 257).astype(np.uint8)
    low, high = float(image.min()), float(image.max())
    top = 1 if image.dtype.kind == "f" else 255
    if not (low >= 0 and high <= top):
        raise Unusable(f"values from {low:g} to {high:g}; {image.dtype} images have values from 0 to {top}")
    return np.rint(image * (255 // top)).astype(np.uint8)
