"""Words through the whole study: read beside the images, told to the generator, kept, and asked for by a prompt."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from penchant.alignment.best_of_n import BestOfN
from penchant.cli.app import app
from penchant.core.contracts import Alignment, Budget
from penchant.core.errors import BadConfiguration, UnknownName
from penchant.core.pretrained import load_text_encoder
from penchant.core.rng import Rng
from penchant.data import ImageSettings, draw_pictures, open_images
from penchant.study import Study, StudySettings, vote
from penchant.study.conditions import conditions_of, told
from penchant.texts.hashed import Hashed, HashedTexts

IMAGES = ImageSettings(size=28, minimum=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    rows = ["file,caption"]
    for index, picture in enumerate(draw_pictures(48, 28, Rng(0)).images):
        name, text = ("dark", "a dark one") if index % 2 else ("light", "the light one")
        (root / name).mkdir(exist_ok=True)
        shade = picture // 2 + (0 if index % 2 else 128)
        Image.fromarray(np.moveaxis(shade, 0, -1)).save(root / name / f"{index}.png")
        rows.append(f"{name}/{index}.png,{text}")
    (root / "captions.csv").write_text("\n".join(rows))
    return root


@pytest.fixture(scope="module")
def settings(folder: Path) -> StudySettings:
    small = "flow(widths=(8,), steps=2, batch=8)"
    return StudySettings(
        source=str(folder),
        images=IMAGES,
        generator=small,
        features="descriptors",
        pool=20,
        train_seconds=3,
        aligner="best_of_n",
    )


@pytest.fixture(scope="module")
def study(settings: StudySettings, tmp_path_factory: pytest.TempPathFactory) -> Study:
    with (
        pytest.MonkeyPatch.context() as patch,
        Study.create(tmp_path_factory.mktemp("words") / "study", settings) as made,
    ):
        # So many steps, however busy the machine is.
        patch.setattr("penchant.study.study.Budget", lambda seconds: Budget(images=80))
        made.train()
    return Study.open(made.path)


def test_prompt_decides_what_is_drawn_and_is_kept_with_the_study(study: Study) -> None:
    dark, light = (study.sample(4, prompt=prompt) for prompt in ("dark", "LIGHT"))
    assert not torch.equal(dark, light)
    assert torch.equal(dark, study.sample(4, prompt="dark"))
    assert torch.equal(study.sample(4), study.generator().sample(4, Rng(0).child("sample")))
    assert load_text_encoder(study.path / "conditions").unfamiliar("dark zebra") == ("zebra",)
    assert not study.versions.damage()


def test_taste_is_learned_without_words_and_aligning_passes_them_on(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    align = BestOfN.align

    def watched(aligner: BestOfN, *given: Any) -> Alignment:
        seen.extend(given[5:])
        return align(aligner, *given)

    monkeypatch.setattr(BestOfN, "align", watched)
    vote(study, "warm", 6)
    study.align(2)
    images, conditions = seen
    assert np.array_equal(np.asarray(images), study.images.train)
    assert np.asarray(conditions).shape == (len(study.images.train), study.generator("base").condition_dim)
    assert study.generator("latest").condition_dim == study.generator("base").condition_dim > 0
    assert not torch.equal(study.sample(3, prompt="dark"), study.sample(3, prompt="light"))
    assert not torch.equal(study.sample(3, prompt="dark"), study.sample(3, prompt="dark", version="base"))


def test_command_line_draws_a_prompt_and_says_what_it_does_not_know(study: Study, tmp_path: Path) -> None:
    study.close()
    words = ["--count", "2", "--prompt", "dark zebra"]
    done = CliRunner().invoke(app, ["sample", str(study.path), "--out", str(tmp_path / "out"), *words])
    assert done.exit_code == 0, done.output
    assert "zebra" in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_command_line_draws_what_a_gan_is_told(settings: StudySettings, tmp_path: Path) -> None:
    small = "gan(latent_dim=4, widths=(8,), judge_widths=(8,), batch=8, augmentation=0.0)"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penchant.study.study.Budget", lambda seconds: Budget(images=400))
        with Study.create(tmp_path / "study", replace(settings, generator=small, conditions="classes")) as study:
            study.train()
    shades: list[float] = []
    for word in ("dark", "Light"):
        out = tmp_path / word
        done = CliRunner().invoke(app, ["sample", str(study.path), "--out", str(out), "--count", "8", "--prompt", word])
        assert done.exit_code == 0, done.output
        shades.append(np.mean([np.asarray(Image.open(file)) for file in sorted(out.glob("*.png"))]).item())
    assert shades[1] > shades[0] + 40


@pytest.mark.parametrize("prompt", ["", "  "])
def test_prompt_without_a_word_is_refused(study: Study, prompt: str) -> None:
    with pytest.raises(BadConfiguration, match="needs a word"):
        study.sample(1, prompt=prompt)


def test_study_without_words_says_so(settings: StudySettings, tmp_path: Path) -> None:
    with Study.create(tmp_path / "study", replace(settings, conditions="none")) as study:
        study.train()
        assert not (study.path / "conditions").exists()
        with pytest.raises(BadConfiguration, match="knows no words"):
            study.sample(1, prompt="dark")


def test_automatic_conditions_are_captions_then_folders_then_nothing(
    settings: StudySettings, folder: Path, tmp_path: Path
) -> None:
    images = open_images(folder, IMAGES, tmp_path / "cache")
    by_caption = told(settings, images)
    conditions = by_caption.annotations.conditions
    assert conditions is not None
    assert conditions.shape == (len(images.train), 256)
    by_folder = told(replace(settings, conditions="classes"), images)
    assert by_folder.encoder is not None
    assert by_folder.encoder.width == 2
    with pytest.raises(UnknownName, match="dark, light"):
        by_folder.encoder(["grey"])
    unlisted = copytree(folder, tmp_path / "unlisted")
    (unlisted / "captions.csv").unlink()
    sorted_only = told(settings, open_images(unlisted, IMAGES, tmp_path / "cache"))
    assert sorted_only.encoder is not None
    assert sorted_only.encoder.width == 2
    bare = open_images(np.asarray(images.train), IMAGES, tmp_path / "cache")
    assert told(settings, bare).encoder is None
    with pytest.raises(BadConfiguration, match="no captions"):
        told(replace(settings, conditions="hashed"), bare)


def test_conditions_that_do_not_exist_are_told_at_once(settings: StudySettings, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no text encoder named 'clap'"):
        Study.create(tmp_path / "study", replace(settings, conditions="clap"))


def test_what_a_text_encoder_said_is_kept_and_not_asked_for_again(
    settings: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = open_images(settings.source, IMAGES, tmp_path / "images")
    asked: list[int] = []
    fit = Hashed.fit

    def watched(encoder: Hashed, texts: Sequence[str]) -> HashedTexts:
        asked.append(len(texts))
        return fit(encoder, texts)

    monkeypatch.setattr(Hashed, "fit", watched)
    first = told(settings, images, tmp_path / "cache")
    again = told(settings, images, tmp_path / "cache")
    assert first.annotations.conditions is not None
    assert again.encoder is not None
    assert np.array_equal(np.asarray(again.annotations.conditions), first.annotations.conditions)
    fresh = told(settings, images).encoder
    assert fresh is not None
    assert np.array_equal(again.encoder(["dark"]), fresh(["dark"]))
    assert len(asked) == 2, "once for the folder, once where none is given"
    with monkeypatch.context() as alone:
        alone.setattr("penchant.study.conditions.load_text_encoder", lambda folder: pytest.fail("no model is needed"))
        kept = conditions_of(settings, images, tmp_path / "cache")
    assert np.array_equal(np.asarray(kept), first.annotations.conditions)
    told(replace(settings, conditions="hashed(width=32)"), images, tmp_path / "cache")
    assert len(asked) == 3, "other settings are asked for anew"
    for file in tmp_path.glob("cache/*/rows.safetensors"):
        file.write_bytes(file.read_bytes()[:20])
    mended = told(settings, images, tmp_path / "cache")
    assert len(asked) == 4, "a damaged file counts as none"
    assert np.array_equal(np.asarray(mended.annotations.conditions), first.annotations.conditions)
