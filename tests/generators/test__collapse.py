"""A figure that falls when a generator leaves out kinds of images, and the word that says so."""

from pathlib import Path

import pytest
import torch

from penchant.core.contracts import Progress, Workspace
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._adversarial import batch_coverage as used_in_training
from penchant.generators._autoencoder import to_pixels
from penchant.generators._collapse import batch_coverage, watched

PIXELS = to_pixels(torch.from_numpy(draw_pictures(128, 28, Rng(0)).images))


def test_coverage_is_that_of_a_naive_count() -> None:
    real, made = PIXELS[:20], PIXELS[100:120] * 0.7
    small = [torch.nn.functional.avg_pool2d(images, 4).flatten(1).double() for images in (real, made)]
    covered = 0
    for one in small[0]:
        radius = sorted((one - other).norm().item() for other in small[0])[5]
        covered += any((one - other).norm().item() < radius for other in small[1])
    assert 0 < covered < 20
    assert batch_coverage(real, made).item() == pytest.approx(covered / 20)


def test_coverage_falls_when_a_generator_collapses() -> None:
    whole = batch_coverage(PIXELS[:64], PIXELS[64:]).item()
    one = batch_coverage(PIXELS[:64], PIXELS[64:65].expand(64, -1, -1, -1)).item()
    assert whole > 0.85
    assert one < 0.25
    assert used_in_training is batch_coverage


def test_coverage_of_one_image_repeated_is_whole_when_it_is_made() -> None:
    repeated = PIXELS[:1].expand(16, -1, -1, -1)
    assert batch_coverage(repeated, repeated + 0.001).item() == 1
    assert batch_coverage(repeated, repeated + 0.1).item() == 0


def test_coverage_of_a_handful_is_not_a_number() -> None:
    assert batch_coverage(PIXELS[:6], PIXELS[:6]).isnan()


@pytest.mark.parametrize(
    ("fraction", "coverage", "said"),
    [(0.1, 0.1, "coverage"), (0.5, 0.1, "collapsing, coverage"), (0.5, 0.9, "coverage"), (0.5, None, None)],
)
def test_a_low_coverage_is_called_what_it_is(fraction: float, coverage: float | None, said: str | None) -> None:
    heard: list[Progress] = []
    loss = {"generator loss": 1.0}
    figures = loss if coverage is None else {**loss, "discriminator coverage": coverage}
    watched(Workspace(Path("here"), heard.append)).report(Progress("gan", fraction, 3.0, figures))
    expected = loss if said is None or coverage is None else {**loss, said: coverage}
    assert heard == [Progress("gan", fraction, 3.0, expected)]
