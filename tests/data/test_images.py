import errno
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penchant.core.contracts import Progress
from penchant.core.errors import BadConfiguration, BadImages, StorageFull
from penchant.core.rng import Rng
from penchant.data import _cache, _folder, images
from penchant.data.images import ImageSet, open_images
from penchant.data.pictures import draw_pictures
from penchant.data.settings import ImageSettings

SETTINGS = ImageSettings(size=28, minimum=10)


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return draw_pictures(30, 28, Rng(0)).images


@pytest.fixture
def folder(tmp_path: Path, drawn: np.ndarray) -> Path:
    folder = tmp_path / "images"
    (folder / "inner").mkdir(parents=True)
    for index, image in enumerate(drawn):
        name = f"inner/{index:02}.png" if index % 3 == 0 else f"{index:02}.PNG"
        Image.fromarray(np.moveaxis(image, 0, -1)).save(folder / name)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def contents(found: ImageSet) -> set[bytes]:
    return {image.tobytes() for part in (found.train, found.holdout) for image in part}


def test_folder_gives_every_image_once_at_any_depth(folder: Path, cache: Path, drawn: np.ndarray) -> None:
    found = open_images(folder, SETTINGS, cache)
    assert contents(found) == {image.tobytes() for image in drawn}
    assert (found.report.found, found.report.used, found.report.skipped) == (30, 30, ())
    assert len(found.train) + len(found.holdout) == 30
    assert len(found.holdout) >= 2
    for images_, paths in ((found.train, found.train_paths), (found.holdout, found.holdout_paths)):
        for image, path in zip(images_, paths, strict=True):
            assert (image == drawn[int(Path(path).stem)]).all()


def test_images_are_memory_mapped_and_read_only(folder: Path, cache: Path) -> None:
    train = open_images(folder, SETTINGS, cache).train
    assert isinstance(train, np.memmap)
    assert not train.flags.writeable


def test_split_stays_when_files_are_renamed_and_added(folder: Path, cache: Path) -> None:
    settings = ImageSettings(size=28, minimum=10, holdout=0.3)
    before = open_images(folder, settings, cache)
    (folder / "01.PNG").rename(folder / "zz.png")
    (folder / "inner").rename(folder / "other")
    assert open_images(folder, settings, cache).hash == before.hash
    more = draw_pictures(20, 28, Rng(9)).images
    for index, image in enumerate(more):
        Image.fromarray(np.moveaxis(image, 0, -1)).save(folder / f"more{index}.png")
    after = open_images(folder, settings, cache)
    assert after.hash != before.hash
    assert {image.tobytes() for image in before.holdout} <= {image.tobytes() for image in after.holdout}
    assert {image.tobytes() for image in before.train} <= {image.tobytes() for image in after.train}


def test_holdout_share_is_about_what_was_asked(cache: Path) -> None:
    found = open_images("pictures:2000", ImageSettings(size=28, holdout=0.25), cache)
    assert 0.22 < len(found.holdout) / 2000 < 0.28
    assert len(open_images("pictures:200", ImageSettings(size=28, holdout=0), cache).holdout) == 0


def test_broken_tiny_and_duplicate_files_are_listed_and_left_out(folder: Path, cache: Path) -> None:
    (folder / "text.png").write_text("no picture")
    (folder / "cut.png").write_bytes((folder / "01.PNG").read_bytes()[:60])
    (folder / "twin.png").write_bytes((folder / "02.PNG").read_bytes())
    (folder / "gone.png").symlink_to(folder / "nowhere")
    (folder / "notes.txt").write_text("not counted")
    (folder / "._hidden.png").write_text("not counted")
    Image.new("L", (5, 5)).save(folder / "tiny.gif")
    report = open_images(folder, SETTINGS, cache).report
    assert (report.found, report.used) == (35, 30)
    assert report.duplicates == (("twin.png", "02.PNG"),)
    assert {name for name, _ in report.skipped} == {"text.png", "cut.png", "gone.png", "tiny.gif"}
    assert report.to_dict()["skipped"][0] == list(report.skipped[0])
    assert report.found == report.used + len(report.duplicates) + len(report.skipped)


def test_loop_of_links_ends_and_links_are_followed(folder: Path, cache: Path, tmp_path: Path) -> None:
    for name in ("loop", "second loop"):  # two would be walked 2⁴⁰ times before the system refuses
        (folder / "inner" / name).symlink_to(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (28, 28), "red").save(elsewhere / "red.png")
    (folder / "link").symlink_to(elsewhere)
    assert open_images(folder, SETTINGS, cache).report.found == 31


