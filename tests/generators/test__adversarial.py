"""Losses and networks of the relativistic game, against values worked out by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from penchant.core.contracts import ImageSpec
from penchant.core.rng import Rng
from penchant.generators._adversarial import RelativisticDiscriminator, RelativisticGenerator, squared_slope
from penchant.generators._adversaries import Discriminator, PlainGenerator
from penchant.training.objective import Clock

BATCH = (torch.full((8, 1, 28, 28), 255, dtype=torch.uint8),)


class Sum(nn.Module):
    """Scores are weight × sum of pixels: the slope is weight² × 784."""

    def __init__(self, weight: float):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.weight * pixels.sum(dim=(1, 2, 3))


class Flat(nn.Module):
    """Images whose every pixel is the first latent."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.0))

    def forward(self, latents: Tensor) -> Tensor:
        return (latents[:, :1] + self.shift)[:, :, None, None].expand(-1, 1, 28, 28)


def plain(pixels: Tensor, noise: torch.Generator, clock: Clock) -> Tensor:
    return pixels


def softplus(x: Tensor) -> Tensor:
    return (1 + x.exp()).log()


@pytest.mark.parametrize(("fraction", "gamma"), [(0.0, 2.0), (0.5, 1.1), (1.0, 0.2)])
@pytest.mark.parametrize("penalised", [0.5, 1.0])
def test_discriminator_loss_is_margin_and_both_slopes(fraction: float, gamma: float, penalised: float) -> None:
    judge = Sum(0.01)
    loss = RelativisticDiscriminator(Flat(), judge, 3, 2.0, penalised, plain)
    latents = torch.randn(8, 3, generator=Rng(0).torch())
    margin = 0.01 * 784 * (1 - latents[:, 0])
    expected = softplus(-margin).mean() + gamma / 2 * (2 * 0.01**2 * 784)
    assert loss(BATCH, Rng(0).torch(), Clock(fraction=fraction)).total.item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_gradient_penalty_reaches_the_weights() -> None:
    judge = Sum(0.5)
    pixels = torch.zeros(2, 1, 28, 28, requires_grad=True)
    squared_slope(judge(pixels), pixels).mean().backward()
    assert judge.weight.grad is not None
    assert judge.weight.grad.item() == pytest.approx(2 * 0.5 * 784)


@pytest.mark.parametrize(("fraction", "kept"), [(0.0, 8), (0.25, 5), (0.5, 2), (1.0, 2)])
def test_generator_learns_from_those_that_look_most_real(fraction: float, kept: int) -> None:
    judge, made = Sum(0.01), Flat()
    loss = RelativisticGenerator(made, judge, 3, 0.25, plain)
    first = torch.randn(8, 3, generator=Rng(0).torch())[:, 0].sort(descending=True).values[:kept]
    found = loss(BATCH, Rng(0).torch(), Clock(fraction=fraction)).total
    assert found.item() == pytest.approx(softplus(0.01 * 784 * (1 - first)).mean().item(), rel=1e-5)
    found.backward()
    assert judge.weight.grad is None
    assert judge.weight.requires_grad
    assert made.shift.grad is not None
    assert made.shift.grad.item() < 0


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 48), (3, 64), (1, 128)])
def test_networks_fit_every_size(channels: int, size: int) -> None:
    image = ImageSpec(channels, size)
    made = PlainGenerator(image, 5, (8, 16))(torch.randn(4, 5))
    assert made.shape == (4, channels, size, size)
    assert Discriminator(image, (8, 16), minibatch_deviation=True)(made).shape == (4,)


def test_residual_branches_start_at_zero() -> None:
    network = PlainGenerator(ImageSpec(1, 28), 5, (8,))
    for module in network.modules():
        if type(module).__name__ == "Branch":
            x = torch.randn(2, 8, 7, 7)
            assert torch.equal(module(x), x)


def test_minibatch_deviation_tells_a_collapsed_batch() -> None:
    torch.manual_seed(0)
    judge = Discriminator(ImageSpec(1, 28), (8,), minibatch_deviation=True)
    images = torch.rand(8, 1, 28, 28)
    alone, varied = judge(images[:1].expand(4, -1, -1, -1))[0], judge(images)[0]
    assert not math.isclose(alone.item(), varied.item(), rel_tol=1e-4)
    assert torch.allclose(judge(images)[:4], judge(images[:4]), atol=1e-5)
