"""Generators that keep their discriminator: what it says, and that it is still there after saving."""

from pathlib import Path

import pytest
import torch

from penchant.core.contracts import GENERATORS, Budget, Discerning, Workspace
from penchant.core.errors import NotCapable
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data import to_float
from penchant.data.pictures import draw_pictures
from penchant.generators._one_step import OneStep

PICTURES = draw_pictures(400, 28, Rng(0)).images
SPECS = ("gan(widths=(8,), judge_widths=(8,), batch=16)", "dcgan(width=8, batch=16)")


@pytest.mark.parametrize("spec", SPECS)
def test_unseen_real_images_are_taken_for_real_rather_than_made_ones(spec: str, tmp_path: Path):
    made = GENERATORS.make(spec).fit(PICTURES[:300], Budget(images=900), Rng(0), Workspace(tmp_path))
    assert isinstance(made, Discerning)
    assert isinstance(made, OneStep)
    assert made.discerns
    real, fake = made.realness(to_float(PICTURES[300:])), made.realness(made.sample(100, Rng(1)))
    assert float((real[:, None] > fake).float().mean()) > 0.6
    made.save_pretrained(tmp_path / "saved")
    again = load_generator(tmp_path / "saved")
    assert isinstance(again, OneStep)
    assert torch.equal(again.realness(to_float(PICTURES[300:])), real)
    assert torch.equal(again.sample(4, Rng(2)), made.sample(4, Rng(2)))


def test_one_without_says_so(tmp_path: Path):
    made = GENERATORS.make(SPECS[0]).fit(PICTURES[:64], Budget(images=16), Rng(0), Workspace(tmp_path))
    bare = OneStep(made.kind, made.settings, made.image, made.network, made.latent_dim)
    bare.save_pretrained(tmp_path / "bare")
    again = load_generator(tmp_path / "bare")
    assert isinstance(again, Discerning)
    assert not again.discerns
    with pytest.raises(NotCapable, match="kept no discriminator"):
        again.realness(to_float(PICTURES[:2]))
