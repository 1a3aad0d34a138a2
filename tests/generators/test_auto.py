"""The picked generator: rules, the sentence, a pick that stays when training goes on elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from penchant.core.contracts import GENERATORS, Budget, ImageSpec, Progress, Workspace
from penchant.core.errors import BadImages, StudyDamaged
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators import auto
from penchant.generators.auto import PICKED, Auto, Hardware, pick

PICTURES = draw_pictures(24, 28, Rng(0), channels=1).images
ONE, GPU, SMALL_GPU = Hardware(1), Hardware(100, 80.0), Hardware(100, 4.0)


@pytest.mark.parametrize(
    ("count", "size", "kinds", "budget", "hardware", "picked"),
    [
        (60_000, 28, 0, Budget(seconds=5), ONE, "vae(batch=32)"),
        (60_000, 28, 0, Budget(seconds=60), ONE, "vae_gan(batch=32)"),
        (60_000, 28, 0, Budget(seconds=6), Hardware(2), "vae_gan(batch=32)"),
        (60_000, 128, 0, Budget(seconds=60), ONE, "vae(batch=32)"),
        (60_000, 28, 0, Budget(images=500), ONE, "vae(batch=32)"),
        (60_000, 128, 0, Budget(images=20_000), ONE, "vae_gan(batch=32)"),
        (60_000, 28, 0, Budget(seconds=1e6, images=500), ONE, "vae(batch=32)"),
        (30, 28, 0, Budget(seconds=60), ONE, "vae_gan(batch=16)"),
        (3_000, 32, 2_500, Budget(seconds=300), ONE, "flow(batch=32)"),
        (3_000, 32, 2_500, Budget(seconds=60), ONE, "vae_gan(batch=32)"),
        (3_000, 32, 10, Budget(seconds=300), ONE, "vae_gan(batch=32)"),
        (3_000, 64, 0, Budget(seconds=300), GPU, "vae_gan(widths=(64, 128, 128), batch=128)"),
        (3_000, 64, 0, Budget(seconds=300), SMALL_GPU, "vae_gan(widths=(64, 128, 128), batch=32)"),
    ],
)
def test_pick_goes_by_images_pixels_words_time_and_machine(
    count: int, size: int, kinds: int, budget: Budget, hardware: Hardware, picked: str
) -> None:
    found = pick(count, ImageSpec(3, size), kinds, budget, hardware)
    assert found.generator == picked
    assert found == pick(count, ImageSpec(3, size), kinds, budget, hardware)
    assert f"{count:,} images of {size} px" in found.why
    GENERATORS.make(found.generator)


def test_what_is_picked_is_told_kept_and_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[Progress] = []
    made = Auto().fit(PICTURES, Budget(images=32), Rng(0), Workspace(tmp_path, reports.append))
    assert reports[0].stage.startswith("picked vae(batch=16), because there are 24 images of 28 px")
    made.save_pretrained(tmp_path / "saved")
    assert type(load_generator(tmp_path / "saved")) is type(made)
    monkeypatch.setattr(Hardware, "here", staticmethod(lambda: GPU))
    monkeypatch.setattr(auto, "_SHORT", 0.0)
    assert pick(24, ImageSpec(1, 28), 0, Budget(images=32), GPU).generator.startswith("vae_gan")
    Auto().fit(PICTURES, Budget(images=32), Rng(0), Workspace(tmp_path, reports.append))
    assert reports[-1].stage != reports[0].stage
    assert [report.stage for report in reports if report.stage.startswith("picked")] == [reports[0].stage] * 2
    (tmp_path / PICKED).write_text('{"generator": 1')
    with pytest.raises(StudyDamaged, match="Remove it to pick again"):
        Auto().fit(PICTURES, Budget(images=32), Rng(0), Workspace(tmp_path))


def test_images_that_nothing_can_learn_are_refused_before_anything_is_picked(tmp_path: Path) -> None:
    with pytest.raises(BadImages, match="a generator needs at least 16 images; found 8"):
        Auto().fit(PICTURES[:8], Budget(images=32), Rng(0), Workspace(tmp_path))
    with pytest.raises(BadImages, match="squares"):
        Auto().fit(np.zeros((20, 1, 28, 20), np.uint8), Budget(images=32), Rng(0), Workspace(tmp_path))
    assert not (tmp_path / PICKED).exists()
