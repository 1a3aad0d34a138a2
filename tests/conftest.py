"""Fixtures that several packages share."""

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from penchant.study import Study, StudySettings

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_packs() -> Path:
    """The folder of real image packs; skips where they are missing."""
    folder = Path(os.environ.get("PENCHANT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the image packs are not at {folder}; set PENCHANT_DATA to where they are")
    return folder


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study trained for a moment, the same on every machine, on embedded pictures; copy it before changing it."""
    folder = tmp_path_factory.mktemp("trained") / "study"
    settings = StudySettings(
        source="pictures:400", train_images=400, pool=120, aligner="latent_tilt(steps=20, rounds=0)"
    )
    with Study.create(folder, settings) as study:
        study.train()
    return folder


@pytest.fixture
def study(trained_folder: Path, tmp_path: Path) -> Iterator[Study]:
    """An own copy of the trained study."""
    with Study.open(copytree(trained_folder, tmp_path / "study")) as opened:
        yield opened
