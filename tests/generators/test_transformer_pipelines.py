"""Pipelines with a transformer that follows a flow (SD 3, Flux), tiny ones made here, behind ``diffusers_pipeline``."""

from pathlib import Path
from typing import Any

import pytest
import torch

from penchant.alignment.best_of_n import BestOfN
from penchant.core.contracts import Strength
from penchant.core.errors import BadConfiguration, NotCapable
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.generators.diffusers_pipeline import PipelineImages

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'penchant[diffusers]'")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
peft = pytest.importorskip("peft", reason="peft is not installed: pip install 'penchant[diffusers]'")

from tests.generators.test_diffusers_pipeline import Red, adopt, text_encoder, tokenizer  # noqa: E402


def decoder() -> Any:
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3}
    return diffusers.AutoencoderKL(
        block_out_channels=[8, 8, 8], norm_num_groups=4, latent_channels=4, sample_size=32, use_quant_conv=False,
        use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5, **blocks,
    )  # fmt: skip


def t5(words: Any, width: int) -> Any:
    config = transformers.T5Config(
        vocab_size=len(words), d_model=width, d_kv=4, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0,
        eos_token_id=1,
    )  # fmt: skip
    return transformers.T5EncoderModel(config)


def stable_diffusion_3() -> Any:
    words = tokenizer()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=32, caption_projection_dim=16, pooled_projection_dim=32,
        pos_embed_max_size=16,
    )  # fmt: skip
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer, scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), vae=decoder(),
        text_encoder=text_encoder(words, projected=True), text_encoder_2=text_encoder(words, projected=True),
        text_encoder_3=t5(words, 32), tokenizer=words, tokenizer_2=words, tokenizer_3=words,
    )  # fmt: skip


def flux() -> Any:
    words = tokenizer()
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    return diffusers.FluxPipeline(
        transformer=transformer, scheduler=diffusers.FlowMatchEulerDiscreteScheduler(), vae=decoder(),
        text_encoder=text_encoder(words), tokenizer=words, text_encoder_2=t5(words, 16), tokenizer_2=words,
    )  # fmt: skip


MAKERS = {"sd3": stable_diffusion_3, "flux": flux}
GUIDANCE = {"sd3": 4.0, "flux": 3.5}
SHAPES = {"sd3": (4, 8, 8), "flux": (16, 16)}
"""Of one image's noise; Flux takes it packed, a row a patch."""
WIDTHS = {"sd3": (256 + 8) * 32 + 32, "flux": 512 * 16 + 16}
"""Of a condition: what T5 (and for SD 3, CLIP before it) says of each token, and the pooled words."""


@pytest.fixture(scope="module", params=sorted(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transformers") / kind
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        MAKERS[kind]().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def generator(kind: str, model: Path) -> PipelineImages:
    return adopt(model, prompts=("red apple",), guidance=GUIDANCE[kind], pixels=32)


def test_pipeline_gives_what_diffusers_gives(kind: str, model: Path, generator: PipelineImages) -> None:
    latents = generator.latents(2, Rng(1))
    pipe = diffusers.DiffusionPipeline.from_pretrained(model)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(
        ["red apple"] * 2, latents=latents.unflatten(1, SHAPES[kind]), num_inference_steps=2, height=32, width=32,
        guidance_scale=GUIDANCE[kind], output_type="pt",
    ).images  # fmt: skip
    assert expected.std() > 0.05
    torch.testing.assert_close(generator.decode(latents), expected, rtol=1e-4, atol=1e-5)
    assert generator.condition_dim == WIDTHS[kind]


def test_pipeline_follows_noise_prompt_and_gradients(generator: PipelineImages) -> None:
    assert generator.capabilities.differentiable
    latents = generator.latents(2, Rng(1))
    made = generator.decode(latents)
    assert not torch.allclose(made[0], made[1], atol=1e-2)
    told = generator.prompted("blue sky").expand(2, -1)
    assert not torch.allclose(generator.decode(latents, told), made, atol=1e-3)
    given = latents[:1].clone().requires_grad_()
    (slope,) = torch.autograd.grad(generator.decode(given).square().sum(), given)
    assert slope.isfinite().all()
    assert slope.norm() > 0


def test_pipeline_is_saved_and_read_back(generator: PipelineImages, tmp_path: Path) -> None:
    generator.save_pretrained(tmp_path)
    found = load_generator(tmp_path)
    assert torch.equal(found.sample(2, Rng(3)), generator.sample(2, Rng(3)))


def test_pipeline_is_aligned(generator: PipelineImages) -> None:
    latents = generator.latents(4, Rng(3))
    before = generator.decode(latents)
    aligned = BestOfN(reference=16).align(generator, Red(), Strength(4), Rng(2)).generator
    assert Red()(aligned.decode(latents)).mean() > Red()(before).mean()


def test_lora_training_by_votes_is_refused_for_what_follows_a_flow(generator: PipelineImages) -> None:
    with pytest.raises(NotCapable, match="UNet of Stable Diffusion or SDXL"):
        generator.adapted(2, Rng(0))


def test_pipeline_refuses_a_scheduler_of_another_kind(model: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"no scheduler 'DDIMScheduler'.*FlowMatchEulerDiscreteScheduler"):
        adopt(model, prompts=("red apple",), pixels=32, scheduler="DDIMScheduler")
