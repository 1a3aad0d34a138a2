"""One image in: from a file or an array of any kind to the stored square of bytes, or the reason why not."""

import stat
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from penchant.data.settings import ImageSettings

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
LARGEST = 100_000_000
"""Pixels; an image whose header states more is never decoded."""

_BROKEN = (
    *(SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, EOFError, RuntimeError),
    *(struct.error, zlib.error),
)
"""What decoders raise when they meet damaged bytes; none of it may end the intake of a whole folder."""


class Unusable(Exception):
    """Why an image is left out, as a person reads it in the report."""


def read_image(path: Path, settings: ImageSettings) -> np.ndarray:
    """The image in a file as bytes, c × h × w.

    Raises:
        Unusable: for whatever reason the file holds no usable image; reading one file never fails otherwise.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(state.st_mode):
        raise Unusable("not a regular file")
    return decode_image(path, state.st_size, settings)


def decode_image(file: Path | IO[bytes], size: int, settings: ImageSettings) -> np.ndarray:
    """As :func:`read_image`, of what can be opened and has so many bytes."""
    if size == 0:
        raise Unusable("an empty file")
    try:
        with Image.open(file, formats=FORMATS) as image:
            return fit_image(image, settings)
    except UnidentifiedImageError:
        raise Unusable("not an image that can be read: PNG, JPEG, WebP, GIF and BMP can") from None
    except Image.DecompressionBombError:
        raise Unusable(f"its header states more than the {LARGEST // 1_000_000} megapixels that are read") from None
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise Unusable("too large for this machine's memory") from None
    except (
        SyntaxError,
        ValueError,
        ArithmeticError,
        LookupError,
        TypeError,
        AttributeError,
        EOFError,
        RuntimeError,
    ) as error:
        # Decoders meet damaged bytes with all of these; none of them may end the intake of a whole folder.
        raise Unusable(f"broken: {error}") from None


def read_array(image: np.ndarray, settings: ImageSettings) -> np.ndarray:
    """An image of bytes, h × w × c with 1, 3 (RGB) or 4 (RGBA) channels, as stored: c × h × w."""
    if image.shape == (settings.size, settings.size, settings.spec.channels):
        return np.moveaxis(image, -1, 0)
    return fit_image(Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)), settings)


def fit_image(image: Image.Image, settings: ImageSettings) -> np.ndarray:
    """Upright, square, in the asked size and colours, over the background: bytes, c × h × w.

    Raises:
        Unusable: more pixels than are read, or fewer than half of those asked for.
    """
    width, height = image.size
    if width * height > LARGEST:
        raise Unusable(f"{width} × {height} px is more than the {LARGEST // 1_000_000} megapixels that are read")
    edge = min(width, height) if settings.fit == "crop" else max(width, height)
    if 2 * edge < settings.size:
        raise Unusable(f"{width} × {height} px is less than half of the {settings.size} px asked for")
    # A JPEG is decoded at a fraction of its size where that still leaves twice what is needed.
    image.draft(None, (2 * settings.size, 2 * settings.size))
    square = _square(_eight_bit(_upright(image)), settings)
    if square.mode == "RGBA":
        square = Image.alpha_composite(Image.new("RGBA", square.size, (*settings.background, 255)), square)
    pixels = np.asarray(square.convert("RGB" if settings.colour else "L"))
    return np.moveaxis(pixels, -1, 0) if settings.colour else pixels[None]


def _upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF orientation says, or as it is where that cannot be read."""
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:
        return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """The image as L, RGB, or RGBA where it has transparent pixels."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.rint(np.clip(values / 257, 0, 255)).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _square(image: Image.Image, settings: ImageSettings) -> Image.Image:
    width, height = image.size
    edge = min(width, height) if settings.fit == "crop" else max(width, height)
    resample = Image.Resampling.LANCZOS if edge >= settings.size else Image.Resampling.BICUBIC
    if settings.fit == "crop":
        left, top = (width - edge) // 2, (height - edge) // 2
        box = (left, top, left + edge, top + edge)
        return image.resize((settings.size, settings.size), resample, box=box, reducing_gap=3.0)
    scale = settings.size / edge
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = image.resize(inner, resample, reducing_gap=3.0)
    mode = "RGBA" if small.mode == "RGBA" else "RGB"
    canvas = Image.new(mode, (settings.size, settings.size), settings.background + (255,) * (mode == "RGBA"))
    canvas.paste(small.convert(mode), ((settings.size - inner[0]) // 2, (settings.size - inner[1]) // 2))
    return canvas
