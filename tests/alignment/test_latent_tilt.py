import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from penchant.alignment._tilted import TiltedGenerator
from penchant.alignment.latent_tilt import LatentTilt
from penchant.core.contracts import ALIGNMENT, Capabilities, Generator, Progress, Reward, Strength
from penchant.core.errors import BadConfiguration, NotCapable, StudyDamaged, TrainingDiverged
from penchant.core.rng import Rng

MakeGenerator = Callable[[int], Generator]
MakeReward = Callable[..., Reward]


def small(steps: int = 150, beta: float | None = None) -> LatentTilt:
    return LatentTilt(steps=steps, batch=32, couplings=2, hidden=16, learning_rate=1e-2, beta=beta)


@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_tilt_is_the_closed_form_shift_when_the_reward_is_linear(
    beta: float, plane: MakeGenerator, slope: MakeReward
) -> None:
    result = small(steps=300, beta=beta).align(plane(1), slope(1.5), Strength(16), Rng(0))
    z = result.generator.sample(4000, Rng(1)).flatten()
    assert result.kl_nats == pytest.approx(1.5**2 / (2 * beta**2), rel=0.03)  # a²/2β²
    assert z.mean().item() == pytest.approx(1.5 / beta, abs=0.06)  # a/β
    assert z.std().item() == pytest.approx(1.0, abs=0.05)
    assert "β was fixed" in result.note


def test_tilt_is_the_closed_form_gaussian_when_the_reward_is_a_bowl(plane: MakeGenerator, slope: MakeReward) -> None:
    beta, curvature = 0.5, 1.0
    result = small(steps=400, beta=beta).align(
        plane(3), slope(1.0, 0.0, 0.0, curvature=curvature), Strength(16), Rng(0)
    )
    variance = 1 / (1 + curvature / beta)
    means = torch.tensor([variance / beta, 0.0, 0.0])
    z = result.generator.sample(8000, Rng(1)).flatten(1)
    torch.testing.assert_close(z.mean(0), means, atol=0.03, rtol=0)
    torch.testing.assert_close(z.T.cov(), variance * torch.eye(3), atol=0.03, rtol=0)
    kl = 0.5 * (3 * (variance - 1 - math.log(variance)) + float(means.square().sum()))
    assert result.kl_nats == pytest.approx(kl, rel=0.03)


@pytest.mark.parametrize("best_of", [4, 16, 64, 256])
def test_tilt_spends_the_asked_nats_and_buys_almost_all_they_can(
    best_of: int, plane: MakeGenerator, slope: MakeReward
) -> None:
    strength = Strength(best_of)
    result = small().align(plane(4), slope(1.0, -1.0, 0.5, 0.0), strength, Rng(0))
    assert result.kl_nats == pytest.approx(strength.target_kl, rel=0.1)
    before, after = result.frontier[0], result.frontier[-1]
    best = 1.5 * math.sqrt(2 * strength.target_kl)  # the slope's length is 1.5
    assert after["reward"] - before["reward"] == pytest.approx(best, rel=0.05)
    assert [row["kl_nats"] for row in result.frontier] == sorted(row["kl_nats"] for row in result.frontier)
    assert result.note == ""
    assert "exact latent KL" in result.kl_estimator


def test_tilt_keeps_the_variety_that_the_reward_does_not_speak_of(plane: MakeGenerator, slope: MakeReward) -> None:
    result = small().align(plane(4), slope(1.0, 0.0, 0.0, 0.0), Strength(64), Rng(0))
    z = result.generator.sample(8000, Rng(1)).flatten(1)
    torch.testing.assert_close(z.T.cov(), torch.eye(4), atol=0.12, rtol=0)


def test_tilt_gives_the_reference_back_when_a_nat_is_dear(plane: MakeGenerator, slope: MakeReward) -> None:
    generator = plane(3)
    result = small(beta=1e6).align(generator, slope(1.0, 0.0, 0.0), Strength(16), Rng(0))
    assert abs(result.kl_nats) < 1e-4
    gap = result.generator.sample(500, Rng(1)) - generator.sample(500, Rng(1))
    assert gap.square().mean() < 1e-3


