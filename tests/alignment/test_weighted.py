import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from penchant.alignment._weighting import beta_for, tilted_weights, weights_kl, worth
from penchant.alignment.weighted import Weighted
from penchant.core.contracts import ALIGNMENT, Capabilities, Continued, Generator, ImageSpec, Reward, Strength
from penchant.core.errors import BadConfiguration, BadImages, NotCapable, TrainingDiverged
from penchant.core.rng import Rng

MakeGenerator = Callable[[int], Generator]
STEP = 32 / 255
"""A unit of the latent, in pixel values."""


class Grey(Generator):
    """One pixel: 128 and 32 times its latent, so that bytes hold four units either way."""

    latent_dim = 1
    image = ImageSpec(1, 1)
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.offset, self.log_width = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def decode(self, latents: Tensor, condition: Any = None) -> Tensor:
        return (128 / 255 + STEP * (self.offset + latents * self.log_width.exp()))[:, :, None, None].clamp(0, 1)

    def continued(self) -> Continued:
        return ContinuedGrey(self)

    def save_pretrained(self, directory: Path) -> None:
        raise NotImplementedError


class ContinuedGrey(Continued):
    """−log N(x; offset, width²)."""

    def __init__(self, original: Grey):
        self.generator = copy.deepcopy(original)
        self.parameters = [self.generator.offset, self.generator.log_width]

    def loss(self, images: Tensor, noise: torch.Generator, conditions: Tensor | None = None) -> Tensor:
        offset, log_width = self.parameters
        z = (images.flatten(1).float() - 128) / 32
        return (0.5 * ((z - offset) / log_width.exp()).square() + log_width).mean()


class Brightness(Reward):
    """``slope`` for each unit of the latent."""

    def __init__(self, slope: float):
        self.slope = slope

    def __call__(self, images: Tensor) -> Tensor:
        return self.slope * (images.flatten(1)[:, 0] - 128 / 255) / STEP

    def save_pretrained(self, directory: Path) -> None:
        raise NotImplementedError


def small(beta: float | None = None, generated: int = 4000, steps: int = 200) -> Weighted:
    return Weighted(generated=generated, steps=steps, batch=256, learning_rate=3e-2, beta=beta)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_weighted_is_the_closed_form_when_the_reward_is_linear(beta: float) -> None:
    result = small(beta, generated=40_000).align(Grey(), Brightness(1.0), Strength(16), Rng(0))
    learned = vars(vars(result.generator)["learned"])
    assert result.kl_nats == pytest.approx(1 / (2 * beta**2), rel=0.02)  # a²/2β²
    made = Grey().sample(40_000, Rng(0).child("pool", "made")).flatten()  # what it was trained on, by weight
    sampled = float((made - 128 / 255).double().mean()) / STEP
    assert learned["offset"].item() - sampled == pytest.approx(1 / beta, rel=0.02)  # a/β
    assert learned["log_width"].exp().item() == pytest.approx(1, rel=0.02)
    assert "approximate for the generator" in result.kl_estimator


@pytest.mark.parametrize("best_of", [4, 16])
def test_weighted_spends_the_asked_nats(best_of: int) -> None:
    strength = Strength(best_of)
    result = small().align(Grey(), Brightness(0.01), strength, Rng(0))
    assert result.kl_nats == pytest.approx(strength.target_kl, rel=1e-3)
    gained = (result.frontier[-1]["reward"] - result.frontier[0]["reward"]) / 0.01
    assert gained == pytest.approx(math.sqrt(2 * strength.target_kl), rel=0.15)
    assert result.note == ""


def test_weighted_gives_the_reference_back_when_a_nat_is_dear_or_none_is_asked_for() -> None:
    generator = Grey()
    before = generator.sample(200, Rng(1))
    dear = small(beta=1e6).align(generator, Brightness(1.0), Strength(16), Rng(0))
    one = small().align(generator, Brightness(1.0), Strength(1), Rng(0))
    flat = small().align(generator, Brightness(0.0), Strength(16), Rng(0))
    assert dear.kl_nats == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(dear.generator.sample(200, Rng(1)), before, rtol=0, atol=0.05 * STEP)
    assert torch.equal(one.generator.sample(200, Rng(1)), before)
    assert torch.equal(flat.generator.sample(200, Rng(1)), before)
    assert "the same for every image" in flat.note
    assert torch.equal(generator.sample(200, Rng(1)), before)
    assert generator.offset.grad is None


