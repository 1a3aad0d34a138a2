"""A diffusers pipeline with a LoRA that is trained: its denoiser with the adapter on, and off."""

import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from penchant.core.contracts import Adapted, Generator
from penchant.core.errors import NotCapable
from penchant.core.rng import Rng
from penchant.generators._pipeline import EMBEDDINGS, POOLED, Pipeline, quiet

NAME = "taste"
LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
"""What the LoRA is on: every attention's projections, as diffusers' own training scripts have it."""


class Drawn(Protocol):
    """What is needed of a pipeline's images."""

    pipeline: Pipeline

    def conditions(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c"]: ...


class AdaptedPipeline(Adapted):
    """Stable Diffusion's and SDXL's UNet, told ε, v or the clean code; LoRAs worn before are part of the original.

    Args:
        copy: a pipeline of its own, which is changed.
        finish: makes a generator of a LoRA file's bytes.
        rank: of the LoRA.
        rng: for its first weights.

    Raises:
        NotCapable: the pipeline has no such UNet, or its scheduler no table of noise levels.
    """

    def __init__(self, copy: Drawn, finish: Callable[[bytes], Generator], rank: int, rng: Rng):
        self._copy, self._finish, self._share = copy, finish, 1.0
        pipe = self._pipe = copy.pipeline.pipe
        unet: Any = pipe.components.get("unet")
        levels = getattr(pipe.scheduler, "alphas_cumprod", None)
        self._predicts = pipe.scheduler.config.get("prediction_type", "epsilon")
        if unet is None or levels is None or self._predicts not in ("epsilon", "v_prediction", "sample"):
            raise NotCapable(
                f"diffusion_dpo tunes the UNet of Stable Diffusion or SDXL; {type(pipe).__name__} with "
                f"{type(pipe.scheduler).__name__} is another; latent_tilt and best_of_n work with any"
            )
        self._unet, self._levels = unet, levels.double().cpu()
        self.times = len(levels)
        self.unconditional = copy.pipeline.condition("")
        if pipe.get_active_adapters():
            pipe.fuse_lora()
            pipe.unload_lora_weights()
        from peft import LoraConfig  # an optional dependency, which a pipeline has

        with torch.random.fork_rng(devices=[]):  # peft draws first weights, which are drawn anew below
            unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(LAYERS)), adapter_name=NAME)
        weights = {name: value for name, value in unet.named_parameters() if "lora_" in name}
        for number, (name, value) in enumerate(weights.items()):
            value.data = value.data.float()
            if "lora_A" in name:
                draws = torch.randn(value.shape, generator=rng.child(number).torch())
                value.data.copy_(draws / value.shape[1] ** 0.5)
        self.parameters = list(weights.values())
        self._size = copy.pipeline.noise_shape

    def conditions(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c"]:
        """The prompt that each latent stands for."""
        return self._copy.conditions(latents)

    def clean(
        self, latents: Float[Tensor, "n z"], conditions: Float[Tensor, "n c"], on: bool = False
    ) -> Float[Tensor, "n k"]:
        """What the UNet makes of the noise, in the autoencoder's code."""
        self._switch(on)
        return self._copy.pipeline.clean(latents[:, : math.prod(self._size)], conditions).flatten(1)

    @torch.no_grad()
    def encoded(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The mode of the autoencoder's code."""
        vae = self._pipe.vae
        colour = images.expand(-1, 3, -1, -1).to(*self._copy.pipeline.place) / 255
        factor = 2 ** (len(vae.config.block_out_channels) - 1)
        size = [side * factor for side in self._size[-2:]]
        brought = F.interpolate(colour, size, mode="bilinear", antialias=True, align_corners=False)
        return (vae.encode(2 * brought - 1).latent_dist.mode() * vae.config.scaling_factor).float().flatten(1)

    def errors(
        self,
        clean: Float[Tensor, "n k"],
        noise: Float[Tensor, "n k"],
        times: Int[Tensor, " n"],
        conditions: Float[Tensor, "n c"],
        on: bool,
    ) -> Float[Tensor, " n"]:
        """The UNet's own training loss, a row."""
        kept, lost = self._shares(times, clean)
        target = {"epsilon": noise, "sample": clean}.get(self._predicts, kept * noise - lost * clean)
        with torch.set_grad_enabled(on):
            return (self._said(kept * clean + lost * noise, times, conditions, on) - target).square().mean(dim=1)

    @torch.no_grad()
    def path_nats(
        self,
        clean: Float[Tensor, "n k"],
        noise: Float[Tensor, "n k"],
        times: Int[Tensor, " n"],
        conditions: Float[Tensor, "n c"],
    ) -> Float[Tensor, " n"]:
        """Of the ancestral sampler (Ho et al. 2020, arXiv:2006.11239, eq. 8 and 11): with βₜ = 1 − ᾱₜ/ᾱₜ₋₁ the KL of a
        step is βₜ‖Δε‖² / 2(1−βₜ)(1−ᾱₜ₋₁), here times the number of steps from 1."""
        kept, lost = self._shares(times, clean)
        noised = kept * clean + lost * noise
        moved = self._said(noised, times, conditions, True) - self._said(noised, times, conditions, False)
        as_noise = {"epsilon": 1.0, "sample": kept / lost}.get(self._predicts, kept)
        level, before = self._levels[times], self._levels[times - 1]
        beta = 1 - level / before
        weight = beta / (2 * (1 - beta) * (1 - before)) * (self.times - 1)
        return weight.to(clean.device) * (as_noise * moved).double().square().sum(dim=1)

    def set_share(self, share: float) -> None:
        """By the adapter's own scale."""
        self._share = share
        self._unet.enable_adapters()
        self._unet.set_adapters([NAME], [share])

    def finished(self) -> Generator:
        """The share becomes part of the weights, so that the file works as it is, at scale 1, in any tool."""
        from peft import get_peft_model_state_dict

        state = {
            name: (value * self._share if "lora_B" in name else value).detach().cpu().contiguous()
            for name, value in get_peft_model_state_dict(self._unet, adapter_name=NAME).items()
        }
        with TemporaryDirectory() as folder, quiet():
            file = "taste.safetensors"
            type(self._pipe).save_lora_weights(folder, unet_lora_layers=state, weight_name=file)
            return self._finish(Path(folder, file).read_bytes())

    def _said(
        self, noised: Float[Tensor, "n k"], times: Int[Tensor, " n"], conditions: Float[Tensor, "n c"], on: bool
    ) -> Float[Tensor, "n k"]:
        device, dtype = self._copy.pipeline.place
        told = self._copy.pipeline.told(conditions)
        more: dict[str, Any] = {}
        if POOLED in told:  # SDXL is told the size of the image and where it was cut
            factor = 2 ** (len(self._pipe.vae.config.block_out_channels) - 1)
            sides = [side * factor for side in self._size[-2:]]
            ids = torch.tensor([[*sides, 0, 0, *sides]], device=device, dtype=dtype).expand(len(noised), -1)
            more["added_cond_kwargs"] = {"text_embeds": told[POOLED], "time_ids": ids}
        self._switch(on)
        given = noised.unflatten(1, self._size).to(device, dtype)
        said = self._unet(given, times.to(device), encoder_hidden_states=told[EMBEDDINGS], **more)
        return said.sample.float().flatten(1)

    def _shares(self, times: Int[Tensor, " n"], like: Tensor) -> tuple[Tensor, Tensor]:
        level = self._levels[times][:, None].to(like.device)
        return level.sqrt().float(), (1 - level).sqrt().float()

    def _switch(self, on: bool) -> None:
        if on:
            self._unet.enable_adapters()
        else:
            self._unet.disable_adapters()
