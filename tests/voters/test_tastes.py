"""The hidden utilities measure what they are called."""

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import VOTERS
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.voters import _tastes


def plain(red: float, green: float, blue: float, size: int = 32) -> Tensor:
    return torch.tensor([float(red), float(green), float(blue)])[:, None, None].expand(3, size, size)


def noise(seed: int) -> Tensor:
    return torch.rand(3, 32, 32, generator=Rng(seed).torch())


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (100, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (53.39, 0, 0)),
    ],
)
def test_lab_is_that_of_the_tables(colour: tuple[float, float, float], expected: tuple[float, float, float]):
    np.testing.assert_allclose(_tastes.lab(plain(*colour)[None])[0, 0, 0], expected, atol=0.02)


def test_warmth_orders_blue_grey_and_orange():
    values = _tastes.warmth(torch.stack([plain(0.1, 0.3, 0.9), plain(0.5, 0.5, 0.5), plain(0.9, 0.5, 0.1)]))
    assert values[0] < values[1] < values[2]
    assert values[1] == pytest.approx(0, abs=1e-3)


def test_mirror_images_are_the_most_symmetric():
    half = noise(1)[..., :16]
    mirrored, other = torch.cat([half, half.flip(2)], 2), noise(2)
    values = _tastes.mirror_symmetry(torch.stack([mirrored, other]))
    assert values[0] > values[1]
    assert values[0] == pytest.approx(_tastes.mirror_symmetry(mirrored[None].flip(3))[0], abs=1e-5)


def test_black_and_white_is_the_highest_contrast():
    halves = torch.cat([torch.zeros(3, 32, 16), torch.ones(3, 32, 16)], 2)
    values = _tastes.light_contrast(torch.stack([halves, noise(3), plain(0.2, 0.9, 0.1)]))
    assert values[0] == pytest.approx(50, abs=1e-3)
    assert values[0] > values[1] > values[2] == pytest.approx(0, abs=1e-4)


def test_complexity_rises_with_edges():
    checks = (torch.arange(32)[:, None] + torch.arange(32)) % 2
    values = _tastes.complexity(torch.stack([plain(0.5, 0.5, 0.5), noise(4) / 4, checks.expand(3, 32, 32).float()]))
    assert values[0] < values[1] < values[2]


def test_vividness_prefers_colours_to_greys():
    values = _tastes.vividness(torch.stack([plain(0.5, 0.5, 0.5), plain(0.6, 0.5, 0.4), plain(1, 0, 0), noise(5)]))
    assert values.argmin() == 0
    assert values.argmax() == 2


def test_central_interest_finds_a_disc():
    image = torch.zeros(3, 30, 30)
    image[:, 10:20, 10:20] = 1
    assert _tastes.central_interest(image[None])[0] == pytest.approx(10, abs=1e-3)
    assert _tastes.central_interest(torch.zeros(1, 3, 30, 30))[0] == 0


def test_reducing_averages_blocks():
    colours = np.arange(32 * 32 * 3, dtype=float).reshape(1, 32, 32, 3)
    reduced = _tastes._reduced(colours, 16)
    np.testing.assert_allclose(reduced[0, 3, 5], colours[0, 6:8, 10:12].mean((0, 1)))
    assert _tastes._reduced(np.zeros((1, 28, 30, 3)), 12).shape == (1, 14, 15, 3)


def test_tastes_follow_the_factors_the_pictures_were_drawn_with():
    pictures = draw_pictures(200, 32, Rng(6))
    images = torch.from_numpy(pictures.images) / 255.0
    for taste, factor in (("warm", "warmth"), ("high_contrast", "contrast"), ("symmetric", "symmetry")):
        utility = VOTERS.make(taste).meet(images).utility(images)
        assert np.corrcoef(utility, pictures.factors[factor])[0, 1] > 0.75, taste


def test_mixture_is_the_weighted_sum_of_its_parts():
    images = torch.from_numpy(draw_pictures(100, 32, Rng(7)).images) / 255.0
    mixed = VOTERS.make("mixture(warm=2, symmetric=-1, high_contrast=0)").meet(images).utility(images)
    warm, symmetric = (VOTERS.make(name).meet(images).utility(images) for name in ("warm", "symmetric"))
    expected = 2 * warm - symmetric
    np.testing.assert_allclose(mixed, (expected - expected.mean()) / expected.std(), atol=1e-5)


def test_mixture_of_grey_images_leaves_warmth_out():
    images = torch.from_numpy(draw_pictures(100, 32, Rng(7), channels=1).images) / 255.0
    mixed, without = (VOTERS.make(f"mixture(warm={weight})").meet(images).utility(images) for weight in (1, 0))
    np.testing.assert_allclose(mixed, without)


def test_moderate_likes_the_middle_of_complexity():
    images = torch.from_numpy(draw_pictures(150, 32, Rng(8)).images) / 255.0
    utility = VOTERS.make("moderate").meet(images).utility(images)
    order = _tastes.complexity(images).argsort()
    assert utility[order[65:85]].mean() > max(utility[order[:20]].mean(), utility[order[-20:]].mean()) + 1


def test_twilight_likes_the_middle_of_lightness():
    images = torch.linspace(0, 1, 21)[:, None, None, None].expand(21, 3, 32, 32)
    utility = VOTERS.make("twilight").meet(images).utility(images)
    assert utility[10] == utility.max()
    assert max(utility[0], utility[20]) < utility[5] < utility[10]


def test_harmony_is_one_hue_or_two_opposite_ones():
    def halves(first: tuple[float, float, float], second: tuple[float, float, float]) -> Tensor:
        return torch.cat([plain(*first)[:, :, :16], plain(*second)[:, :, :16]], 2)

    orange, blue, green = (0.9, 0.5, 0.1), (0.1, 0.5, 0.9), (0.3, 0.7, 0.3)
    one, opposite, other = _tastes.colour_harmony(
        torch.stack([plain(*orange), halves(orange, blue), halves(orange, green)])
    )
    assert one > 0.99
    assert opposite > 0.8 > 0.5 > other


def test_thirds_are_met_by_a_spot_at_any_crossing():
    images = torch.zeros(6, 3, 30, 30)
    for image, (down, across) in zip(images, [(9, 9), (9, 19), (19, 9), (19, 19), (14, 14), (0, 29)], strict=True):
        image[:, down : down + 2, across : across + 2] = 1
    distances = _tastes.distance_from_thirds(images)
    assert distances[:4].max() < 0.02
    assert distances[4] > 0.15
    assert distances[5] > 0.3


def test_familiar_likes_its_favourites_best():
    images = torch.from_numpy(draw_pictures(90, 32, Rng(9)).images) / 255.0
    utility = VOTERS.make("familiar").meet(images).utility(images)
    assert set(utility.argsort()[-3:].tolist()) == {15, 45, 75}


def test_conditional_is_indifferent_where_the_condition_fails():
    images = torch.from_numpy(draw_pictures(300, 32, Rng(10)).images) / 255.0
    utility, symmetry, contrast = (
        VOTERS.make(name).meet(images).utility(images) for name in ("conditional", "symmetric", "high_contrast")
    )
    low, high = contrast < -0.7, contrast > 0.7
    assert utility[low].std() < 0.3 * utility[high].std()
    assert np.corrcoef(utility[high], symmetry[high])[0, 1] > 0.9
