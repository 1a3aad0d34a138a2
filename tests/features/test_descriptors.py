"""Value, parity and property tests of single descriptors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from penchant.core.errors import UnknownName
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.features import group_words, words
from penchant.features._planes import entropy, planes
from penchant.features.descriptors import TOPICS, Descriptors, describe

NAMES = [dimension.name for topic in TOPICS for dimension in topic.dimensions]


def described(images: Tensor) -> dict[str, Tensor]:
    return dict(zip(NAMES, describe(images).unbind(1), strict=True))


def one(image: Tensor, name: str) -> float:
    return float(described(image[None])[name][0])


def plain(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue], dtype=torch.float32)[:, None, None].expand(3, 32, 32)


def stripes(vertical: bool, size: int = 32) -> Tensor:
    wave = 0.5 + 0.4 * torch.sin(torch.arange(size) * 2 * math.pi / 8)
    return (wave.expand(size, size) if vertical else wave[:, None].expand(size, size)).expand(3, size, size)


def noise(seed: int, size: int = 32) -> Tensor:
    return torch.rand(3, size, size, generator=Rng(seed).torch())


# ---------------------------------------------------------------------------------------------------------- values


def test_warmth_orders_blue_grey_and_orange():
    blue, grey, orange = plain(0.2, 0.4, 0.9), plain(0.5, 0.5, 0.5), plain(0.9, 0.5, 0.1)
    assert one(blue, "warmth") < one(grey, "warmth") < one(orange, "warmth")
    assert one(grey, "warmth") == pytest.approx(0, abs=1e-6)


def test_colourfulness_is_that_of_hasler_and_suesstrunk():
    image = noise(1)
    red, green, blue = image.double().numpy()
    rg, yb = red - green, 0.5 * (red + green) - blue
    expected = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert one(image, "colourfulness") ** 2 == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("colour", "hue"),
    [((1, 0, 0), "red"), ((0, 1, 1), "cyan"), ((0.5, 0.5, 1), "blue"), ((1, 0.75, 0), "amber")],
)
def test_hue_bin_of_a_colour_is_the_fullest(colour: tuple[float, float, float], hue: str):
    names = [dimension.name for dimension in next(topic for topic in TOPICS if topic.name == "hues").dimensions[:8]]
    values = described(plain(*colour)[None])
    assert max(names, key=lambda name: float(values[name][0])) == hue


def test_contrast_is_half_for_half_black_half_white():
    image = torch.cat([torch.zeros(3, 32, 16), torch.ones(3, 32, 16)], 2)
    assert one(image, "contrast") == pytest.approx(0.5, abs=1e-4)
    assert one(image, "tonal range") == pytest.approx(1, abs=1e-4)
    assert one(image, "brightness") == pytest.approx(0.5, abs=1e-4)


def test_mirrored_image_is_symmetric_and_its_opposite_is_not():
    half = noise(2)[..., :16]
    mirrored, opposed = torch.cat([half, half.flip(2)], 2), torch.cat([half, 1 - half.flip(2)], 2)
    assert one(mirrored, "left-right symmetry") == pytest.approx(1, abs=1e-4)
    assert one(opposed, "left-right symmetry") < -0.9
    assert one(mirrored, "left-right closeness") > 1
    assert abs(one(mirrored, "up-down symmetry")) < 0.5


def test_flat_image_counts_as_symmetric():
    assert one(plain(0.5, 0.5, 0.5), "quarter-turn symmetry") == pytest.approx(1)


def test_edge_orientations_tell_vertical_from_horizontal():
    upright, lying = described(stripes(True)[None]), described(stripes(False)[None])
    assert upright["vertical edges"] > 0.7 > 0.3 > upright["horizontal edges"]
    torch.testing.assert_close(upright["vertical edges"], lying["horizontal edges"])
    assert one(noise(3), "edge-orientation entropy") > upright["edge-orientation entropy"]


def test_edge_orientations_tell_rising_from_falling():
    place = torch.arange(32.0)
    falling = (0.5 + 0.4 * torch.sin((place[:, None] - place) * 0.6)).expand(3, 32, 32)
    values = described(torch.stack([falling, falling.flip(2)]))
    assert values["falling edges"][0] > 0.7 > 0.3 > values["falling edges"][1]
    assert values["rising edges"][1] > 0.7 > 0.3 > values["rising edges"][0]


def test_roundness_tells_rings_from_spokes():
    place = torch.linspace(-1, 1, 32)
    radius, angle = torch.hypot(place[:, None], place.expand(32, 32)), torch.atan2(place[:, None], place.expand(32, 32))
    rings, spokes = 0.5 + 0.4 * torch.sin(12 * radius), 0.5 + 0.4 * torch.sin(6 * angle)
    assert one(rings.expand(3, 32, 32), "roundness") > 0.8
    assert one(spokes.expand(3, 32, 32), "roundness") < -0.8


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0])
def test_spectral_slope_is_that_of_the_noise_it_was_made_with(exponent: float):
    size, rng = 64, Rng(5).numpy()
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)) * size
    waves = np.fft.fft2(rng.normal(size=(60, size, size))) / np.maximum(frequency, 1) ** (exponent / 2)
    fields = np.fft.ifft2(waves).real
    fields = 0.5 + 0.15 * fields / fields.std((1, 2), keepdims=True)
    images = torch.from_numpy(fields)[:, None].expand(-1, 3, -1, -1)
    assert float(described(images)["spectral slope"].mean()) == pytest.approx(-exponent, abs=0.25)


def test_entropy_is_one_for_equal_shares_and_zero_for_one():
    shares = torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 0]])
    assert entropy(shares).tolist() == pytest.approx([1, 0], abs=1e-4)


def test_weight_follows_a_spot():
    image = torch.zeros(3, 32, 32)
    image[:, 24:28, 4:8] = 1
    assert one(image, "weight to the right") < -0.25
    assert one(image, "weight to the bottom") > 0.25
    layout = next(topic for topic in TOPICS if topic.name == "light layout").dimensions
    assert max((dimension.name for dimension in layout), key=lambda name: one(image, name)) == "light bottom far left"


def test_busy_images_are_busier_than_calm_ones_in_every_sense():
    calm = torch.linspace(0.3, 0.7, 32).expand(3, 32, 32)
    for name in ("edge density", "fine detail", "information", "roughness", "grain", "colour edges"):
        assert one(noise(6), name) > one(calm, name), name


# ------------------------------------------------------------------------------------------------------ properties


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_mirroring_negates_right_and_keeps_the_rest(seed: int):
    image = torch.from_numpy(draw_pictures(1, 32, Rng(seed)).images).double() / 255
    before, after = described(image), described(image.flip(3))
    torch.testing.assert_close(after["weight to the right"], -before["weight to the right"])
    torch.testing.assert_close(after["rising edges"], before["falling edges"])
    for name in ("warmth", "contrast", "left-right symmetry", "edge density", "spectral slope", "roundness"):
        torch.testing.assert_close(after[name], before[name])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_turning_swaps_vertical_and_horizontal(seed: int):
    image = torch.from_numpy(draw_pictures(1, 32, Rng(seed)).images).double() / 255
    before, after = described(image), described(image.rot90(1, (2, 3)))
    torch.testing.assert_close(after["vertical edges"], before["horizontal edges"])
    torch.testing.assert_close(after["left-right symmetry"], before["up-down symmetry"])
    torch.testing.assert_close(after["quarter-turn symmetry"], before["quarter-turn symmetry"])


def test_descriptors_of_the_same_picture_are_alike_at_every_size():
    small, large = (described(torch.from_numpy(draw_pictures(60, size, Rng(7)).images) / 255.0) for size in (32, 128))
    for name in ("warmth", "contrast", "left-right symmetry", "brightness", "roundness"):
        assert np.corrcoef(small[name], large[name])[0, 1] > 0.95, name


def test_gradients_hold_in_double_precision():
    images = (0.2 + 0.6 * torch.rand(1, 3, 16, 16, generator=Rng(8).torch())).double().requires_grad_()
    assert torch.autograd.gradcheck(describe, images, eps=1e-7, atol=1e-3, rtol=1e-3, fast_mode=True)


# ------------------------------------------------------------------------------------------- grey images and words


def test_colour_columns_are_zero_where_the_images_are_grey():
    images = torch.from_numpy(draw_pictures(50, 32, Rng(9), channels=1).images) / 255.0
    extractor = Descriptors().fit(images, None, Rng(0))
    features = extractor(images)
    for group in extractor.groups:
        columns = features[:, group.start : group.stop]
        assert (columns.abs().max() == 0) == (group.name in ("colour", "hues", "colour layout")), group.name


def test_grey_images_and_their_colour_copies_are_described_alike():
    grey = torch.from_numpy(draw_pictures(5, 32, Rng(9), channels=1).images) / 255.0
    torch.testing.assert_close(describe(grey), describe(grey.expand(-1, 3, -1, -1)))


def test_every_descriptor_has_words_for_little_and_much():
    assert words("warmth") == ("cool", "warm")
    assert all(low and high and low != high for low, high in map(words, NAMES))
    assert len(set(NAMES)) == len(NAMES)


def test_words_of_an_unknown_descriptor_name_those_there_are():
    with pytest.raises(UnknownName, match="Did you mean 'warmth'"):
        words("warmt")


def test_group_words_ignore_the_prefix_of_joined_groups():
    assert group_words("descriptors/light layout") == "where it is light"
    assert group_words("latents/codes") == "codes"


def test_planes_reduce_large_and_oblong_images_to_a_square():
    assert planes(torch.rand(2, 3, 96, 128)).light.shape == (2, 64, 64)
