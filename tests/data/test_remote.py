"""Images from object stores: the same as from a folder, known again, and what is told where something is wrong."""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from PIL import Image

from penchant.core.contracts import Progress
from penchant.core.errors import BadConfiguration, BadImages
from penchant.core.rng import Rng
from penchant.data import _remote
from penchant.data.images import open_images
from penchant.data.pictures import draw_pictures
from penchant.data.settings import ImageSettings
from penchant.study import Study, StudySettings

SETTINGS = ImageSettings(size=28, minimum=10)


def png(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.moveaxis(image, 0, -1)).save(buffer, "PNG")
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """Images in two sub-folders, one broken, and things that are none."""
    drawn = draw_pictures(30, 28, Rng(0)).images
    found = {f"{'cats' if row % 2 else 'dogs'}/{row:02}.png": png(image) for row, image in enumerate(drawn)}
    return {**found, "dogs/broken.png": b"no image", "notes.txt": b"nothing", ".hidden/30.png": png(drawn[0][:, ::-1])}


@pytest.fixture
def memory() -> Iterator[str]:
    """A folder of an object store in memory."""
    url = f"memory://bucket-{uuid4().hex}/pool"
    store = fsspec.filesystem("memory")
    for name, data in files().items():
        store.pipe(f"{url}/{name}", data)
    yield url
    store.rm(url, recursive=True)


def test_a_store_gives_what_a_folder_gives(memory: str, tmp_path: Path):
    for name, data in files().items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(data)
    local = open_images(tmp_path / "folder", SETTINGS, tmp_path / "cache")
    for url in (memory, f"file://{tmp_path / 'folder'}"):
        found = open_images(url, SETTINGS, tmp_path / "cache")
        assert found.hash == local.hash
        assert np.array_equal(found.train, local.train)
        assert found.train_paths == local.train_paths
        assert found.captions.classes == local.captions.classes
        assert set(found.captions.classes) == {"cats", "dogs"}
        assert found.report.skipped == local.report.skipped
        assert [name for name, _ in found.report.skipped] == ["dogs/broken.png"]


def test_nothing_is_read_twice_until_something_changes(memory: str, tmp_path: Path):
    first = open_images(memory, SETTINGS, tmp_path)
    heard: list[Progress] = []
    assert open_images(memory, SETTINGS, tmp_path, heard.append).hash == first.hash
    assert len(heard) == 1, "only that all is there"
    fsspec.filesystem("memory").pipe(f"{memory}/cats/99.png", png(draw_pictures(1, 28, Rng(9)).images[0]))
    after = open_images(memory, SETTINGS, tmp_path)
    assert after.hash != first.hash
    assert after.report.used == 31


def test_an_object_that_vanishes_while_it_runs_is_told_and_the_rest_is_used(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    read = _remote.RemoteSource._bytes

    def vanishing(self: _remote.RemoteSource, name: str) -> bytes:
        if name == "cats/01.png":
            fsspec.filesystem("memory").rm(f"{memory}/cats/01.png")
            monkeypatch.setattr(_remote.RemoteSource, "_bytes", read)
        return read(self, name)

    monkeypatch.setattr(_remote.RemoteSource, "_bytes", vanishing)
    found = open_images(memory, SETTINGS, tmp_path)
    assert found.report.used == 29
    assert any("cats/01.png" in name and "nothing there" in reason for name, reason in found.report.skipped)


def test_what_a_store_says_of_contents_is_enough_to_know_them_again(memory: str):
    source = _remote.RemoteSource(memory)
    by_reading = source.digest()
    tagged = {name: {**info, "ETag": name} for name, info in source._found.items()}
    signed = _remote.RemoteSource(memory)
    signed.__dict__["_found"] = tagged
    assert signed.digest() != by_reading
    assert signed.digest() == signed.stamp()
    silent = _remote.RemoteSource(memory)
    silent.__dict__["_found"] = {name: {"size": info["size"]} for name, info in source._found.items()}
    assert silent.stamp() is None, "nothing to go by, so it is read again"
    assert silent.digest() == by_reading


def test_a_study_of_a_store_is_made_and_opened_again(memory: str, tmp_path: Path):
    settings = StudySettings(source=memory, images=SETTINGS)
    Study.create(tmp_path / "study", settings).close()
    with Study.open(tmp_path / "study") as study:
        assert study.settings.source == memory
        assert len(study.images.train) + len(study.images.holdout) == 30


@pytest.mark.parametrize(
    ("url", "said"),
    [("memory://nowhere/at/all", "nothing there|0 usable"), ("nonsense://bucket/folder", "cannot be opened")],
)
def test_a_url_without_images_is_told(url: str, said: str, tmp_path: Path):
    with pytest.raises(BadImages, match=said):
        open_images(url, SETTINGS, tmp_path)


def test_a_missing_driver_and_a_failing_store_are_told(memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(BadConfiguration, match="s3:// needs a driver"):
        open_images("s3://bucket/folder", SETTINGS, tmp_path)

    def failing(*arguments: Any, **settings: Any) -> Any:
        raise RuntimeError("403 forbidden")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "find", failing)
    with pytest.raises(BadImages, match="RuntimeError: 403 forbidden"):
        open_images(memory, SETTINGS, tmp_path)