def test_tilt_changes_nothing_when_like_best_of_one(plane: MakeGenerator, slope: MakeReward) -> None:
    generator = plane(3)
    result = small().align(generator, slope(1.0, 0.0, 0.0), Strength(1), Rng(0))
    assert result.kl_nats == 0
    assert torch.equal(result.generator.sample(50, Rng(1)), generator.sample(50, Rng(1)))
    assert "no change" in result.note


def test_tilt_never_touches_the_given_generator_or_reward(plane: MakeGenerator, slope: MakeReward) -> None:
    generator, reward = plane(3), slope(1.0, 0.0, 0.0)
    latents = generator.latents(20, Rng(5))
    before = generator.decode(latents).detach().clone()
    small(steps=20).align(generator, reward, Strength(16), Rng(0))
    after = generator.decode(latents)
    assert torch.equal(after, before)
    weight = vars(generator)["weight"]
    assert weight.grad is None
    assert weight.requires_grad
    assert torch.equal(weight, torch.ones(3))


def test_tilt_is_the_same_for_the_same_seed_and_leaves_global_random_numbers_alone(
    plane: MakeGenerator, slope: MakeReward
) -> None:
    state = torch.random.get_rng_state()
    first, again = (small(steps=30).align(plane(3), slope(1.0, 0.0, 0.0), Strength(16), Rng(7)) for _ in range(2))
    assert torch.equal(first.generator.sample(9, Rng(1)), again.generator.sample(9, Rng(1)))
    assert first.kl_nats == again.kl_nats
    assert torch.equal(torch.random.get_rng_state(), state)


def test_tilt_of_a_tilted_generator_starts_from_the_original(plane: MakeGenerator, slope: MakeReward) -> None:
    generator, reward = plane(2), slope(1.0, 0.0)
    once = small(steps=30).align(generator, reward, Strength(16), Rng(0))
    twice = small(steps=30).align(once.generator, reward, Strength(16), Rng(0))
    assert vars(twice.generator)["base"] is generator
    assert twice.kl_nats == pytest.approx(Strength(16).target_kl, rel=0.1)


def test_tilt_does_not_depend_on_the_scale_of_the_reward(plane: MakeGenerator, slope: MakeReward) -> None:
    result = small().align(plane(2), slope(1e-3, 0.0), Strength(64), Rng(0))
    assert result.kl_nats == pytest.approx(Strength(64).target_kl, rel=0.1)
    assert result.generator.sample(2000, Rng(1)).flatten(1).mean(0)[0].item() == pytest.approx(2.5, abs=0.15)


def test_tilt_says_so_when_the_reward_is_flat(plane: MakeGenerator, slope: MakeReward) -> None:
    result = small().align(plane(2), slope(0.0, 0.0), Strength(64), Rng(0))
    assert result.kl_nats == 0
    assert "the same for every image" in result.note
    assert torch.isfinite(result.generator.sample(20, Rng(1))).all()


def test_tilt_says_so_when_the_reward_has_steps_but_no_slope(plane: MakeGenerator, slope: MakeReward) -> None:
    class Steps(Reward):
        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, 0].round()

        def save_pretrained(self, directory: Path) -> None:
            raise NotImplementedError

    result = small(steps=60).align(plane(2), Steps(), Strength(64), Rng(0))
    assert result.kl_nats < 0.5 * Strength(64).target_kl
    assert "of 3.17 nats were spent" in result.note
    assert torch.isfinite(result.generator.sample(20, Rng(1))).all()


def test_tilt_refuses_when_the_generator_has_no_gradients(plane: MakeGenerator, slope: MakeReward) -> None:
    stiff = plane(2)
    stiff.capabilities = Capabilities(differentiable=False)
    with pytest.raises(NotCapable, match="best_of_n"):
        small().align(stiff, slope(1.0, 0.0), Strength(4), Rng(0))


