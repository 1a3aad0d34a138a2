"""A pretrained pipeline as a generator, on a tiny one whose configuration, weights and vocabulary are made here."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from penchant import Study, StudySettings
from penchant.alignment.best_of_n import BestOfN
from penchant.alignment.latent_tilt import LatentTilt
from penchant.alignment.noise_search import NoiseSearch
from penchant.cli.app import app
from penchant.core.contracts import GENERATORS, Budget, Generator, Reward, Strength, Workspace
from penchant.core.errors import BadConfiguration, PenchantError, StudyDamaged
from penchant.core.pretrained import load_generator, write_config
from penchant.core.rng import Rng
from penchant.data.settings import ImageSettings
from penchant.generators.diffusers_pipeline import DiffusersPipeline, PipelineImages

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'penchant[diffusers]'")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
peft = pytest.importorskip("peft", reason="peft is not installed: pip install 'penchant[diffusers]'")

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 3, 32, 32), dtype=np.uint8)
WORDS = ("red", "blue", "apple", "sky")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


def tokenizer() -> Any:
    """CLIP's tokenizer with letters and four words."""
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts = [parts[0] + parts[1], *parts[2:]]
    tokens = [*LETTERS, *(letter + "</w>" for letter in LETTERS), *dict.fromkeys(a + b for a, b in merges)]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)), model_max_length=8)


def text_encoder(words: Any, projected: bool = False) -> Any:
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, projection_dim=16, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=8, bos_token_id=len(words) - 2, eos_token_id=len(words) - 1,
        pad_token_id=len(words) - 1,
    )  # fmt: skip
    return kind(config)


def decoder() -> Any:
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3}
    return diffusers.AutoencoderKL(
        block_out_channels=[8, 8, 8], norm_num_groups=4, latent_channels=4, sample_size=32, **blocks
    )


def network(**more: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4, **more,
    )  # fmt: skip


def tiny(folder: Path) -> Path:
    """Stable Diffusion's architecture with some ten thousand weights."""
    words = tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = {"unet": network(cross_attention_dim=16), "vae": decoder(), "text_encoder": text_encoder(words)}
    steps = diffusers.DDIMScheduler(steps_offset=1, clip_sample=False)
    checker = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = diffusers.StableDiffusionPipeline(tokenizer=words, scheduler=steps, **checker, **parts)
    pipe.save_pretrained(folder)
    return folder


def tiny_xl(folder: Path) -> Path:
    words = tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        pipe = diffusers.StableDiffusionXLPipeline(
            unet=network(
                cross_attention_dim=32, addition_embed_type="text_time", addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=64, transformer_layers_per_block=(1, 1),
            ),
            vae=decoder(), text_encoder=text_encoder(words), text_encoder_2=text_encoder(words, projected=True),
            tokenizer=words, tokenizer_2=words, scheduler=diffusers.EulerDiscreteScheduler(),
        )  # fmt: skip
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("pipelines") / "sd")


def adopt(model: Path, images: np.ndarray = IMAGES, **settings: Any) -> PipelineImages:
    component: DiffusersPipeline = GENERATORS.make(
        {"name": "diffusers_pipeline", "model": str(model), "steps": 2, **settings}
    )
    return component.fit(images, Budget(images=1), Rng(0), Workspace(Path("work")))


@pytest.fixture(scope="module")
def generator(model: Path) -> PipelineImages:
    return adopt(model, prompts=("red apple", "blue sky"))


def lora(folder: Path, name: str = "mine.safetensors") -> Path:
    """A LoRA as diffusers writes it, with weights that matter."""
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipe.unet.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights="gaussian"))
    draws = torch.Generator().manual_seed(5)
    for key, value in pipe.unet.named_parameters():
        if "lora" in key:
            value.data.copy_(3 * torch.randn(value.shape, generator=draws))
    state = peft.get_peft_model_state_dict(pipe.unet)
    pipe.save_lora_weights(folder, unet_lora_layers=state, weight_name=name)
    return folder / name


