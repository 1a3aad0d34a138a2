from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from penchant.alignment._searched import SearchedGenerator
from penchant.alignment.noise_search import NoiseSearch
from penchant.core.contracts import ALIGNMENT, Capabilities, Generator, Reward, Strength
from penchant.core.errors import BadConfiguration, StudyDamaged, TrainingDiverged
from penchant.core.rng import Rng

MakeGenerator = Callable[[int], Generator]
MakeReward = Callable[..., Reward]


@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_search_is_the_closed_form_shift_when_the_reward_is_linear(
    beta: float, plane: MakeGenerator, slope: MakeReward
) -> None:
    generator = plane(1)
    result = NoiseSearch(steps=40, norm_weight=0, beta=beta).align(generator, slope(1.5), Strength(16), Rng(0))
    moved = result.generator.sample(100, Rng(1)) - generator.sample(100, Rng(1))
    torch.testing.assert_close(moved, torch.full_like(moved, 1.5 / beta), rtol=0.02, atol=0)
    assert result.kl_nats == pytest.approx(1.5**2 / (2 * beta**2), rel=0.02)
    assert "stand-in" in result.kl_estimator


@pytest.mark.parametrize("best_of", [4, 64])
def test_search_goes_as_far_as_the_budget_and_the_best_way(
    best_of: int, plane: MakeGenerator, slope: MakeReward
) -> None:
    strength, generator = Strength(best_of), plane(3)
    result = NoiseSearch(norm_weight=0).align(generator, slope(1.0, -1.0, 0.5), strength, Rng(0))
    assert result.kl_nats == pytest.approx(strength.target_kl, rel=0.02)
    moved = (result.generator.sample(50, Rng(1)) - generator.sample(50, Rng(1))).flatten(1).mean(dim=0)
    best = (2 * strength.target_kl) ** 0.5 * torch.tensor([1.0, -1.0, 0.5]) / 1.5
    torch.testing.assert_close(moved, best, rtol=0.02, atol=0.02)


def test_search_finds_the_top_of_a_bowl_and_stays_there(plane: MakeGenerator, slope: MakeReward) -> None:
    search = NoiseSearch(steps=60, norm_weight=0, beta=1e-4)
    found = search.align(plane(2), slope(1.0, 0.0, curvature=1.0), Strength(16), Rng(0)).generator.sample(30, Rng(1))
    torch.testing.assert_close(found.flatten(1), torch.tensor([1.0, 0.0]).expand(30, 2), rtol=0, atol=0.1)


def test_search_keeps_the_length_of_the_noise_when_asked(plane: MakeGenerator, slope: MakeReward) -> None:
    longest = []
    for weight in (0.0, 1.0):
        search = NoiseSearch(norm_weight=weight)
        found = search.align(plane(16), slope(*[1.0] * 16), Strength(1e4), Rng(0)).generator.sample(50, Rng(1))
        longest.append(float(found.flatten(1).norm(dim=1).mean()))
    assert longest[1] < 0.95 * longest[0]


@pytest.mark.parametrize("side", ["generator", "reward"])
def test_search_tries_random_steps_when_there_are_no_gradients(
    side: str, plane: MakeGenerator, slope: MakeReward
) -> None:
    class Counted(Reward):
        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            return images.detach().flatten(1)[:, 0]

        def save_pretrained(self, directory: Path) -> None:
            raise NotImplementedError

    generator, strength = plane(3), Strength(16)
    if side == "generator":
        generator.capabilities = Capabilities(differentiable=False)
    reward = slope(1.0, 0.0, 0.0) if side == "generator" else Counted()
    result = NoiseSearch(norm_weight=0).align(generator, reward, strength, Rng(0))
    assert "random steps" in result.note
    gained = (result.generator.sample(30, Rng(1)) - generator.sample(30, Rng(1))).flatten(1)[:, 0].mean()
    assert 0.9 * (2 * strength.target_kl) ** 0.5 < gained.item() <= 1.001 * (2 * strength.target_kl) ** 0.5


@pytest.mark.parametrize("gradients", [True, False])
def test_search_gives_the_same_image_whatever_else_is_in_the_batch(
    gradients: bool, plane: MakeGenerator, slope: MakeReward
) -> None:
    generator = plane(3)
    generator.capabilities = Capabilities(differentiable=gradients)
    searched = NoiseSearch(steps=5).align(generator, slope(1.0, 0.0, 0.0), Strength(16), Rng(0)).generator
    latents = generator.latents(9, Rng(2))
    torch.testing.assert_close(searched.decode(latents)[4:5], searched.decode(latents[4:5]))


def test_search_changes_nothing_when_like_best_of_one_or_flat_or_dear(plane: MakeGenerator, slope: MakeReward) -> None:
    generator = plane(3)
    before = generator.sample(20, Rng(1))
    one = NoiseSearch().align(generator, slope(1.0, 0.0, 0.0), Strength(1), Rng(0))
    flat = NoiseSearch().align(generator, slope(0.0, 0.0, 0.0), Strength(16), Rng(0))
    dear = NoiseSearch(beta=1e6).align(generator, slope(1.0, 0.0, 0.0), Strength(16), Rng(0))
    assert torch.equal(one.generator.sample(20, Rng(1)), before)
    assert torch.equal(flat.generator.sample(20, Rng(1)), before)
    torch.testing.assert_close(dear.generator.sample(20, Rng(1)), before, rtol=0, atol=1e-5)
    assert "nothing to find" in flat.note
    assert torch.equal(vars(generator)["weight"], torch.ones(3))
    assert vars(generator)["weight"].grad is None


def test_search_of_an_aligned_generator_starts_from_the_original(plane: MakeGenerator, slope: MakeReward) -> None:
    generator, reward = plane(2), slope(1.0, 0.0)
    once = NoiseSearch(steps=3).align(generator, reward, Strength(4), Rng(0)).generator
    best = ALIGNMENT.make("best_of_n").align(once, reward, Strength(4), Rng(0)).generator
    again = NoiseSearch(steps=3).align(best, reward, Strength(4), Rng(0)).generator
    assert isinstance(again, SearchedGenerator)
    assert again.base is generator


@pytest.mark.usefixtures("readable")
def test_searched_generator_is_the_same_after_saving(tmp_path: Path, plane: MakeGenerator, slope: MakeReward) -> None:
    searched = NoiseSearch(steps=4).align(plane(2), slope(1.0, 0.0), Strength(16), Rng(0)).generator
    searched.save_pretrained(tmp_path)
    assert torch.equal(NoiseSearch.load(tmp_path).sample(9, Rng(1)), searched.sample(9, Rng(1)))
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    (tmp_path / "config.json").write_text(text.replace('"search"', '"sought"'), encoding="utf-8")
    with pytest.raises(StudyDamaged, match="how to search"):
        NoiseSearch.load(tmp_path)


def test_search_refuses_what_is_impossible(plane: MakeGenerator, slope: MakeReward) -> None:
    with pytest.raises(TrainingDiverged, match="not finite on 256 of 256"):
        NoiseSearch().align(plane(2), slope(float("nan"), 0.0), Strength(4), Rng(0))
    with pytest.raises(BadConfiguration, match="at least 1"):
        ALIGNMENT.make("noise_search(steps=0)")
    with pytest.raises(BadConfiguration, match="beta must be positive"):
        ALIGNMENT.make("noise_search(beta=-1.0)")
