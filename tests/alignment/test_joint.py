from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.alignment._retrained import RetrainedGenerator
from penchant.alignment.joint import Joint
from penchant.alignment.latent_tilt import LatentTilt
from penchant.core.contracts import ALIGNMENT, GENERATORS, Budget, Generator, Progress, Reward, Strength, Workspace
from penchant.core.errors import BadConfiguration, NotCapable, StudyDamaged, TrainingDiverged
from penchant.core.rng import Rng

MakeGenerator = Callable[[int], Generator]
MakeReward = Callable[..., Reward]
SIGMA = 0.5  # of the plane's images


def small(beta: float | None = None, images_weight: float = 0.0, steps: int = 200) -> Joint:
    return Joint(
        tilt_steps=150,
        steps=steps,
        batch=32,
        couplings=2,
        hidden=16,
        tilt_learning_rate=1e-2,
        learning_rate=1e-2,
        images_weight=images_weight,
        beta=beta,
    )


def pictures(dimensions: int, value: int = 128) -> np.ndarray:
    return np.full((20, 1, 1, dimensions), value, dtype=np.uint8)


@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_joint_is_the_closed_form_when_the_reward_is_linear(
    beta: float, plane: MakeGenerator, slope: MakeReward
) -> None:
    result = small(beta, steps=400).align(plane(1), slope(1.5), Strength(16), Rng(0), images=pictures(1))
    aligned = result.generator
    assert isinstance(aligned, RetrainedGenerator)
    u = Rng(1).torch()
    latents = torch.randn(4000, 1, generator=u)
    z = aligned.transport(latents, aligned.dial)[0]
    lift = aligned.decode(latents).flatten() - z.flatten()
    # The noise moves by a/β and the decoder lifts its images by σ²·a/β: KL = (1 + σ²)·a²/2β².
    assert z.mean().item() - latents.mean().item() == pytest.approx(1.5 / beta, rel=5e-3)
    assert lift.mean().item() == pytest.approx(SIGMA**2 * 1.5 / beta, rel=0.05)
    assert result.kl_nats == pytest.approx((1 + SIGMA**2) * 1.5**2 / (2 * beta**2), rel=5e-3)
    assert "exact KL of noise and image" in result.kl_estimator


@pytest.mark.parametrize("best_of", [4, 64])
def test_joint_spends_the_asked_nats(best_of: int, plane: MakeGenerator, slope: MakeReward) -> None:
    strength = Strength(best_of)
    result = small().align(plane(3), slope(1.0, -1.0, 0.5), strength, Rng(0), images=pictures(3))
    assert result.kl_nats == pytest.approx(strength.target_kl, rel=0.1)
    assert result.note == ""
    gained = result.frontier[-1]["reward"] - result.frontier[0]["reward"]
    # A decoder that lifts too gives √(1 + σ²) more reward for the same nats than the noise alone.
    assert gained == pytest.approx(1.5 * (2 * (1 + SIGMA**2) * strength.target_kl) ** 0.5, rel=0.07)


def test_joint_gives_the_reference_back_when_a_nat_is_dear(plane: MakeGenerator, slope: MakeReward) -> None:
    generator = plane(2)
    result = small(beta=1e9, images_weight=1.0).align(
        generator, slope(1.0, 0.0), Strength(16), Rng(0), images=pictures(2)
    )
    assert abs(result.kl_nats) < 1e-6
    gap = result.generator.sample(500, Rng(1)) - generator.sample(500, Rng(1))
    assert gap.abs().max() < 1e-5  # rounding


def test_joint_goes_on_learning_the_images(plane: MakeGenerator, slope: MakeReward) -> None:
    images = pictures(1, value=160)  # 1.0 in the plane's units
    means = [
        small(1.0, weight).align(plane(1), slope(0.0), Strength(16), Rng(0), images=images).generator
        for weight in (0.0, 1.0)
    ]
    without, with_images = (float(generator.sample(2000, Rng(1)).mean()) for generator in means)
    assert without == pytest.approx(0.0, abs=0.08)
    assert with_images > 0.15


def test_joint_never_touches_what_it_was_given(plane: MakeGenerator, slope: MakeReward) -> None:
    generator = plane(2)
    latents = generator.latents(20, Rng(5))
    before = generator.decode(latents).detach().clone()
    images = pictures(2)
    small(steps=20, images_weight=1.0).align(generator, slope(1.0, 0.0), Strength(16), Rng(0), images=images)
    assert torch.equal(generator.decode(latents), before)
    assert vars(generator)["weight"].grad is None
    assert (images == 128).all()