def test_pipeline_gives_what_diffusers_gives(model: Path) -> None:
    generator = adopt(model, prompts=("red apple",), guidance=3.0, negative_prompt="blue")
    latents = generator.latents(2, Rng(1))
    pipe = diffusers.DiffusionPipeline.from_pretrained(model)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(
        ["red apple"] * 2, latents=latents.unflatten(1, (4, 8, 8)), num_inference_steps=2, guidance_scale=3.0,
        negative_prompt=["blue"] * 2, output_type="pt",
    ).images  # fmt: skip
    assert generator.latent_dim == 4 * 8 * 8
    torch.testing.assert_close(generator.decode(latents), expected)


def test_pipeline_keeps_gradients_to_the_noise(generator: PipelineImages) -> None:
    assert generator.capabilities.differentiable
    latents = generator.latents(1, Rng(1)).requires_grad_()
    weights = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))
    value = (generator.decode(latents) * weights).sum()
    (slope,) = torch.autograd.grad(value, latents)
    along = slope / slope.norm()
    with torch.no_grad():
        ends = [(generator.decode(latents + step * along).double() * weights).sum() for step in (-0.01, 0.01)]
    assert float(ends[1] - ends[0]) / 0.02 == pytest.approx(float(slope.norm()), rel=0.05)
    assert slope[0, -1] == 0, "the number that picks the prompt jumps"


def test_pipeline_image_depends_on_its_own_noise_alone(model: Path) -> None:
    generator = adopt(model, scheduler="EulerAncestralDiscreteScheduler", batch=3)  # draws noise on the way
    latents = generator.latents(4, Rng(1))
    together = generator.decode(latents)
    torch.testing.assert_close(generator.decode(latents[1:3]), together[1:3], rtol=1e-4, atol=1e-5)
    assert torch.equal(generator.decode(latents), together)


def test_pipeline_draws_its_prompts_evenly_and_takes_others(generator: PipelineImages) -> None:
    latents = generator.latents(400, Rng(1))
    assert 0.4 < generator.chosen_prompts(latents).double().mean() < 0.6
    few = latents[:6]
    chosen = generator.chosen_prompts(few)
    assert 0 < chosen.sum() < 6
    told = torch.cat([generator.prompted(generator.settings.prompts[row]) for row in chosen])
    assert torch.equal(generator.decode(few, told), generator.decode(few))
    assert not torch.allclose(generator.decode(few, generator.prompted("red")), generator.decode(few))
    with pytest.raises(BadConfiguration, match="condition"):
        generator.decode(few, torch.zeros(6, 3))


def test_pipeline_brings_images_to_the_studys_size_and_grey(model: Path) -> None:
    grey = adopt(model, IMAGES[:, :1, :28, :28])
    made = grey.sample(2, Rng(0))
    assert made.shape == (2, 1, 28, 28)
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1


def test_pipeline_is_read_back_and_notices_other_weights(model: Path, tmp_path: Path) -> None:
    own = tmp_path / "pipeline"
    shutil.copytree(model, own)
    worn = lora(own)
    generator = adopt(own, loras=(str(worn),), lora_scales=(0.5,))
    assert not torch.allclose(generator.sample(2, Rng(0)), adopt(own).sample(2, Rng(0)), atol=1e-3), "no effect"
    generator.save_pretrained(tmp_path / "saved")
    worn.unlink()  # the study keeps its own copy
    found = load_generator(tmp_path / "saved")
    assert isinstance(found, PipelineImages)
    assert torch.equal(found.sample(2, Rng(0)), generator.sample(2, Rng(0)))
    assert found.hash == generator.hash
    assert found.capabilities == generator.capabilities
    found.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "lora0.safetensors").is_file()
    kept = tmp_path / "saved" / "lora0.safetensors"
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(StudyDamaged, match="not the LoRA"):
        load_generator(tmp_path / "saved")
    pipe = diffusers.DiffusionPipeline.from_pretrained(own)
    pipe.unet.conv_in.bias.data += 1
    pipe.save_pretrained(own)
    with pytest.raises(StudyDamaged, match="bring those back"):
        load_generator(tmp_path / "again")


def test_pipeline_of_stable_diffusion_xl(tmp_path: Path) -> None:
    generator = adopt(tiny_xl(tmp_path / "xl"), prompts=("red apple",), guidance=2.0)
    assert generator.condition_dim == 8 * 32 + 16
    latents = generator.latents(2, Rng(1))
    pipe = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "xl")
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(
        ["red apple"] * 2, latents=latents.unflatten(1, (4, 8, 8)), num_inference_steps=2, guidance_scale=2.0,
        negative_prompt=[""] * 2, output_type="pt",
    ).images  # fmt: skip
    torch.testing.assert_close(generator.decode(latents), expected)


