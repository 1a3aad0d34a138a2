"""Looks at samples while a generator trains: KID against images that are never trained on, beside its floor."""

from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.contracts import FEATURES, Capabilities, Extractor, Generator, ImageSpec, Progress
from penchant.core.rng import Rng
from penchant.data import ImageSettings, to_float
from penchant.data.pictures import draw_pictures
from penchant.study import Study, StudySettings
from penchant.study.examining import examiner

PICTURES = draw_pictures(700, 28, Rng(0)).images
NOISE = np.random.default_rng(0).integers(0, 256, (300, 3, 28, 28), dtype=np.uint8)


class Shown(Generator):
    """Makes the given images, one after the other, whatever the latents."""

    def __init__(self, images: np.ndarray):
        self.images = to_float(images)
        self.latent_dim, self.image, self.capabilities = 2, ImageSpec(3, 28), Capabilities()

    def decode(self, latents: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        return self.images[: len(latents)]

    def save_pretrained(self, directory: Path) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def judge() -> Extractor:
    return FEATURES.make("descriptors").fit(to_float(PICTURES[:100]), None, Rng(0))


def test_real_images_score_about_the_floor_and_noise_far_above(judge: Extractor):
    examine = examiner(judge, PICTURES[:256], PICTURES[256:400], Rng(0))
    assert examine is not None
    real, noise = examine(Shown(PICTURES[400:])), examine(Shown(NOISE))
    assert abs(real.score) < 4 * real.error
    assert noise.score - real.score > 6 * (noise.error + real.error)
    assert noise.figures["KID ‰ of real images"] == real.figures["KID ‰ of real images"]
    assert abs(real.figures["KID ‰ of real images"]) < 4000 * real.error
    assert examine(Shown(PICTURES[400:])) == real


def test_too_few_images_to_tell_are_not_examined(judge: Extractor):
    assert examiner(judge, PICTURES[:256], PICTURES[:31], Rng(0)) is None


def test_training_tells_how_far_from_images_held_out_it_is(tmp_path: Path):
    told: list[Progress] = []
    settings = StudySettings(
        source="pictures:400", train_images=96, pool=20, judge="descriptors", images=ImageSettings(size=28)
    )
    with Study.create(tmp_path / "study", settings) as study:
        study.train(report=told.append)
    last = [one for one in told if one.stage == "flow"][-1]
    assert last.fraction == 1
    assert last.figures["KID ‰"] > last.figures["KID ‰ of real images"]
