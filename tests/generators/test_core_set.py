"""Core-set batches: what they cover, that strata keep means unbiased, and that a GAN learns on both."""

from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.contracts import GENERATORS, Budget, Workspace
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._core_set import CoreSet, farthest, strata


def lopsided(common: int, rare: int) -> torch.Tensor:
    """Dark images, nearly all alike, and a few light ones."""
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 30, (common, 1, 28, 28))
    light = rng.integers(100 * np.arange(rare)[:, None, None, None] // rare + 100, 256, (rare, 1, 28, 28))
    return torch.from_numpy(np.concatenate([dark, light]).astype(np.uint8))


def test_a_core_set_holds_what_is_rare():
    images = lopsided(60, 4)
    kind = torch.arange(64)
    batch, weights = CoreSet(8)((images, kind), Rng(0).torch())
    assert weights is None
    assert len(batch[0]) == len(batch[1]) == 8
    assert torch.equal(batch[0], images[batch[1]]), "all columns hold the same rows"
    assert {60, 61, 62, 63} <= set(batch[1].tolist()), "chance would hold half a light image in eight"
    same, nothing = CoreSet()((images,), Rng(0).torch())
    assert same[0] is images
    assert nothing is None


def test_strata_keep_means_unbiased_and_vary_less_than_chance():
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((96, 3)).astype(np.float32))
    values = points[:, 0].exp() + points[:, 1]
    noise, centred, stratified, by_chance = Rng(3).torch(), list[float](), list[float](), list[float]()
    for _ in range(700):
        centres = farthest(points, 16, noise)
        rows, weights = strata(points, centres, noise)
        assert float(weights.mean()) == pytest.approx(1, abs=1e-5)
        stratified.append(float((weights * values[rows]).mean()))
        centred.append(float(values[centres].mean()))
        by_chance.append(float(values[torch.randperm(96, generator=noise)[:16]].mean()))
    error = np.std(stratified) / np.sqrt(len(stratified))
    assert np.mean(stratified) == pytest.approx(float(values.mean()), abs=4 * error)
    assert abs(np.mean(centred) - float(values.mean())) > 20 * error, "the centres alone are biased, by intent"
    assert np.std(stratified) < 0.8 * np.std(by_chance)


def test_equal_images_leave_empty_cells_out():
    images = torch.zeros((16, 1, 28, 28), dtype=torch.uint8)
    batch, weights = CoreSet(4, unbiased=True)((images,), Rng(0).torch())
    assert weights is not None
    assert float(weights.mean()) == pytest.approx(1)
    assert len(batch[0]) == len(weights) >= 1


@pytest.mark.parametrize("unbiased", [False, True])
def test_a_gan_learns_on_core_sets(unbiased: bool, tmp_path: Path):
    images = draw_pictures(64, 28, Rng(0)).images
    spec = {"name": "gan", "widths": (8,), "judge_widths": (8,), "batch": 8, "core_set": 4, "unbiased": unbiased}
    made = GENERATORS.make(spec).fit(images, Budget(images=128), Rng(0), Workspace(tmp_path))
    assert torch.isfinite(made.sample(4, Rng(0))).all()


def test_settings_without_sense_are_refused():
    with pytest.raises(ValueError, match="at least as many"):
        CoreSet(0)
    with pytest.raises(BadConfiguration, match="core_set to 2 or more"):
        GENERATORS.make({"name": "gan", "unbiased": True})