class Red(Reward):
    """How red an image is, about standardised."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return 30 * (images[:, 0] - images[:, 1:].mean(dim=1)).flatten(1).mean(dim=1)

    def save_pretrained(self, directory: Path) -> None:
        write_config(directory, "preference/red", {})


@pytest.mark.parametrize(
    "aligner",
    [BestOfN(reference=16), LatentTilt(steps=4, batch=4, couplings=0, hidden=8), NoiseSearch(steps=2)],
    ids=lambda aligner: type(aligner).__name__,
)
def test_pipeline_is_aligned(aligner: Any, model: Path, tmp_path: Path) -> None:
    generator = adopt(model, prompts=("red apple", "blue sky"), steps=1, batch=64)
    latents = generator.latents(4, Rng(3))
    before = generator.decode(latents)
    aligned: Generator = aligner.align(generator, Red(), Strength(4), Rng(2)).generator
    made = aligned.decode(latents)
    assert Red()(made).mean() > Red()(before).mean()
    assert torch.equal(generator.decode(latents), before)
    assert torch.equal(aligned.prompted("red"), generator.prompted("red"))
    if isinstance(aligner, LatentTilt):
        aligned.save_pretrained(tmp_path)
        torch.testing.assert_close(load_generator(tmp_path).decode(latents), made)


def test_study_of_a_pipeline_from_votes_to_a_prompt(model: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for number, image in enumerate(Rng(3).numpy().integers(0, 256, (72, 32, 32, 3), dtype=np.uint8)):
        Image.fromarray(image).save(tmp_path / "own" / f"{number}.png")
    spec = f"diffusers_pipeline(model='{model}', prompts=('red apple', 'blue sky'), steps=1, batch=128)"
    settings = StudySettings(
        source=str(tmp_path / "own"),
        generator=spec,
        pool=24,
        aligner="best_of_n(reference=16)",
        images=ImageSettings(size=32),
    )
    with Study.create(tmp_path / "study", settings) as study:
        study.train()
        for _ in range(3):
            question = study.ask()
            red = [float(Red()(image[None])) for image in (question.left, question.right)]
            study.tell(question.number, "left" if red[0] > red[1] else "right")
        version = study.align(2)
        assert version.number == 2
        assert study.sample(2, seed=1, prompt="red apple").shape == (2, 3, 32, 32)
        assert not (tmp_path / "study" / "conditions").exists()
    out = tmp_path / "sheet"
    result = CliRunner().invoke(
        app, ["sample", str(tmp_path / "study"), "--count", "2", "--prompt", "red apple", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert len([*out.glob("*.png")]) >= 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scheduler": "DIMScheduler"}, "no scheduler 'DIMScheduler'.*DDIMScheduler"),
        ({"pixels": 33}, "divisible by 8"),
        ({"loras": ("absent.safetensors",)}, "there is none at"),
    ],
)
def test_pipeline_says_what_does_not_fit(model: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        adopt(model, **settings)


@pytest.mark.parametrize("wrong", ["steps=0", "guidance=-1.0", "prompts=()", "lora_scales=(1.0,)"])
def test_pipeline_refuses_settings_that_cannot_work(wrong: str) -> None:
    with pytest.raises(PenchantError, match=r"must be|need as many|hold one"):
        GENERATORS.make(f"diffusers_pipeline(model='a', {wrong})")


def test_pipeline_says_so_when_the_weights_cannot_be_had(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BadConfiguration, match="there is none"):
        adopt(tmp_path / "absent")
    own = tmp_path / "cut"
    shutil.copytree(model, own)
    weights = own / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(BadConfiguration, match="cannot be had"):
        adopt(own)
    (own / "model_index.json").write_text(json.dumps({"_class_name": "NoPipeline"}))
    with pytest.raises(BadConfiguration, match="cannot be had"):
        adopt(own)


def test_pipeline_refuses_a_lora_of_another_network(model: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"unet.nothing.lora_A.weight": torch.zeros(2, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(BadConfiguration, match="is no LoRA"):
        adopt(model, loras=(str(tmp_path / "other.safetensors"),))
