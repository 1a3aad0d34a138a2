"""The style GAN: its convolutions are those of the paper, its styles are a space, its noise is no chance."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from penchant.core.contracts import GENERATORS, Budget, ImageSpec, Styled, Workspace
from penchant.core.errors import BadConfiguration, PenchantError
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._common import seeded
from penchant.generators._styles import StyleNetwork, _Modulated
from penchant.generators.style_gan import StyleGAN, StyleImages

SMALL = StyleGAN(latent_dim=6, style_dim=10, mapping_layers=2, widths=(8,), judge_widths=(8,), batch=16)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> StyleImages:
    images = draw_pictures(32, 28, Rng(0)).images
    return SMALL.fit(images, Budget(images=64), Rng(0), Workspace(tmp_path_factory.mktemp("fit")))


@pytest.mark.parametrize("demodulated", [True, False])
def test_modulated_convolution_is_that_of_a_kernel_for_each_image(demodulated: bool) -> None:
    """Equations 1 and 3 of the paper as they stand: w′ = s·w, w″ = w′ / √(Σ w′² + ε), one kernel an image."""
    layer = seeded(Rng(0), lambda: _Modulated(5, 4, 3, 3, demodulated))
    noise = Rng(1).torch()
    x, w = torch.randn(2, 5, 6, 6, generator=noise), torch.randn(2, 3, generator=noise)
    expected: list[torch.Tensor] = []
    for image, scale in zip(x, layer.style(w), strict=True):
        kernel = layer.weight * scale[None, :, None, None]
        if demodulated:
            kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected.append(F.conv2d(image[None], kernel, layer.bias, padding=1))
    assert torch.allclose(layer(x, w), torch.cat(expected), atol=1e-5)


def test_style_gan_draws_what_its_styles_say(generator: StyleImages) -> None:
    assert isinstance(generator, Styled)
    latents = generator.latents(3, Rng(1))
    styles = generator.mapping(latents)
    assert styles.shape == (3, 10)
    assert torch.equal(generator.synthesis(styles), generator.decode(latents))
    assert torch.equal(generator.synthesis(styles), generator.synthesis(styles.clone()))
    leaf = styles.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(generator.synthesis(leaf).square().sum(), leaf)
    assert (gradient.abs().sum(dim=1) > 0).all()


def test_style_noise_differs_between_images_and_counts_as_far_as_its_strength() -> None:
    network = seeded(Rng(0), lambda: StyleNetwork(ImageSpec(1, 28), 6, 10, 2, (8,)))
    styles = network.mapping(torch.randn(2, 6, generator=Rng(1).torch()))
    with torch.no_grad():
        silent = network.synthesis(styles)
        for name, parameter in network.named_parameters():
            if name.endswith("strength"):
                parameter.fill_(1.0)
        noisy = network.synthesis(styles)
        assert not torch.allclose(silent, noisy)
        assert torch.equal(noisy, network.synthesis(styles))
        change = noisy - silent
        assert not torch.allclose(change[0], change[1])


def test_truncation_pulls_images_to_the_average_one(generator: StyleImages) -> None:
    latents = generator.latents(8, Rng(2))

    def spread(share: float) -> float:
        made = StyleImages(generator.image, replace(SMALL, truncation=share), generator.network)
        return made.decode(latents).std(dim=0).mean().item()

    assert spread(0) == pytest.approx(0, abs=1e-6)
    assert 0 < spread(0.5) < spread(1)


def test_style_gan_refuses_styles_and_conditions_that_are_none(generator: StyleImages) -> None:
    with pytest.raises(BadConfiguration, match=r"styles are n × 10; found \(2, 6\)"):
        generator.synthesis(torch.zeros(2, 6))
    with pytest.raises(BadConfiguration, match="condition"):
        generator.decode(generator.latents(1, Rng(0)), torch.ones(1, 3))


@pytest.mark.parametrize(
    "settings",
    [
        "latent_dim=0",
        "style_dim=0",
        "mapping_layers=0",
        "truncation=3.0",
        "widths=(9,)",
        "judge_widths=()",
        "top_k=0.0",
    ],
)
def test_style_gan_refuses_settings_that_cannot_work(settings: str) -> None:
    with pytest.raises(PenchantError, match="must"):
        GENERATORS.make(f"style_gan({settings})")
