"""GANs under conditions: a pair shares its own, classes are told apart, without one all kinds are drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import GENERATORS, Annotations, Budget, Generator, GeneratorComponent, ImageSpec, Workspace
from penchant.core.errors import BadConfiguration
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.generators._adversarial import RelativisticDiscriminator
from penchant.generators._adversaries import Discriminator, PlainGenerator
from penchant.generators._common import seeded
from penchant.generators._told import Projection, told_of
from penchant.generators.style_gan import StyleGAN, StyleImages
from penchant.training.objective import Clock

TINY = {
    "gan": "gan(latent_dim=4, widths=(8,), judge_widths=(8,), batch=8, augmentation=0.0)",
    "style_gan": "style_gan(latent_dim=4, style_dim=8, widths=(8,), judge_widths=(8,), batch=8, augmentation=0.0)",
    "progressive_gan": "progressive_gan(latent_dim=4, widths=(8,), judge_widths=(8,), batch=8, augmentation=0.0)",
}
CLASSES = 2**0.5 * np.eye(2, dtype=np.float32)
"""As ``texts/classes`` tells two of them."""


def two_kinds(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Images dark at the top and images dark at the bottom, by turns, and which is which."""
    which = np.arange(count) % 2
    images = np.full((count, 1, 28, 28), 40, np.uint8)
    images[which == 0, :, 14:] = 215
    images[which == 1, :, :14] = 215
    return images, CLASSES[which]


@pytest.fixture(scope="module", params=TINY)
def generator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    images, conditions = two_kinds()
    component: GeneratorComponent = GENERATORS.make(TINY[request.param])
    workspace = Workspace(tmp_path_factory.mktemp("fit"))
    return component.fit(images, Budget(images=480), Rng(0), workspace, Annotations(conditions=conditions))


def kinds(images: Tensor) -> Tensor:
    """How much brighter the bottom is: about .7 for the first kind, -.7 for the second."""
    return images[:, 0, 16:].mean(dim=(1, 2)) - images[:, 0, :12].mean(dim=(1, 2))


def test_gan_draws_the_class_that_it_is_told(generator: Generator) -> None:
    assert generator.capabilities.conditional
    assert generator.condition_dim == 2
    first, second = (kinds(generator.sample(64, Rng(1), torch.from_numpy(row[None]))) for row in CLASSES)
    assert (first > 0.2).float().mean() >= 0.9
    assert (second < -0.2).float().mean() >= 0.9


def test_gan_draws_of_all_classes_when_it_is_told_none(generator: Generator) -> None:
    drawn = kinds(generator.sample(200, Rng(2)))
    assert 0.1 < (drawn > 0).float().mean() < 0.9


def test_gan_reads_back_its_conditions(generator: Generator, tmp_path: Path) -> None:
    generator.save_pretrained(tmp_path)
    found = load_generator(tmp_path)
    latents, told = generator.latents(2, Rng(3)), torch.from_numpy(CLASSES)
    assert found.condition_dim == 2
    assert torch.equal(found.decode(latents, told), generator.decode(latents, told))
    assert torch.equal(found.decode(latents), generator.decode(latents))
    with pytest.raises(BadConfiguration, match="2 × 2 numbers"):
        found.decode(latents, torch.ones(2, 3))


@pytest.mark.parametrize("conditions", [CLASSES, np.full((64, 2), np.nan, np.float32)])
def test_gan_refuses_conditions_that_are_not_one_row_an_image(conditions: np.ndarray, tmp_path: Path) -> None:
    component: GeneratorComponent = GENERATORS.make(TINY["gan"])
    with pytest.raises(BadConfiguration, match="conditions are"):
        component.fit(
            two_kinds()[0], Budget(images=32), Rng(0), Workspace(tmp_path), Annotations(conditions=conditions)
        )


def test_projection_is_the_inner_product_of_what_is_seen_and_told() -> None:
    head = seeded(Rng(0), lambda: Projection(5, 2))
    features, told = torch.randn(3, 5, generator=Rng(1).torch()), torch.tensor([[1.0, 2], [0, 1], [torch.nan, 0]])
    said = head.told(told[:2])
    expected = (head.seen(features[:2]) * said).sum(dim=1) / said.norm(dim=1)
    assert torch.allclose(head(features, told)[:2], expected)
    assert head(features, told)[2] == 0
    assert head(features, None) == 0


def test_pairs_are_judged_under_one_condition_some_under_none() -> None:
    rows = torch.randn(1000, 3, generator=Rng(0).torch())
    (told,) = told_of((torch.zeros(1000, 1), rows), Rng(1).torch())
    hidden = told.isnan().all(dim=1)
    assert hidden.float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert torch.equal(told[~hidden], rows[~hidden])
    assert told_of((rows,), Rng(1).torch()) == ()
    seen: list[Tensor] = []

    class Watched(Discriminator):
        def forward(self, pixels: Tensor, condition: Tensor | None = None) -> Tensor:
            assert condition is not None
            assert len(condition) == len(pixels)
            seen.append(condition)
            return super().forward(pixels, condition)

    image = ImageSpec(1, 28)
    network, judge = PlainGenerator(image, 4, (8,), 3), Watched(image, (8,), False, 3)
    loss = RelativisticDiscriminator(network, judge, 4, 0.1, 0.5, lambda pixels, noise, clock: pixels)
    loss((torch.zeros(8, 1, 28, 28, dtype=torch.uint8), rows[:8]), Rng(2).torch(), Clock())
    for given in seen:
        real, made = given.chunk(2)
        assert torch.equal(real.nan_to_num(9), made.nan_to_num(9))
    assert sum(len(given) for given in seen) == 16


@pytest.mark.parametrize("generator", ["style_gan"], indirect=True)
def test_truncation_pulls_to_the_average_under_the_condition(generator: Generator) -> None:
    assert isinstance(generator, StyleImages)
    settings = StyleGAN(latent_dim=4, style_dim=8, widths=(8,), judge_widths=(8,), truncation=0.0)
    typical = StyleImages(generator.image, settings, generator.network, 2)
    told = torch.from_numpy(CLASSES[[0, 1, 0]])
    images = typical.decode(typical.latents(3, Rng(4)), told)
    assert torch.allclose(images[0], images[2])
    assert kinds(images)[0] > 0.2
    assert kinds(images)[1] < -0.2
