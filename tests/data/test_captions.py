"""What images are called: tables first, then texts beside them, then telling file names; folders are classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penchant.core.errors import BadImages
from penchant.data import ImageSettings, open_images, read_captions


def test_table_rows_are_found_by_path_by_name_and_without_suffix(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text('\ufefffile,caption\na/one.png,"red  apple\n"\ntwo.png,green\nthree,blue\n')
    found = read_captions(tmp_path, ["a/one.png", "b/two.png", "three.jpg", "four.png"])
    assert found.texts == ("red apple", "green", "blue", "")
    assert found.classes == ("a", "b", "", "")
    assert found.origin == "captions"


def test_nearest_table_wins_and_index_is_understood(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "index.csv").write_text("file,codepoints,name\na/x.png,U+1,far\nb/x.png,U+1,other\n")
    (tmp_path / "a" / "metadata.csv").write_text("file_name,text\nx.png,near\n")
    assert read_captions(tmp_path, ["a/x.png", "b/x.png"]).texts == ("near", "other")


def test_index_about_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("id,price\n1,2\n")
    assert read_captions(tmp_path, ["1.png"]).origin == "none"


def test_text_files_beside_the_images(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text(" a small\nhouse ")
    found = read_captions(tmp_path, ["1.png", "2.png"])
    assert (found.texts, found.origin) == (("a small house", ""), "captions")


@pytest.mark.parametrize(
    ("names", "texts"),
    [
        (["red_apple-01.png", "green-pear2.png"], ("red apple", "green pear")),
        (["IMG_0001.png", "DSC0002.png"], ("", "")),
        (["00001.png", "00002.png"], ("", "")),
        (["same.png", "b/same.png"], ("", "")),
    ],
)
def test_file_names_count_where_they_say_something(tmp_path: Path, names: list[str], texts: tuple[str, ...]) -> None:
    found = read_captions(tmp_path, names)
    assert found.texts == texts
    assert found.origin == ("names" if any(texts) else "none")


@pytest.mark.parametrize(
    ("content", "said"), [(b"x,y\n1,2\n", "needs a column"), (b"", "needs a column"), (b"file,text\n\xff,\xfe", "read")]
)
def test_captions_that_cannot_be_understood_are_told(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "captions.csv").write_bytes(content)
    with pytest.raises(BadImages, match=said):
        read_captions(tmp_path, ["a.png"])


def test_captions_go_with_the_training_images(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for name, grey in (("light", 250), ("dark", 20)):
        (folder / name).mkdir(parents=True)
        for index in range(8):
            Image.new("RGB", (32, 32), (grey - index,) * 3).save(folder / name / f"{index}.png")
    images = open_images(str(folder), ImageSettings(minimum=4), tmp_path / "cache")
    bright = np.asarray(images.train).mean(axis=(1, 2, 3)) > 128
    assert images.captions.classes == tuple("light" if one else "dark" for one in bright)
    array = open_images(np.asarray(images.train), ImageSettings(minimum=4), tmp_path / "cache")
    assert array.captions.origin == "none"
    assert set(array.captions.texts) == {""}