def test_joint_of_any_aligned_generator_counts_from_the_original(plane: MakeGenerator, slope: MakeReward) -> None:
    generator, reward, images = plane(2), slope(1.0, 0.0), pictures(2)
    once = small(steps=30).align(generator, reward, Strength(4), Rng(0), images=images)
    again = small(steps=30).align(once.generator, reward, Strength(4), Rng(0), images=images)
    tilted = LatentTilt(steps=30, batch=32, couplings=2, hidden=16).align(again.generator, reward, Strength(4), Rng(0))
    assert vars(again.generator)["base"] is generator
    assert vars(tilted.generator)["base"] is generator
    assert again.kl_nats == once.kl_nats


def test_joint_changes_nothing_when_like_best_of_one(plane: MakeGenerator, slope: MakeReward) -> None:
    generator = plane(2)
    result = small().align(generator, slope(1.0, 0.0), Strength(1), Rng(0), images=pictures(2))
    assert result.kl_nats == 0
    assert torch.equal(result.generator.sample(50, Rng(1)), generator.sample(50, Rng(1)))


@pytest.mark.usefixtures("readable")
def test_joint_is_the_same_after_saving(tmp_path: Path, plane: MakeGenerator, slope: MakeReward) -> None:
    aligned = small(steps=20).align(plane(2), slope(1.0, 0.0), Strength(16), Rng(0), images=pictures(2)).generator
    aligned.save_pretrained(tmp_path)
    loaded = Joint.load(tmp_path)
    assert torch.equal(loaded.sample(9, Rng(1)), aligned.sample(9, Rng(1)))
    assert not torch.equal(loaded.sample(9, Rng(1)), loaded.base.sample(9, Rng(1)))
    (tmp_path / "transport.safetensors").unlink()
    with pytest.raises(StudyDamaged, match=r"transport\.safetensors"):
        Joint.load(tmp_path)


def test_joint_says_what_it_lacks(plane: MakeGenerator, slope: MakeReward) -> None:
    with pytest.raises(NotCapable, match=r"got none; latent_tilt needs none"):
        small().align(plane(2), slope(1.0, 0.0), Strength(4), Rng(0))
    with pytest.raises(TrainingDiverged, match="not finite on 256 of 256"):
        small().align(plane(2), slope(float("nan"), 0.0), Strength(4), Rng(0), images=pictures(2))
    flat = small().align(plane(2), slope(0.0, 0.0), Strength(4), Rng(0), images=pictures(2))
    assert flat.kl_nats == 0
    assert "the same for every image" in flat.note


def test_joint_reports_how_far_it_is(plane: MakeGenerator, slope: MakeReward) -> None:
    heard: list[Progress] = []
    small(steps=10).align(plane(2), slope(1.0, 0.0), Strength(4), Rng(0), heard.append, pictures(2))
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


@pytest.mark.parametrize("settings", ["batch=3", "steps=0", "beta=-1.0", "images_weight=-1.0"])
def test_joint_settings_are_refused_when_impossible(settings: str) -> None:
    with pytest.raises(BadConfiguration):
        ALIGNMENT.make(f"joint({settings})")


class Bright(Reward):
    """The mean of all pixel values."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).mean(dim=1)

    def save_pretrained(self, directory: Path) -> None:
        raise NotImplementedError


def test_joint_meets_its_budget_on_a_trained_vae(tmp_path: Path) -> None:
    level = Rng(0).numpy().uniform(0, 255, (256, 1, 1, 1))
    noise = Rng(1).numpy().normal(0, 20, (256, 1, 28, 28))
    images = np.clip(level + noise, 0, 255).astype(np.uint8)  # some brighter, some darker: something to bend
    vae = GENERATORS.make("vae(widths=(8, 8), code_dim=4, flow_width=16, flow_blocks=1, flow_steps=1, batch=32)")
    generator = vae.fit(images, Budget(images=4000), Rng(0), Workspace(tmp_path))
    joint = Joint(tilt_steps=60, steps=20, batch=16, couplings=1, hidden=8, tilt_learning_rate=2e-2)
    result = joint.align(generator, Bright(), Strength(6), Rng(0), images=images)
    aligned = result.generator
    assert isinstance(aligned, RetrainedGenerator)
    assert result.kl_nats == pytest.approx(Strength(6).target_kl, rel=0.1)
    assert result.note == ""
    sigma = generator.continued().error(torch.from_numpy(images))
    # What the pictures cost is told apart by other latents than the aligner's own.
    of_images = aligned.image_kl(sigma, 256, Rng(5))[0]
    assert 0 <= of_images <= 0.3 * Strength(6).target_kl
    gained = result.frontier[-1]["reward"] - result.frontier[0]["reward"]
    spread = float(Bright()(generator.sample(400, Rng(6))).std())
    assert gained > 0.5 * spread
