"""Looking at images before training: each kind of trouble is planted, and found."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from penchant.cli.app import app
from penchant.core.errors import BadConfiguration, BadImages
from penchant.data import ImageSet, ImageSettings, open_images
from penchant.study.inspection import Inspection, inspect_images, inspection_sheet

SETTINGS = ImageSettings(size=28, holdout=0.0, minimum=1)


def _drawn(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Red ground with a light square, or blue with a dark one."""
    image = np.empty((28, 28, 3))
    image[:] = (200, 60, 50) if kind == "red" else (40, 70, 190)
    place, size = rng.integers(2, 14, size=2), int(rng.integers(6, 12))
    image[place[0] : place[0] + size, place[1] : place[1] + size] = 235 if kind == "red" else 20
    return np.clip(image + rng.normal(0, 6, image.shape) + rng.normal(0, 12, 3), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("inspected"), np.random.default_rng(1)
    for kind in ("red", "blue"):
        (folder / kind).mkdir()
        for number in range(60):
            Image.fromarray(_drawn(kind, rng)).save(folder / kind / f"{number:02d}.png")
    Image.fromarray(_drawn("blue", rng)).save(folder / "red" / "wrong.png")
    original = np.asarray(Image.open(folder / "red" / "05.png"))
    Image.fromarray(original).save(folder / "red" / "copy.png")
    Image.fromarray(np.clip(original.astype(int) + 1, 0, 255).astype(np.uint8)).save(folder / "red" / "near.png")
    stripes = (np.indices((28, 28)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(np.stack([stripes, 255 - stripes, stripes], axis=-1)).save(folder / "blue" / "odd.png")
    (folder / "blue" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    return folder


@pytest.fixture(scope="module")
def images(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return open_images(folder, SETTINGS, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def inspection(images: ImageSet) -> Inspection:
    return inspect_images(images)


def _paths(inspection: Inspection, kind: str) -> Sequence[str]:
    return [one.path for one in inspection.of(kind)]


def test_each_planted_trouble_is_found_and_nothing_else(inspection: Inspection):
    assert _paths(inspection, "corrupt") == ["blue/broken.png"]
    (copy,) = inspection.of("duplicate")
    assert {copy.path, copy.other} == {"red/05.png", "red/copy.png"}
    (near,) = inspection.of("near-duplicate")
    assert "red/near.png" in (near.path, near.other)
    assert _paths(inspection, "outlier")[0] == "blue/odd.png"
    assert len(_paths(inspection, "outlier")) <= 3
    assert _paths(inspection, "mislabelled") == ["red/wrong.png"]
    assert "of what resembles it is in blue" in inspection.of("mislabelled")[0].reason


def test_strategies_tell_their_view(inspection: Inspection):
    odd = inspection.of("outlier")[0]
    assert "k_centre" in odd.chosen_by  # it goes for the edges
    assert "density" not in odd.chosen_by  # it leaves them out


def test_labels_that_features_cannot_see_are_not_doubted(images: ImageSet):
    rng = np.random.default_rng(0)
    found = inspect_images(images, {row: f"{rng.integers(2)}" for row in range(len(images.train))})
    assert found.of("mislabelled") == []
    assert found.labels_told is not None
    assert found.labels_told < 0.65
    assert inspect_images(images, {}).labels_told is None


def test_few_images_are_told_as_too_few(images: ImageSet):
    few = replace(images, train=images.train[:8], train_paths=images.train_paths[:8])
    found = inspect_images(few)
    assert found.looked_at == 0
    assert {one.kind for one in found.findings} == {"corrupt", "duplicate"}
    assert inspection_sheet(few, found) is None


def test_inspect_shows_writes_and_changes_nothing(folder: Path, tmp_path: Path):
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    json_file, sheet = tmp_path / "found.json", tmp_path / "deep" / "sheet.png"
    asked = ["inspect", str(folder), "--size", "28", "--json", str(json_file), "--sheet", str(sheet)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "mislabelled 1" in result.output
    assert "would be chosen by" in result.output
    found = json.loads(json_file.read_text())
    assert found["counts"]["mislabelled"] == 1
    with Image.open(sheet) as picture:
        assert picture.width > 12 * 28
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before
    taken = CliRunner().invoke(app, ["inspect", str(folder), "--size", "28", "--sheet", str(json_file / "sheet.png")])
    assert isinstance(taken.exception, BadConfiguration)
    missing = CliRunner().invoke(app, ["inspect", str(tmp_path / "none")])
    assert isinstance(missing.exception, BadImages)
