import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from penchant.data._decode import Unusable, fit_image, read_image
from penchant.data.settings import ImageSettings

COLOUR = ImageSettings(size=28)
GREY = ImageSettings(size=28, colour=False)


def huge_png(width: int, height: int) -> bytes:
    """A sound PNG header that states these sizes, and next to no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(b"\0" * 50))
    packed = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def halves(left: Any, right: Any, mode: str = "RGB", size: tuple[int, int] = (56, 56)) -> Image.Image:
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp"])
def test_file_of_each_kind_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    halves((250, 10, 10), (10, 10, 250)).save(path)
    pixels = read_image(path, COLOUR)
    assert pixels.shape == (3, 28, 28)
    assert np.abs(pixels[:, 14, 4].astype(int) - [250, 10, 10]).max() < 12
    assert np.abs(pixels[:, 14, 23].astype(int) - [10, 10, 250]).max() < 12


def test_gif_gives_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    Image.new("RGB", (32, 32), "red").save(path, save_all=True, append_images=[Image.new("RGB", (32, 32), "blue")])
    assert read_image(path, COLOUR)[:, 0, 0].tolist() == [255, 0, 0]


def test_photo_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise
    path = tmp_path / "photo.jpg"
    halves("white", "black").save(path, exif=exif, quality=95)
    pixels = read_image(path, GREY)[0]
    assert pixels[4].min() > 240
    assert pixels[23].max() < 15


@pytest.mark.parametrize(("value", "seen"), [(0, 0), (257 * 100, 100), (65535, 255)])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path, value: int, seen: int) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((32, 32), value, np.uint16)).save(path)
    assert set(read_image(path, GREY).ravel().tolist()) == {seen}
    assert set(read_image(path, COLOUR).ravel().tolist()) == {seen}


def test_transparent_pixels_show_the_background() -> None:
    settings = ImageSettings(size=28, background=(0, 200, 0))
    pixels = fit_image(halves((255, 0, 0, 255), (255, 0, 0, 0), "RGBA"), settings)
    assert pixels[:, 9, 4].tolist() == [255, 0, 0]
    assert pixels[:, 9, 24].tolist() == [0, 200, 0]


def test_colour_under_transparent_pixels_does_not_bleed() -> None:
    image = Image.new("RGBA", (280, 280), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 135, 280))
    assert fit_image(image, COLOUR).min() == 255


def test_palette_with_transparency_shows_the_background(tmp_path: Path) -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 16, 32))
    image.save(tmp_path / "palette.png", transparency=0)
    pixels = read_image(tmp_path / "palette.png", COLOUR)
    assert pixels[:, 5, 3].tolist() == [255, 255, 255]
    assert pixels[:, 5, 25].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("mode", "ink", "seen"), [("1", 1, 255), ("L", 90, 90), ("LA", (90, 255), 90), ("CMYK", (0, 0, 0, 0), 255)]
)
def test_image_of_each_mode_is_read(mode: str, ink: Any, seen: int) -> None:
    image = Image.new(mode, (30, 30), ink)
    assert set(fit_image(image, COLOUR).ravel().tolist()) == {seen}
    assert fit_image(image, GREY).shape == (1, 28, 28)


def test_cmyk_photo_is_not_inverted(tmp_path: Path) -> None:
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=95)
    red, green, blue = read_image(tmp_path / "print.jpg", COLOUR)[:, 10, 10].astype(int)
    assert red > 240
    assert max(green, blue) < 15


def test_crop_keeps_the_middle() -> None:
    image = Image.new("L", (90, 30), 0)
    image.paste(255, (30, 0, 60, 30))
    assert fit_image(image, GREY).min() > 250


def test_pad_keeps_everything_on_the_background() -> None:
    pixels = fit_image(Image.new("RGB", (56, 28), "red"), ImageSettings(size=28, fit="pad", background=(0, 0, 255)))
    assert pixels[:, 14, 0].tolist() == [255, 0, 0]
    assert pixels[:, 3, 14].tolist() == [0, 0, 255]
    assert (pixels[0] == 255).sum() == 28 * 14


def test_fine_texture_is_averaged_not_sampled() -> None:
    checks = (np.indices((448, 448)).sum(0) % 2 * 255).astype(np.uint8)
    pixels = fit_image(Image.fromarray(checks), GREY)
    assert np.abs(pixels.astype(int) - 127).max() < 6


def test_large_photo_is_the_same_as_resized_in_one_step(tmp_path: Path) -> None:
    y, x = np.mgrid[0:1000, 0:1000] / 1000
    smooth = np.stack([255 * x, 255 * y, 128 + 100 * np.sin(6 * x)], -1).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "photo.jpg", quality=95)
    seen = read_image(tmp_path / "photo.jpg", COLOUR).astype(int)
    wanted = np.moveaxis(np.asarray(Image.fromarray(smooth).resize((28, 28), Image.Resampling.LANCZOS)), -1, 0)
    assert np.abs(seen - wanted).max() < 8


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"this is no picture", "not an image that can be read"),
        (b"", "empty file"),
        (huge_png(30_000, 30_000), "megapixels"),
        (huge_png(12_000, 9_000), "12000 × 9000 px is more than the 100 megapixels"),
        (huge_png(100, 100), "cannot be read|broken"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_broken_file_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(Unusable, match=reason):
        read_image(path, COLOUR)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_file_cut_short_is_unusable_and_nothing_worse(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(Unusable):
        read_image(path, COLOUR)


def test_damaged_bytes_give_an_image_or_a_reason(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    path = tmp_path / "damaged.png"
    for suffix in ("png", "jpeg", "webp", "gif", "bmp"):
        Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path, format=suffix)
        sound = bytearray(path.read_bytes())
        for _ in range(25):
            damaged = sound.copy()
            for place in generator.integers(0, min(200, len(sound)), 4):
                damaged[place] = generator.integers(256)
            path.write_bytes(damaged)
            with suppress(Unusable):
                assert read_image(path, COLOUR).shape == (3, 28, 28)


def test_tiny_image_is_unusable_and_half_the_size_is_not() -> None:
    with pytest.raises(Unusable, match="13 × 40 px is less than half of the 28 px"):
        fit_image(Image.new("L", (13, 40)), GREY)
    assert fit_image(Image.new("L", (14, 40)), GREY).shape == (1, 28, 28)


def test_narrow_image_can_be_padded_though_not_cropped() -> None:
    narrow = Image.new("L", (6, 40))
    assert fit_image(narrow, ImageSettings(size=28, fit="pad")).shape == (3, 28, 28)
    with pytest.raises(Unusable, match="6 × 40 px"):
        fit_image(narrow, COLOUR)


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Unusable, match="not a regular file"):
        read_image(tmp_path / "pipe.png", COLOUR)
