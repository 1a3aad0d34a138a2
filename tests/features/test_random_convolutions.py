"""The judge tells damaged and narrowed image sets from whole ones, and more so the more they are damaged."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from penchant.core.contracts import Extractor
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.features.random_convolutions import RandomConvolutions


def pictures(seed: int, count: int = 200) -> Tensor:
    return torch.from_numpy(draw_pictures(count, 32, Rng(seed)).images) / 255.0


def distance(a: Tensor, b: Tensor) -> float:
    """Kernel distance with the usual cubic kernel."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        values = kernel(x, x)
        return (values.sum() - values.diagonal().sum()) / (len(x) * (len(x) - 1))

    a, b = a.double(), b.double()
    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def blurred(images: Tensor, amount: float) -> Tensor:
    return images + amount * (F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), 5, 1) - images)


def noisy(images: Tensor, amount: float) -> Tensor:
    return (images + 0.15 * amount * torch.randn(images.shape, generator=Rng(3).torch())).clamp(0, 1)


def mixed_with_noise_images(images: Tensor, amount: float) -> Tensor:
    count = int(len(images) * amount / 2)
    return torch.cat([torch.rand(count, 3, 32, 32, generator=Rng(4).torch()), images[count:]])


def narrowed(images: Tensor, amount: float) -> Tensor:
    kept = images[images.mean((1, 2, 3)).argsort()][: int(len(images) * (1 - 0.8 * amount))]
    return kept[torch.arange(len(images)) % len(kept)]


def shifted_half(images: Tensor, amount: float) -> Tensor:
    dark = images.clone()
    dark[..., :16] *= 1 - 0.5 * amount
    return dark


@pytest.fixture(scope="module")
def real() -> Tensor:
    return pictures(1)


@pytest.fixture(scope="module")
def judge(real: Tensor) -> Extractor:
    return RandomConvolutions().fit(real, None, Rng(0))


@pytest.mark.parametrize("damage", [blurred, noisy, mixed_with_noise_images, narrowed, shifted_half])
def test_distance_rises_with_damage(judge: Extractor, damage: Callable[[Tensor, float], Tensor]):
    fresh, seen = pictures(2, 1500), judge(pictures(1, 1500))
    distances = [distance(seen, judge(damage(fresh, amount))) for amount in (0.0, 0.5, 1.0)]
    assert distances == sorted(distances)
    assert distances[-1] > 3 * abs(distances[0])


def test_seeds_give_different_judges_that_agree(real: Tensor):
    other = blurred(pictures(2), 1)
    judges = [RandomConvolutions(seed=seed).fit(real, None, Rng(0)) for seed in (0, 1)]
    assert judges[0].hash != judges[1].hash
    first, second = (distance(judge(real), judge(other)) for judge in judges)
    assert 0.3 < first / second < 3


def test_mean_variance_of_the_components_is_one(real: Tensor):
    features = RandomConvolutions(most=16).fit(real, None, Rng(0))(real)
    assert features.shape == (200, 16)
    assert float(features.var(0, correction=0).mean()) == pytest.approx(1, rel=1e-3)
    assert float(features.mean(0).abs().max()) < 1e-3
    assert bool((features.var(0).diff() < 0).all())
