import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import torch

from penchant.alignment._best_of import BestOfGenerator
from penchant.alignment.best_of_n import BestOfN, expected_best
from penchant.core.contracts import Generator, Reward, Strength
from penchant.core.errors import BadConfiguration, StudyDamaged, TrainingDiverged
from penchant.core.rng import Rng

MakeGenerator = Callable[[int], Generator]
MakeReward = Callable[..., Reward]
BEST_OF_NORMAL = {1: 0.0, 4: 1.0294, 16: 1.7660, 64: 2.3437}
"""Expected largest of N standard normals (Harter, Biometrika 48, 1961)."""


@pytest.mark.parametrize("best_of", [1, 4, 16, 64])
def test_best_of_n_reaches_the_known_order_statistic(best_of: int, plane: MakeGenerator, slope: MakeReward) -> None:
    result = BestOfN(reference=4096).align(plane(3), slope(0.0, 1.0, 0.0), Strength(best_of), Rng(0))
    count = 1500
    z = result.generator.sample(count, Rng(1)).flatten(1)
    assert z[:, 1].mean().item() == pytest.approx(BEST_OF_NORMAL[best_of], abs=4 / math.sqrt(count))
    assert z[:, 0].mean().item() == pytest.approx(0, abs=4 / math.sqrt(count))
    assert result.kl_nats == Strength(best_of).target_kl
    assert result.frontier[-1]["reward"] == pytest.approx(BEST_OF_NORMAL[best_of], abs=0.08)
    assert [row["best_of"] for row in result.frontier] == [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= best_of]


def test_expected_best_is_the_mean_over_all_subsets() -> None:
    rewards = torch.randn(9, generator=torch.Generator().manual_seed(0)).double()
    for n in (1, 2, 5, 9):
        every = [max(subset) for subset in combinations(rewards.tolist(), n)]
        assert expected_best(rewards, n) == pytest.approx(sum(every) / len(every))


def test_best_of_generator_shows_the_same_image_for_a_latent_in_any_company(
    plane: MakeGenerator, slope: MakeReward
) -> None:
    generator = BestOfN(reference=16).align(plane(3), slope(1.0, 0.0, 0.0), Strength(8), Rng(0)).generator
    latents = generator.latents(300, Rng(1))
    together = generator.decode(latents)
    assert torch.equal(generator.decode(latents), together)
    assert torch.equal(generator.decode(latents[7:8]), together[7:8])
    assert torch.equal(generator.decode(latents.flip(0)), together.flip(0))
    assert not together.requires_grad
    assert generator.decode(latents[:0]).shape == (0, 1, 1, 3)


def test_a_larger_n_chooses_among_the_same_candidates_and_more(plane: MakeGenerator, slope: MakeReward) -> None:
    base, reward = plane(3), slope(1.0, 0.0, 0.0)
    latents = base.latents(20, Rng(1))
    few, more = (BestOfGenerator(base, reward, n, seed=3)._candidates(latents) for n in (3, 12))
    assert torch.equal(more[:, :3], few)


def test_best_of_generator_takes_the_best_of_its_candidates(plane: MakeGenerator, slope: MakeReward) -> None:
    base, reward = plane(3), slope(1.0, 0.0, 0.0)
    generator = BestOfGenerator(base, reward, candidates=8, seed=3)
    latents = base.latents(40, Rng(1))
    candidates = generator._candidates(latents)
    assert torch.equal(candidates[:, 0], latents)
    rewards = torch.stack([reward(base.decode(group)) for group in candidates])
    torch.testing.assert_close(reward(generator.decode(latents)), rewards.max(dim=1).values)
    other = BestOfGenerator(base, reward, candidates=8, seed=4)
    assert not torch.equal(generator.decode(latents), other.decode(latents))


def test_best_of_generator_keeps_the_given_latent_when_all_are_equal(plane: MakeGenerator, slope: MakeReward) -> None:
    base = plane(3)
    latents = base.latents(10, Rng(1))
    flat = BestOfGenerator(base, slope(0.0, 0.0, 0.0), candidates=5, seed=0)
    assert torch.equal(flat.choose(latents), latents)
    broken = BestOfGenerator(base, slope(float("nan"), 0.0, 0.0), candidates=5, seed=0)
    assert torch.equal(broken.choose(latents), latents)


def test_best_of_generator_passes_a_condition_on(plane: MakeGenerator, slope: MakeReward) -> None:
    base = plane(3)
    generator = BestOfGenerator(base, slope(1.0, 0.0, 0.0), candidates=5, seed=0)
    latents = base.latents(10, Rng(1))
    condition = torch.arange(10.0)[:, None]
    torch.testing.assert_close(generator.decode(latents, condition)[:, 0, 0], generator.choose(latents) + condition)


def test_best_of_generator_says_what_it_cannot_do(plane: MakeGenerator, slope: MakeReward) -> None:
    base = plane(3)
    able = BestOfGenerator(base, slope(1.0, 0.0, 0.0), candidates=5, seed=0).capabilities
    assert (able.differentiable, able.one_step, able.encodable, able.conditional) == (False, False, True, True)


@pytest.mark.parametrize("best_of", [2.5, 5000])
def test_best_of_n_refuses_when_n_cannot_be_drawn(best_of: float, plane: MakeGenerator, slope: MakeReward) -> None:
    with pytest.raises(BadConfiguration, match=r"whole number of images, at most 4,096; .* latent_tilt"):
        BestOfN().align(plane(1), slope(1.0), Strength(best_of), Rng(0))


def test_best_of_n_refuses_when_the_reward_is_not_finite(plane: MakeGenerator, slope: MakeReward) -> None:
    with pytest.raises(TrainingDiverged, match="not finite"):
        BestOfN().align(plane(1), slope(float("inf")), Strength(4), Rng(0))


@pytest.mark.usefixtures("readable")
def test_best_of_generator_is_the_same_after_saving(tmp_path: Path, plane: MakeGenerator, slope: MakeReward) -> None:
    generator = BestOfN(reference=16).align(plane(3), slope(1.0, 0.0, 0.0), Strength(8), Rng(0)).generator
    generator.save_pretrained(tmp_path)
    assert torch.equal(BestOfN.load(tmp_path).sample(9, Rng(1)), generator.sample(9, Rng(1)))


@pytest.mark.usefixtures("readable")
def test_best_of_generator_is_damaged_when_its_description_lacks_a_number(
    tmp_path: Path, plane: MakeGenerator, slope: MakeReward
) -> None:
    BestOfGenerator(plane(1), slope(1.0), candidates=2, seed=0).save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"candidates": 2,', ""), encoding="utf-8")
    with pytest.raises(StudyDamaged, match=r"config\.json does not describe a best of N"):
        BestOfN.load(tmp_path)


def test_a_flat_reward_changes_nothing_and_says_so(plane: MakeGenerator, slope: MakeReward) -> None:
    base = plane(2)
    result = BestOfN().align(base, slope(0.0, 0.0), Strength(4), Rng(0))
    assert result.kl_nats == 0
    assert "the same for every image" in result.note
    assert torch.equal(result.generator.sample(9, Rng(1)), base.sample(9, Rng(1)))
    assert BestOfN().align(base, slope(1.0, 0.0), Strength(4), Rng(0)).note == ""