def test_weighted_learns_from_the_persons_images_too() -> None:
    bright = np.full((4000, 1, 1, 1), 192, dtype=np.uint8)  # two units above the middle
    result = small(beta=1e6, generated=4000).align(Grey(), Brightness(1.0), Strength(4), Rng(0), images=bright)
    assert vars(vars(result.generator)["learned"])["offset"].item() == pytest.approx(1.0, abs=0.1)


def test_weighted_stops_where_too_few_images_would_be_left() -> None:
    result = small(generated=200, steps=5).align(Grey(), Brightness(1.0), Strength(1000), Rng(0))
    assert result.kl_nats < 0.9 * Strength(1000).target_kl
    assert "images' worth of the 200 there are (now 16)" in result.note


def test_weighted_trains_own_images_under_their_conditions_and_made_ones_under_none() -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    class Told(Grey):
        condition_dim = 2

        def continued(self) -> Continued:
            return ContinuedTold(self)

    class ContinuedTold(ContinuedGrey):
        def loss(self, images: Tensor, noise: torch.Generator, conditions: Tensor | None = None) -> Tensor:
            assert conditions is not None
            seen.append((images, conditions))
            return super().loss(images, noise)

    own = np.arange(0, 40, dtype=np.uint8).reshape(-1, 1, 1, 1)
    conditions = np.stack([np.arange(40), -np.arange(40)], axis=1).astype(np.float32)
    small().align(Told(), Brightness(-1.0), Strength(2), Rng(0), images=own, conditions=conditions)
    for images, told in seen:
        known = told.isfinite().all(dim=1)
        assert torch.equal(told[known, 0], images.flatten()[known].float())
        assert torch.equal(told[known, 1], -told[known, 0])
    assert any(told.isfinite().any() for _, told in seen)
    assert any(told.isnan().any() for _, told in seen)
    with pytest.raises(BadConfiguration, match=r"40 × 2; found \(3, 2\)"):
        small().align(Told(), Brightness(1.0), Strength(2), Rng(0), images=own, conditions=conditions[:3])


def test_weighted_says_what_is_wrong(plane: MakeGenerator) -> None:
    class Stiff(Grey):
        def continued(self) -> Continued:
            return Generator.continued(self)

    with pytest.raises(NotCapable, match="Stiff cannot go on training; latent_tilt"):
        small().align(Stiff(), Brightness(1.0), Strength(4), Rng(0))
    with pytest.raises(BadImages, match=r"\(1, 1, 1\); found \(1, 2, 2\)"):
        small().align(Grey(), Brightness(1.0), Strength(4), Rng(0), images=np.zeros((9, 1, 2, 2), np.uint8))
    with pytest.raises(TrainingDiverged, match="not finite on 256 of 256"):
        small().align(Grey(), Brightness(float("nan")), Strength(4), Rng(0))
    with pytest.raises(BadConfiguration, match="must be positive"):
        ALIGNMENT.make("weighted(steps=0)")


def test_beta_for_meets_the_nats_or_keeps_enough_images() -> None:
    rewards = torch.randn(5000, generator=Rng(0).torch())
    weights = tilted_weights(rewards, beta_for(rewards, 1.5))
    assert weights_kl(weights) == pytest.approx(1.5, abs=1e-3)
    assert worth(tilted_weights(rewards[:100], beta_for(rewards[:100], 4.0))) == pytest.approx(16, abs=1e-2)
    equal = torch.full((8,), 1 / 8)
    assert weights_kl(equal) == pytest.approx(0, abs=1e-6)
    assert worth(equal) == pytest.approx(8)
    assert weights_kl(torch.tensor([1.0, 0, 0, 0])) == pytest.approx(math.log(4))
