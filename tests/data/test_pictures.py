import numpy as np
import pytest
from PIL import Image

from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data.pictures import LAYOUT_NAMES, Pictures, draw_pictures


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return draw_pictures(600, 32, Rng(3))


def test_pictures_have_the_contracted_shape_and_factors(pictures: Pictures) -> None:
    assert pictures.images.shape == (600, 3, 32, 32)
    assert pictures.images.dtype == np.uint8
    wanted = {"hue", "warmth", "contrast", "symmetry", "complexity", "brightness", "saturation", "layout", "mirrored"}
    assert wanted <= set(pictures.factors)
    assert all(values.shape == (600,) and np.isfinite(values).all() for values in pictures.factors.values())


def test_pictures_of_a_smaller_count_are_the_first_of_a_larger(pictures: Pictures) -> None:
    few = draw_pictures(100, 32, Rng(3))
    assert (few.images == pictures.images[:100]).all()
    assert all(np.array_equal(few.factors[name], values[:100]) for name, values in pictures.factors.items())


def test_pictures_can_start_later(pictures: Pictures) -> None:
    assert (draw_pictures(50, 32, Rng(3), first=200).images == pictures.images[200:250]).all()


@pytest.mark.parametrize("size", [28, 48, 64, 128])
def test_picture_is_the_same_composition_at_every_size(pictures: Pictures, size: int) -> None:
    other = draw_pictures(24, size, Rng(3))
    for small, large in zip(pictures.images, other.images, strict=False):
        seen = Image.fromarray(np.moveaxis(large, 0, -1)).resize((32, 32), Image.Resampling.BOX)
        difference = np.abs(np.moveaxis(np.asarray(seen), -1, 0).astype(int) - small)
        assert difference.mean() < (6 if size % 32 == 0 else 10)
    for name in ("brightness", "contrast", "warmth", "symmetry", "layout"):
        assert np.abs(other.factors[name] - pictures.factors[name][:24]).max() < 0.12


def test_pictures_differ_between_seeds_and_among_themselves(pictures: Pictures) -> None:
    assert len({image.tobytes() for image in pictures.images}) == 600
    assert not (draw_pictures(1, 32, Rng(4)).images == pictures.images[:1]).all()


def test_mirrored_pictures_are_their_own_mirror_image(pictures: Pictures) -> None:
    mirrored = pictures.factors["mirrored"] == 1
    flipped = pictures.images[..., ::-1].astype(int)
    assert np.abs(flipped[mirrored] - pictures.images[mirrored]).max() <= 1
    assert (pictures.factors["symmetry"][mirrored] > 0.99).all()
    assert pictures.factors["symmetry"][~mirrored].mean() < 0.5


def test_factors_are_those_of_the_pixels(pictures: Pictures) -> None:
    images = pictures.images / 255
    luma = np.tensordot(images, [0.299, 0.587, 0.114], axes=(1, 0))
    assert np.abs(pictures.factors["brightness"] - luma.mean((1, 2))).max() < 0.003
    assert np.abs(pictures.factors["contrast"] - luma.std((1, 2))).max() < 0.003
    warmth = images[:, 0].mean((1, 2)) - images[:, 2].mean((1, 2))
    assert np.abs(pictures.factors["warmth"] - warmth).max() < 0.005


@pytest.mark.parametrize(
    ("factor", "low", "high"),
    [("warmth", -0.15, 0.2), ("contrast", 0.08, 0.2), ("brightness", 0.3, 0.75), ("complexity", 0.6, 2)],
)
def test_factors_that_tastes_are_made_of_vary_widely(pictures: Pictures, factor: str, low: float, high: float) -> None:
    values = pictures.factors[factor]
    assert np.quantile(values, 0.1) < low < high < np.quantile(values, 0.97)


def test_every_layout_is_drawn(pictures: Pictures) -> None:
    shares = np.bincount(pictures.factors["layout"].astype(int)) / 600
    assert len(shares) == len(LAYOUT_NAMES)
    assert shares.min() > 0.04


def test_complexity_is_least_where_there_are_only_glows(pictures: Pictures) -> None:
    layout, complexity = pictures.factors["layout"], pictures.factors["complexity"]
    means = {name: complexity[layout == index].mean() for index, name in enumerate(LAYOUT_NAMES)}
    assert min(means, key=lambda name: means[name]) == "gradients"
    assert max(means, key=lambda name: means[name]) == "tilings"


def test_grey_pictures_have_no_colour(pictures: Pictures) -> None:
    grey = draw_pictures(40, 32, Rng(3), channels=1)
    assert grey.images.shape == (40, 1, 32, 32)
    assert np.abs(grey.factors["brightness"] - pictures.factors["brightness"][:40]).max() < 1e-3
    assert (grey.factors["saturation"] == 0).all()
    assert (grey.factors["hue"] == 0).all()


@pytest.mark.parametrize(
    ("count", "size", "channels", "first"), [(0, 32, 3, 0), (1, 0, 3, 0), (1, 32, 2, 0), (1, 32, 3, -1)]
)
def test_pictures_refuse_impossible_requests(count: int, size: int, channels: int, first: int) -> None:
    with pytest.raises(BadConfiguration, match="found count="):
        draw_pictures(count, size, Rng(0), channels, first)
