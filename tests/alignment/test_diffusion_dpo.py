"""Diffusion-DPO on a tiny pipeline whose denoiser is trained here; the taste is for high codes."""

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from penchant import Study, StudySettings
from penchant.alignment._davidson import davidson_loss, tie_of
from penchant.alignment._pair_codes import PairCodes, judged_pairs, pair_codes
from penchant.alignment._retrained import RetrainedGenerator
from penchant.alignment.diffusion_dpo import DiffusionDpo, path_kl
from penchant.cli.app import app
from penchant.core.contracts import (
    ALIGNMENT,
    GENERATORS,
    Adapted,
    Budget,
    Choice,
    PairAligner,
    Pairs,
    Reward,
    Strength,
    Workspace,
    silent,
)
from penchant.core.errors import NotCapable, NotReady, PenchantError, TrainingDiverged
from penchant.core.pretrained import load_generator, write_config
from penchant.core.rng import Rng
from penchant.data.settings import ImageSettings
from penchant.generators.diffusers_pipeline import PipelineImages

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'penchant[diffusers]'")
pytest.importorskip("peft", reason="peft is not installed: pip install 'penchant[diffusers]'")

from tests.generators.test_diffusers_pipeline import adopt, lora, tiny, tiny_xl  # noqa: E402

ALONG = torch.tensor([1.0, -0.5, 0.5, 1.0])
SMALL = DiffusionDpo(beta=500.0, steps=60, batch=8, learning_rate=1e-2)
PAIRS = 48


def level(codes: Tensor) -> Tensor:
    """The hidden taste: how far the channels' means lie along one direction."""
    return codes.unflatten(1, (4, 64)).mean(dim=2) @ ALONG


