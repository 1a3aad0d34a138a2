"""Text encoders: near where words are shared, told apart where they are not, read back, honest about what is new."""

from pathlib import Path

import numpy as np
import pytest

from penchant.core.contracts import TEXTS
from penchant.core.errors import BadConfiguration, PenchantError, StudyDamaged, UnknownName
from penchant.core.pretrained import load_text_encoder
from penchant.texts.classes import Classes
from penchant.texts.hashed import Hashed, HashedTexts

COLOURS = ("red", "green", "blue", "yellow", "white", "black")
THINGS = ("apple", "heart", "car", "house", "circle", "square", "book", "flag", "balloon", "umbrella")
CAPTIONS = [f"a picture of a {colour} {thing}" for colour in COLOURS for thing in THINGS]


@pytest.fixture(scope="module")
def encoder() -> HashedTexts:
    return Hashed(width=128).fit(CAPTIONS)


def test_hashed_texts_are_about_unit_size(encoder: HashedTexts) -> None:
    rows = encoder(CAPTIONS)
    assert rows.shape == (60, 128)
    assert rows.dtype == np.float32
    assert np.abs(rows.mean(axis=0)).max() < 1e-4
    assert 0.05 < rows.std() < 1.5


@pytest.mark.parametrize("prompt", ["red apple", "Apple, RED!", "red apples"])
def test_hashed_prompt_is_nearest_to_the_caption_that_it_means(encoder: HashedTexts, prompt: str) -> None:
    rows, (asked,) = encoder(CAPTIONS), encoder([prompt])
    likeness = rows @ asked / np.linalg.norm(rows, axis=1)
    assert CAPTIONS[int(likeness.argmax())] == "a picture of a red apple"


def test_hashed_words_in_every_caption_weigh_little(encoder: HashedTexts) -> None:
    change = encoder(["red apple", "picture of red apple", "green apple"])
    assert np.linalg.norm(change[1] - change[0]) < np.linalg.norm(change[2] - change[0])


def test_hashed_texts_say_which_words_are_new(encoder: HashedTexts) -> None:
    assert encoder.unfamiliar("Red zebra with a HEART") == ("zebra", "with")


def test_hashed_texts_take_empty_ones_and_other_scripts(encoder: HashedTexts) -> None:
    assert np.isfinite(encoder(["", "!!!", "红苹果", "\ud800"])).all()
    assert np.isfinite(Hashed().fit(["same"] * 4)(["same"])).all()


def test_hashed_texts_are_read_back(encoder: HashedTexts, tmp_path: Path) -> None:
    encoder.save_pretrained(tmp_path)
    found = load_text_encoder(tmp_path)
    assert np.array_equal(found(CAPTIONS), encoder(CAPTIONS))
    assert found.unfamiliar("zebra") == ("zebra",)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(StudyDamaged, match="whole text encoder"):
        load_text_encoder(tmp_path)


def test_classes_are_columns_and_know_their_names(tmp_path: Path) -> None:
    encoder = Classes().fit(["Tulip", "rose", "Tulip"])
    assert encoder(["tulip ", "rose"]).tolist() == [[pytest.approx(2**0.5), 0], [0, pytest.approx(2**0.5)]]
    with pytest.raises(UnknownName, match="Tulip, rose"):
        encoder(["daisy"])
    encoder.save_pretrained(tmp_path)
    assert np.array_equal(load_text_encoder(tmp_path)(["rose"]), encoder(["rose"]))


@pytest.mark.parametrize("texts", [["one"] * 3, [], ["a", "b", "c", "d"]])
def test_classes_refuse_what_are_none(texts: list[str]) -> None:
    with pytest.raises(BadConfiguration, match="2 to 3 sub-folders"):
        Classes(most=3).fit(texts)


@pytest.mark.parametrize("spec", ["hashed(width=12)", "hashed(width=0)", "classes(most=1)"])
def test_text_encoders_refuse_settings_that_cannot_work(spec: str) -> None:
    with pytest.raises(PenchantError, match="must be"):
        TEXTS.make(spec)


def test_hashed_needs_a_text() -> None:
    with pytest.raises(BadConfiguration, match="at least one text"):
        Hashed().fit([])
