"""Intake of real images; the packs lie beside the repository, or where PENCHANT_DATA says."""

import os
import zipfile
from pathlib import Path

import pytest

from penchant.data import ImageSettings, open_images

PACKS = Path(os.environ.get("PENCHANT_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def pack(name: str) -> Path:
    if not (PACKS / name).exists():
        pytest.skip(f"needs the data pack {name}; set PENCHANT_DATA to the folder that holds it")
    return PACKS / name


def test_test_images_of_fashion_mnist_are_read(tmp_path: Path) -> None:
    path = pack("fashion_mnist") / "t10k-images-idx3-ubyte.gz"
    found = open_images(path, ImageSettings(size=28, colour=False), tmp_path)
    assert found.report.used == 10_000
    assert found.train.shape[1:] == (1, 28, 28)
    assert 0.27 < found.train.mean() / 255 < 0.30  # published mean of the set: 0.286


def test_emoji_stand_on_white(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack("noto_emoji_64.zip")) as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if name.startswith("base/1f3")])
    found = open_images(tmp_path / "base", ImageSettings(), tmp_path / "cache")
    assert found.report.skipped == ()
    corners = found.train[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners > 250).mean() > 0.8


@pytest.mark.slow
def test_flowers_are_all_read_and_a_second_start_is_the_same(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack("flowers_96.zip")) as archive:
        archive.extractall(tmp_path)
    found = open_images(tmp_path, ImageSettings(size=64), tmp_path / "cache")
    assert (found.report.found, found.report.used) == (4012, 4012)
    assert open_images(tmp_path, ImageSettings(size=64), tmp_path / "cache").hash == found.hash
