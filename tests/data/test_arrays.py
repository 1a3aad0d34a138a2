import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from penchant.core.errors import BadImages
from penchant.data._arrays import ArraySource, array_blocks, idx_shape, is_idx, open_array_file, read_idx
from penchant.data._decode import Unusable
from penchant.data.settings import ImageSettings

GREY = ImageSettings(size=28, colour=False)
COLOUR = ImageSettings(size=28)


def first(array: np.ndarray, settings: ImageSettings = GREY) -> np.ndarray | str:
    return next(iter(array_blocks(array, settings, "array")))[0][1]


@pytest.mark.parametrize(
    ("value", "dtype", "seen"),
    [
        *((7, np.uint8, 7), (257 * 7, np.uint16, 7), (65535, np.uint16, 255)),
        *((0.5, np.float32, 128), (1.0, np.float16, 255), (200, np.int64, 200), (True, np.bool_, 255)),
    ],
)
def test_numbers_of_each_kind_become_bytes(value: float, dtype: type, seen: int) -> None:
    image = first(np.full((1, 28, 28), value, dtype))
    assert isinstance(image, np.ndarray)
    assert (image.dtype, image.shape, set(image.ravel().tolist())) == (np.uint8, (1, 28, 28), {seen})


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2)])
def test_channels_are_found_first_or_last(order: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 3), dtype=np.uint8)
    seen = first(images.transpose(order), COLOUR)
    assert np.array_equal(seen, images[0].transpose(2, 0, 1))


def test_array_with_alpha_shows_the_background() -> None:
    assert np.all(first(np.zeros((1, 28, 28, 4), np.uint8), COLOUR) == 255)


def test_array_is_resized_and_recoloured() -> None:
    image = first(np.full((1, 60, 40), 99, np.uint8), COLOUR)
    assert isinstance(image, np.ndarray)
    assert image.shape == (3, 28, 28)
    assert (image == 99).all()


@pytest.mark.parametrize("value", [-0.5, 255.0, np.nan, np.inf])
def test_floats_outside_zero_to_one_are_refused(value: float) -> None:
    reason = first(np.full((1, 28, 28), value, np.float32))
    assert isinstance(reason, str)
    assert "from 0 to 1" in reason


@pytest.mark.parametrize("shape", [(), (5,), (28, 28), (2, 28, 28, 2), (2, 3, 28, 28, 1), (4, 0, 28)])
def test_array_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadImages, match="shape"):
        ArraySource("array", np.zeros(shape, np.uint8))


def test_array_of_another_kind_is_refused() -> None:
    with pytest.raises(BadImages, match="complex64"):
        ArraySource("array", np.zeros((4, 28, 28), np.complex64))


def test_archive_gives_the_array_called_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=np.zeros(3), images=np.ones((3, 8, 8), np.uint8))
    assert open_array_file(tmp_path / "a.npz").shape == (3, 8, 8)


def test_archive_of_unclear_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", left=np.zeros(3), right=np.zeros(3))
    with pytest.raises(BadImages, match="left, right; name the array of images 'images'"):
        open_array_file(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_array_file_is_never_unpickled(tmp_path: Path, name: str) -> None:
    objects = np.array([{"some": "object"}], dtype=object)
    np.save(tmp_path / "a.npy", objects)
    np.savez(tmp_path / "a.npz", images=objects)
    with pytest.raises(BadImages, match="cannot be read as an array"):
        open_array_file(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_broken_array_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(BadImages, match="cannot be read"):
        open_array_file(tmp_path / name)


def idx(images: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([images.ndim]) + struct.pack(f">{images.ndim}I", *images.shape) + images.tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_idx_file_is_read(tmp_path: Path, packed: bool) -> None:
    images = np.arange(2 * 5 * 4, dtype=np.uint8).reshape(2, 5, 4)
    path = tmp_path / "digits"
    path.write_bytes(gzip.compress(idx(images)) if packed else idx(images))
    assert is_idx(path)
    assert idx_shape(path) == (2, 5, 4)
    assert (read_idx(path) == images).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (idx(np.zeros((2, 5, 4), np.uint8))[:-1], "states 40 bytes of images, it has 39"),
        (idx(np.zeros(5, np.uint8)), "not an idx file of images"),
        (b"\0\0\x08\x03\0\0", "cut short within its header"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "more than is read"),
        (gzip.compress(idx(np.zeros((2, 5, 4), np.uint8)), mtime=0)[:-12], "broken"),
        (b"", "not an idx file"),
    ],
)
def test_broken_idx_file_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "digits-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(Unusable, match=reason):
        read_idx(path)
