import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.data._palettes import from_oklab, palettes, to_oklab


def test_oklab_of_white_and_red_are_the_published_values() -> None:
    lab = to_oklab(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]))
    assert np.abs(lab - [[1, 0, 0], [0.62796, 0.22486, 0.12585]]).max() < 1e-4


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
@settings(max_examples=40, deadline=None)
def test_oklab_and_back_is_the_same_colour(colour: list[float]) -> None:
    assert np.abs(from_oklab(to_oklab(np.array([colour]))) - colour).max() < 1e-4


def test_palette_on_the_ring_is_the_curated_one_as_written() -> None:
    ones = np.ones(1)
    colours = palettes(ones * 0, np.array([False]), ones, ones)[0] * 255
    assert [bytes(np.rint(colour).astype(np.uint8)).hex() for colour in colours] == [
        *("2a0e1c", "7a2038"),
        *("e8647a", "fbc9b8", "f2a24f"),
    ]


def test_palette_with_less_contrast_is_nearer_to_its_ground() -> None:
    position, light = np.array([0.4, 0.4]), np.array([True, True])
    lab = to_oklab(palettes(position, light, np.array([0.3, 1.0]), np.ones(2)))
    spread = np.abs(lab[:, 2:, 0] - lab[:, :2, 0].mean(1, keepdims=True)).mean(1)
    assert spread[0] < 0.4 * spread[1]


def test_palette_ring_closes_without_a_jump() -> None:
    ones, light = np.ones(2), np.array([False, False])
    ends = palettes(np.array([0.0, 0.9999]), light, ones, ones)
    assert np.abs(ends[0] - ends[1]).max() < 0.01
