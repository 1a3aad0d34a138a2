"""The autoencoder's shapes, and its loss against the formulas written out."""

import math

import pytest
import torch

from penchant.core.contracts import ImageSpec
from penchant.generators._autoencoder import Autoencoder, NegativeElbo, divergence, to_pixels
from penchant.training.objective import Clock


def images(count: int, channels: int, size: int) -> torch.Tensor:
    noise = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, size, size), generator=noise, dtype=torch.uint8)


@pytest.mark.parametrize("size", [28, 32, 48, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_autoencoder_gives_back_the_shape_that_it_got(size: int, channels: int) -> None:
    network = Autoencoder(ImageSpec(channels, size), 6, (8, 16))
    pixels = to_pixels(images(2, channels, size))
    mean, log_variance = network.encode(pixels)
    assert mean.shape == log_variance.shape == (2, 6)
    assert network.decode(mean).shape == pixels.shape


def test_pixels_run_from_minus_one_to_one() -> None:
    assert to_pixels(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]


def test_divergence_is_that_of_gaussians() -> None:
    mean, log_variance = torch.tensor([[0.0, 1.5]]), torch.tensor([[0.0, -1.0]])
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    assert torch.allclose(divergence(mean, log_variance), expected)


@pytest.mark.parametrize(("fraction", "weight"), [(0.0, 0.0), (0.05, 1.0), (0.1, 2.0), (0.9, 2.0)])
def test_negative_elbo_is_misfit_plus_kl_which_comes_in_over_a_tenth(fraction: float, weight: float) -> None:
    torch.manual_seed(0)
    network = Autoencoder(ImageSpec(1, 28), 4, (8,))
    batch = images(3, 1, 28)
    loss = NegativeElbo(network, beta=2.0, free_bits=0.3)
    found = loss((batch,), torch.Generator().manual_seed(1), Clock(fraction=fraction))
    mean, log_variance = network.encode(to_pixels(batch))
    draw = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
    again = network.decode(mean + torch.exp(log_variance / 2) * draw)
    errors = (again - to_pixels(batch)).square().mean(dim=(1, 2, 3)).tolist()
    misfit = sum(392 * math.log(error + 1e-5) for error in errors)
    kl = divergence(mean, log_variance).mean(dim=0)
    expected = (misfit / 3 + weight * sum(max(nats, 0.3) for nats in kl.tolist())) / 784
    assert found.total.item() == pytest.approx(expected, rel=1e-4)
    assert found.figures["kl"].item() == pytest.approx(kl.sum().item())