def test_folder_that_cannot_be_read_is_listed(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = os.walk

    def refuse(top: Path, followlinks: bool, onerror: Callable[[OSError], None]) -> object:
        onerror(PermissionError(errno.EACCES, "Permission denied", str(folder / "secret")))
        return walk(top, followlinks=followlinks)

    monkeypatch.setattr(_folder.os, "walk", refuse)
    skipped = open_images(folder, SETTINGS, cache).report.skipped
    assert skipped == (("secret", "a folder that cannot be read: Permission denied"),)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_file_that_may_not_be_read_is_listed(folder: Path, cache: Path) -> None:
    (folder / "01.PNG").chmod(0)
    assert open_images(folder, SETTINGS, cache).report.skipped[0][1] == "cannot be read: Permission denied"


def test_file_name_that_is_not_text_can_be_reported(folder: Path, cache: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_text("no picture")
    report = open_images(folder, SETTINGS, cache).report
    assert report.skipped[0][0].encode() == b"\\udcff.png"


# ---------------------------------------------------------------------------------------------------------- cache


def count_decoding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    read = _folder.read_image

    def counted(path: Path, settings: ImageSettings) -> np.ndarray:
        names.append(path.name)
        return read(path, settings)

    monkeypatch.setattr(_folder, "read_image", counted)
    return names


def test_second_start_decodes_nothing(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = open_images(folder, SETTINGS, cache)
    decoded = count_decoding(monkeypatch)
    warm = open_images(folder, SETTINGS, cache)
    assert decoded == []
    assert (warm.hash, warm.report, warm.train_paths) == (cold.hash, cold.report, cold.train_paths)
    assert (warm.train == cold.train).all()


def test_touched_files_are_not_decoded_again(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_images(folder, SETTINGS, cache)
    os.utime(folder / "01.PNG", (1, 1))
    decoded = count_decoding(monkeypatch)
    open_images(folder, SETTINGS, cache)
    assert decoded == []
    monkeypatch.setattr(_folder, "hash_of_file", lambda path: pytest.fail(f"{path} hashed"))
    open_images(folder, SETTINGS, cache)


def test_changed_contents_of_equal_size_are_seen(folder: Path, cache: Path, drawn: np.ndarray) -> None:
    for index, name in enumerate(("a.bmp", "b.bmp")):
        Image.fromarray(np.moveaxis(drawn[index] // 2, 0, -1)).save(folder / name)
    before = open_images(folder, SETTINGS, cache)
    Image.fromarray(np.moveaxis(drawn[2] // 2, 0, -1)).save(folder / "a.bmp")
    os.utime(folder / "a.bmp", (1, 1))
    after = open_images(folder, SETTINGS, cache)
    assert after.hash != before.hash
    assert (drawn[2] // 2).tobytes() in contents(after)


def test_other_settings_have_their_own_entry(folder: Path, cache: Path) -> None:
    open_images(folder, SETTINGS, cache)
    assert open_images(folder, ImageSettings(size=32, minimum=10), cache).train.shape[1:] == (3, 32, 32)
    assert open_images(folder, ImageSettings(size=28, colour=False, minimum=10), cache).train.shape[1:] == (1, 28, 28)
    assert open_images(folder, SETTINGS, cache).train.shape[1:] == (3, 28, 28)


@pytest.mark.parametrize("suffix", ["npy", "json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "gone"])
def test_damaged_cache_is_made_again(folder: Path, cache: Path, suffix: str, damage: str) -> None:
    before = open_images(folder, SETTINGS, cache)
    expected = np.array(before.train)
    del before
    path = next(cache.glob(f"*.{suffix}"))
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        flipped = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
        path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "flip": flipped}[damage])
    assert (open_images(folder, SETTINGS, cache).train == expected).all()


def test_nothing_is_left_in_the_cache_but_the_entry(folder: Path, cache: Path) -> None:
    open_images(folder, SETTINGS, cache)
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".npy"]


def test_full_disk_is_told_and_leaves_no_part(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_cache.np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(StorageFull, match="no room for the image cache"):
        open_images(folder, SETTINGS, cache)
    assert list(cache.iterdir()) == []


def test_full_disk_while_reading_is_told(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(BytesIO):
        def write(self, *_: object) -> int:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(images._cache, "scratch", lambda _: Full())
    with pytest.raises(StorageFull, match="quota"):
        open_images(folder, SETTINGS, cache)


def test_cache_that_cannot_be_written_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadConfiguration, match="cannot be written"):
        open_images(folder, SETTINGS, tmp_path / "file" / "cache")


def test_stopping_leaves_no_part(folder: Path, cache: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_images(folder, SETTINGS, cache, stop)
    assert list(cache.iterdir()) == []


def test_progress_grows_to_one(folder: Path, cache: Path) -> None:
    told: list[Progress] = []
    open_images(folder, SETTINGS, cache, told.append)
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert {progress.stage for progress in told} == {"images"}


# -------------------------------------------------------------------------------------------------- other sources


def test_embedded_set_is_the_same_at_each_opening(tmp_path: Path) -> None:
    one = open_images("pictures:100", SETTINGS, tmp_path / "one")
    two = open_images("pictures:100", SETTINGS, tmp_path / "two")
    assert one.hash == two.hash
    assert one.report.source == "pictures:100"
    assert contents(one) <= contents(open_images("pictures:150", SETTINGS, tmp_path / "one"))


@pytest.mark.parametrize("word", ["pictures:", "pictures:0", "pictures:many", "pictures:-3"])
def test_embedded_set_refuses_what_is_no_count(word: str, cache: Path) -> None:
    with pytest.raises(BadConfiguration, match="pictures:COUNT"):
        open_images(word, SETTINGS, cache)


def test_array_and_its_files_give_the_same_images(tmp_path: Path, cache: Path, drawn: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", drawn)
    np.savez(tmp_path / "a.npz", drawn)
    hashes = {
        open_images(source, SETTINGS, cache).hash for source in (drawn, tmp_path / "a.npy", str(tmp_path / "a.npz"))
    }
    assert len(hashes) == 1


def test_array_that_changed_is_seen(cache: Path, drawn: np.ndarray) -> None:
    changed = drawn.copy()
    changed[3, 0, 5, 5] ^= 64
    assert open_images(drawn, SETTINGS, cache).hash != open_images(changed, SETTINGS, cache).hash


def test_idx_files_in_a_folder_are_images(tmp_path: Path, cache: Path, drawn: np.ndarray) -> None:
    grey = drawn[:, 0]
    header = b"\0\0\x08\x03" + np.array(grey.shape, ">u4").tobytes()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header + grey.tobytes())
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03 broken")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01")
    settings = ImageSettings(size=28, colour=False, minimum=10)
    found = open_images(tmp_path, settings, cache)
    assert found.report.used == 30
    assert found.report.skipped[0][0] == "t10k-images-idx3-ubyte"
    assert found.train_paths[0].startswith("train-images-idx3-ubyte/000")
    alone = open_images(tmp_path / "train-images-idx3-ubyte", settings, cache)
    assert alone.hash == found.hash


# ------------------------------------------------------------------------------------------------------ bad input


def test_missing_folder_is_told(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(BadImages, match=r"there is nothing at .*nowhere"):
        open_images(tmp_path / "nowhere", SETTINGS, cache)


def test_empty_folder_is_told(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadImages, match=r"has 0 usable images; at least 10 are needed. Found 0; PNG, JPEG"):
        open_images(tmp_path / "empty", SETTINGS, cache)


def test_folder_of_broken_files_is_told_with_reasons(tmp_path: Path, cache: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for index in range(8):
        (broken / f"{index}.png").write_text("no picture")
    with pytest.raises(BadImages, match=r"(?s)Found 8, of which 0 .* 8 could not.*0\.png: not an image.*and 3 more"):
        open_images(broken, SETTINGS, cache)


def test_too_few_images_are_told_also_from_the_cache(folder: Path, cache: Path) -> None:
    open_images(folder, SETTINGS, cache)
    with pytest.raises(BadImages, match="has 30 usable images; at least 64 are needed"):
        open_images(folder, ImageSettings(size=28), cache)


@pytest.mark.parametrize("name", ["one.png", "many.zip"])
def test_single_file_of_another_kind_is_told(tmp_path: Path, cache: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(BadImages, match="name the folder"):
        open_images(tmp_path / name, SETTINGS, cache)


def test_name_that_no_disk_allows_is_told(cache: Path) -> None:
    with pytest.raises(BadImages, match=r"cannot be opened|there is nothing"):
        open_images("x" * 5000, SETTINGS, cache)