class Plain(Reward):
    """Brightness; it only tells how far a tuning came."""

    def __init__(self, value: float = 1.0):
        self.value = value

    def __call__(self, images: Tensor) -> Tensor:
        return self.value * images.flatten(1).mean(dim=1)

    def save_pretrained(self, directory: Path) -> None:
        write_config(directory, "preference/plain", {})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipeline, its denoiser trained for some seconds."""
    folder = tiny(tmp_path_factory.mktemp("dpo") / "sd")
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
    draws, kept = torch.Generator().manual_seed(0), pipe.scheduler.alphas_cumprod
    told = pipe.encode_prompt(["red apple"], "cpu", 1, False)[0].detach().expand(32, -1, -1)
    optimiser = torch.optim.Adam(pipe.unet.parameters(), lr=3e-3)
    for _ in range(200):
        levels = torch.randn(32, 1, 1, 1, generator=draws) * ALONG[:, None, None]
        codes = levels + 0.3 * torch.randn(32, 4, 8, 8, generator=draws)
        noise, times = torch.randn(codes.shape, generator=draws), torch.randint(1000, (32,), generator=draws)
        share = kept[times][:, None, None, None]
        said = pipe.unet(share.sqrt() * codes + (1 - share).sqrt() * noise, times, encoder_hidden_states=told).sample
        optimiser.zero_grad()
        (said - noise).square().mean().backward()
        optimiser.step()
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def generator(model: Path) -> PipelineImages:
    return adopt(model, prompts=("red apple",), steps=4, batch=64)


def voted(generator: PipelineImages, seed: int) -> Pairs:
    """Pairs of its images, the higher one chosen; ``left_images`` are not looked at."""
    latents = generator.latents(2 * PAIRS, Rng(seed))
    values = level(generator.pipeline.clean(latents, generator.conditions(latents)).flatten(1))
    choices = [Choice.LEFT if a > b else Choice.RIGHT for a, b in values.unflatten(0, (2, PAIRS)).T.tolist()]
    left, right = latents.numpy()[:PAIRS], latents.numpy()[PAIRS:]
    nothing = np.zeros((PAIRS, 3, 32, 32), np.uint8)
    return Pairs(left, right, nothing, nothing, choices)


def margins(adapted: Adapted, codes: PairCodes) -> Tensor:
    """d of every pair, a mean of eight draws."""
    rows = torch.arange(len(codes.tied))
    with torch.no_grad():
        return torch.stack([SMALL.margins(adapted, codes, rows, Rng(5).child(k).torch()) for k in range(8)]).mean(0)


def state(generator: PipelineImages) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in generator.pipeline.pipe.unet.state_dict().items()}


@pytest.fixture(scope="module")
def trained(generator: PipelineImages) -> tuple[Adapted, Tensor]:
    """After training on pairs; and the parameters before."""
    adapted = generator.adapted(SMALL.rank, Rng(0))
    before = torch.cat([part.detach().flatten().clone() for part in adapted.parameters])
    SMALL.train(adapted, pair_codes(adapted, voted(generator, 1)), Rng(3), silent)
    return adapted, before


def test_margin_and_win_rate_rise_on_pairs_that_were_not_trained_on(
    generator: PipelineImages, trained: tuple[Adapted, Tensor]
) -> None:
    fresh = generator.adapted(SMALL.rank, Rng(0))
    unseen = pair_codes(fresh, voted(generator, 2))
    assert torch.equal(margins(fresh, unseen), torch.zeros(PAIRS)), "an untrained adapter is the reference"
    after = margins(trained[0], unseen)
    assert after.mean() > 0.2
    assert (after > 0).double().mean() > 0.65


def test_reference_is_untouched_to_the_bit(generator: PipelineImages, trained: tuple[Adapted, Tensor]) -> None:
    adapted, before = trained
    assert not torch.equal(torch.cat([part.detach().flatten() for part in adapted.parameters]), before)
    latents = generator.latents(4, Rng(8))
    told = adapted.conditions(latents)
    given = generator.pipeline.clean(latents, told).flatten(1)
    assert torch.equal(adapted.clean(latents, told), given)
    assert not torch.equal(adapted.clean(latents, told, on=True), given)


def test_ties_are_answers_of_their_own() -> None:
    d = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    none, all_tied = torch.zeros(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)
    torch.testing.assert_close(davidson_loss(d, none, 0.0), -torch.nn.functional.logsigmoid(d))
    tie = tie_of(3, 9)
    first, second, tied = (
        (-davidson_loss(margin, answer, tie)).exp() for margin, answer in ((d, none), (-d, none), (d, all_tied))
    )
    torch.testing.assert_close(first + second + tied, torch.ones(3, dtype=torch.float64))
    (slope,) = torch.autograd.grad(davidson_loss(d, all_tied, tie).sum(), d)
    assert slope[0] == pytest.approx(-float(slope[2]))
    assert slope[1] == 0
    assert slope[2] > 0, "a tie pulls the margin to 0"


def test_ties_do_not_become_wins(generator: PipelineImages) -> None:
    pairs = voted(generator, 1)
    swapped = Pairs(pairs.right, pairs.left, pairs.right_images, pairs.left_images, [c.swapped for c in pairs.choices])
    adapted = generator.adapted(4, Rng(0))
    one, other = pair_codes(adapted, pairs), pair_codes(adapted, swapped)
    assert torch.allclose(one.first, other.first, atol=1e-5), "which side an image was shown on does not matter"
    tied = pair_codes(adapted, replace(pairs, choices=[Choice.TIE, Choice.SKIP, *pairs.choices[2:]]))
    assert tied.tied.tolist() == [True] + [False] * (PAIRS - 2)
    with pytest.raises(NotReady, match="one was chosen"):
        pair_codes(adapted, replace(pairs, choices=[Choice.TIE] * PAIRS))
    with pytest.raises(NotReady, match="none is left"):
        pair_codes(adapted, replace(pairs, choices=[Choice.BOTH_BAD] * PAIRS))


def test_both_images_of_a_pair_get_the_same_noise_time_and_dropout(generator: PipelineImages) -> None:
    adapted = generator.adapted(4, Rng(0))
    codes = pair_codes(adapted, voted(generator, 1))
    twins = replace(codes, second=codes.first)
    for part in adapted.parameters:
        part.data += 0.1
    how = replace(SMALL, caption_dropout=0.5)
    with torch.no_grad():
        found = how.margins(adapted, twins, torch.arange(16), Rng(1).torch())
    torch.testing.assert_close(found, torch.zeros(16), atol=1e-2, rtol=0)


@pytest.fixture(scope="module")
def tuned(generator: PipelineImages) -> tuple[Any, dict[str, Tensor], dict[str, Tensor]]:
    before = state(generator)
    how = replace(SMALL, beta=100.0)
    assert isinstance(how, PairAligner)
    result = how.align_on_pairs(generator, voted(generator, 1), Plain(), Strength(2), Rng(0))
    return result, before, state(generator)


def test_strength_is_the_nats_of_the_path(generator: PipelineImages, tuned: tuple[Any, Any, Any]) -> None:
    result, before, after = tuned
    assert result.kl_nats == pytest.approx(Strength(2).target_kl, rel=0.06)
    assert "path KL" in result.kl_estimator
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before), "the given generator is not touched"
    none = SMALL.align_on_pairs(generator, voted(generator, 1), Plain(), Strength(1), Rng(0))
    assert none.kl_nats == 0
    latents = generator.latents(2, Rng(1))
    with torch.no_grad():
        assert torch.equal(none.generator.decode(latents), generator.decode(latents))


def test_lora_loads_in_diffusers_and_the_result_is_read_back(
    model: Path, generator: PipelineImages, tuned: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    aligned = tuned[0].generator
    aligned.save_pretrained(tmp_path)
    latents = generator.latents(2, Rng(1))
    with torch.no_grad():
        made, base = aligned.decode(latents), generator.decode(latents)
        assert torch.equal(load_generator(tmp_path).decode(latents), made)
    assert not torch.equal(made, base)
    pipe = diffusers.DiffusionPipeline.from_pretrained(model)
    pipe.set_progress_bar_config(disable=True)
    pipe.load_lora_weights(tmp_path / "learned", weight_name="lora0.safetensors")
    shown = pipe(
        ["red apple"] * 2, latents=latents.unflatten(1, (4, 8, 8)), num_inference_steps=4, guidance_scale=0.0,
        output_type="pt",
    ).images  # fmt: skip
    torch.testing.assert_close(shown, made, atol=1e-5, rtol=1e-4)


def test_original_of_a_second_round_is_the_first_one(generator: PipelineImages, tuned: tuple[Any, Any, Any]) -> None:
    quick = replace(SMALL, steps=2, judged=8)
    pairs = voted(generator, 1)
    unknown = replace(pairs, left=np.full_like(pairs.left, np.nan))  # made by a version: encoded from its image
    again = quick.align_on_pairs(tuned[0].generator, unknown, Plain(), Strength(4), Rng(0)).generator
    assert isinstance(again, RetrainedGenerator)
    assert again.base is generator


def test_loras_that_were_worn_are_part_of_the_reference(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "own")
    worn = adopt(tmp_path / "own", prompts=("red apple",), steps=2, loras=(str(lora(tmp_path / "own")),))
    adapted = worn.adapted(4, Rng(0))
    latents = worn.latents(2, Rng(1))
    told = adapted.conditions(latents)
    expected = worn.pipeline.clean(latents, told).flatten(1)
    torch.testing.assert_close(adapted.clean(latents, told), expected, atol=1e-4, rtol=1e-4)
    result = replace(SMALL, steps=3, judged=4).align(worn, Plain(), Strength(4), Rng(0))
    result.generator.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "learned" / "lora1.safetensors").is_file()


def test_stable_diffusion_xl_is_tuned_by_the_reward_where_there_are_no_votes(tmp_path: Path) -> None:
    xl = adopt(tiny_xl(tmp_path / "xl"), prompts=("red apple", "blue sky"), steps=2, batch=64)
    result = replace(SMALL, steps=3, judged=8, caption_dropout=0.5).align(xl, Plain(), Strength(4), Rng(0))
    assert math.isfinite(result.kl_nats)
    assert "between images of different prompts" in result.note
    with pytest.raises(TrainingDiverged, match="not finite"):
        judged_pairs(xl, Plain(float("nan")), 2, Rng(0))


def test_path_kl_is_zero_without_a_change(generator: PipelineImages) -> None:
    assert path_kl(generator.adapted(4, Rng(0)), generator, Rng(0)) == 0


def test_other_families_are_refused(tmp_path: Path) -> None:
    images = Rng(0).numpy().integers(0, 256, (16, 1, 28, 28), dtype=np.uint8)
    gan = GENERATORS.make("dcgan(batch=8)").fit(images, Budget(images=8), Rng(0), Workspace(tmp_path))
    with pytest.raises(NotCapable, match="latent_tilt and best_of_n work with any"):
        ALIGNMENT.make("diffusion_dpo").align(gan, Plain(), Strength(4), Rng(0))


@pytest.mark.parametrize("wrong", ["beta=0.0", "rank=0", "caption_dropout=1.0", "learning_rate=-1.0"])
def test_settings_that_cannot_work_are_refused(wrong: str) -> None:
    with pytest.raises(PenchantError, match="must be"):
        ALIGNMENT.make(f"diffusion_dpo({wrong})")


def test_command_aligns_a_study_on_its_votes(model: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for number, image in enumerate(Rng(3).numpy().integers(0, 256, (72, 32, 32, 3), dtype=np.uint8)):
        Image.fromarray(image).save(tmp_path / "own" / f"{number}.png")
    settings = StudySettings(
        source=str(tmp_path / "own"),
        generator=f"diffusers_pipeline(model='{model}', prompts=('red apple',), steps=1, batch=128)",
        pool=24,
        aligner="diffusion_dpo(steps=4, batch=2)",
        images=ImageSettings(size=32),
    )
    with Study.create(tmp_path / "study", settings) as study:
        study.train()
        for choice in ("left", "right", "tie", "skip"):
            study.tell(study.ask().number, choice)
        pairs = study.pairs()
        assert [str(choice) for choice in pairs.choices][:3] == ["left", "right", "tie"]
        with torch.no_grad():
            remade = study.generator("base").decode(torch.from_numpy(pairs.left))
        assert np.abs(remade.numpy() * 255 - pairs.left_images).max() <= 1
    result = CliRunner().invoke(app, ["align", str(tmp_path / "study"), "--like-best-of", "2"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "study" / "versions" / "2" / "learned" / "lora0.safetensors").is_file()