def test_tilt_refuses_when_the_reward_has_no_gradients(plane: MakeGenerator) -> None:
    class Counted(Reward):
        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            return images.detach().flatten(1).sum(dim=1)

        def save_pretrained(self, directory: Path) -> None:
            raise NotImplementedError

    with pytest.raises(NotCapable, match=r"Counted has no gradients .* best_of_n"):
        small().align(plane(2), Counted(), Strength(4), Rng(0))


def test_tilt_refuses_when_the_reward_is_not_finite(plane: MakeGenerator, slope: MakeReward) -> None:
    with pytest.raises(TrainingDiverged, match="not finite on 256 of 256"):
        small().align(plane(2), slope(float("nan"), 0.0), Strength(4), Rng(0))


def test_tilt_lets_ctrl_c_through(plane: MakeGenerator, slope: MakeReward) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(steps=30).align(plane(2), slope(1.0, 0.0), Strength(4), Rng(0), interrupt)


def test_tilt_reports_how_far_it_is(plane: MakeGenerator, slope: MakeReward) -> None:
    heard: list[Progress] = []
    small(steps=30).align(plane(2), slope(1.0, 0.0), Strength(4), Rng(0), heard.append)
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert all({"kl_nats", "reward"} <= set(progress.figures) for progress in heard)
    assert all(progress.seconds_left is not None for progress in heard)


def test_tilt_settings_are_refused_when_impossible() -> None:
    with pytest.raises(BadConfiguration, match="batch must be even"):
        ALIGNMENT.make("latent_tilt(batch=3)")
    with pytest.raises(BadConfiguration, match="must be positive"):
        ALIGNMENT.make("latent_tilt(steps=0)")
    with pytest.raises(BadConfiguration, match="beta must be positive"):
        ALIGNMENT.make("latent_tilt(beta=-1.0)")


@pytest.mark.usefixtures("readable")
def test_tilted_generator_is_the_same_after_saving(tmp_path: Path, plane: MakeGenerator, slope: MakeReward) -> None:
    tilted = small(steps=30).align(plane(3), slope(1.0, 0.0, 0.0), Strength(16), Rng(0)).generator
    tilted.save_pretrained(tmp_path)
    loaded = LatentTilt.load(tmp_path)
    assert torch.equal(loaded.sample(9, Rng(1)), tilted.sample(9, Rng(1)))
    assert (loaded.dial, loaded.capabilities, loaded.image) == (
        vars(tilted)["dial"],
        tilted.capabilities,
        tilted.image,
    )


@pytest.mark.usefixtures("readable")
def test_tilted_generator_is_damaged_when_its_map_is_cut(
    tmp_path: Path, plane: MakeGenerator, slope: MakeReward
) -> None:
    small(steps=5).align(plane(3), slope(1.0, 0.0, 0.0), Strength(16), Rng(0)).generator.save_pretrained(tmp_path)
    path = tmp_path / "transport.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StudyDamaged, match=r"transport\.safetensors"):
        LatentTilt.load(tmp_path)
    path.unlink()
    with pytest.raises(StudyDamaged, match=r"transport\.safetensors"):
        LatentTilt.load(tmp_path)


def test_tilted_generator_shows_the_original_when_dialled_down(plane: MakeGenerator, slope: MakeReward) -> None:
    generator = plane(3)
    tilted = LatentTilt(steps=30, couplings=2).align(generator, slope(1.0, 0.0, 0.0), Strength(16), Rng(0)).generator
    latents = generator.latents(5, Rng(1))
    assert isinstance(tilted, TiltedGenerator)
    dialled = tilted.dialled
    assert torch.equal(dialled(0.0).decode(latents), generator.decode(latents))
    assert torch.equal(dialled(1.0).decode(latents), tilted.decode(latents))
    images = generator.decode(latents)
    assert torch.equal(tilted.encode(images), generator.encode(images))
    assert torch.equal(dialled(0.0).decode(latents, 2.0), generator.decode(latents, 2.0))
