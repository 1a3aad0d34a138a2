"""Tune a diffusers pipeline straight on the votes: Diffusion-DPO by LoRA."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from penchant.alignment._davidson import davidson_loss, tie_of
from penchant.alignment._original import original_of
from penchant.alignment._pair_codes import PairCodes, judged_pairs, pair_codes
from penchant.alignment._reference import reference_rewards
from penchant.alignment._retrained import RetrainedGenerator
from penchant.alignment._transport import Transport
from penchant.core.contracts import Adapted, Alignment, Generator, Pairs, Progress, Report, Reward, Strength, silent
from penchant.core.errors import TrainingDiverged
from penchant.core.rng import Rng

MEASURED = 64
"""Images that reward and nats are measured on."""

ESTIMATOR = "path KL of the ancestral sampler summed over dimensions, from random times; approximate for other samplers"
_CLOSE, _TRIES = 0.05, 6


@dataclass(frozen=True)
class DiffusionDpo:
    """Diffusion-DPO (Wallace et al. 2023, arXiv:2311.12908, eq. 14): −log σ(d) over the chosen pairs, where

    d = −β·[(ℓ_θ − ℓ_ref)(winner) − (ℓ_θ − ℓ_ref)(loser)], ℓ being the denoiser's mean squared error a number, with the
    same noise, time and caption dropout for both images of a pair. A LoRA on the attention learns; the reference is the
    same network with the adapter off. Ties are answers of their own (Davidson), which pull d to 0.

    After training, the LoRA is scaled down until its path costs the nats asked for; if it costs less, it stays as it is
    and the note says so. Votes on images of the pipeline are remade without loss from their noise; images of later
    versions are encoded, where there is one prompt. Pairs under different prompts, skips and *both bad* are left out.

    The result's images cost what the original's cost, plus the LoRA; memory holds a second pipeline. Use
    ``latent_tilt`` for few votes or few-step pipelines: it follows the learned taste, exact in nats, and trains no
    large network.

    Fields:
        beta: how dear it is to leave the reference; 2000 to 5000 in the paper.
        rank: of the LoRA.
        steps, batch, learning_rate: of the training (Adam, warmed up, lowered along a cosine); a batch is of pairs.
        caption_dropout: how often a pair is shown without its prompt, for pipelines with guidance.
        judged: pairs that the reward chooses between, where there are no votes.
    """

    beta: float = 2000.0
    rank: int = 8
    steps: int = 400
    batch: int = 4
    learning_rate: float = 1e-4
    caption_dropout: float = 0.0
    judged: int = 128

    def __post_init__(self) -> None:
        if min(self.rank, self.steps, self.batch, self.judged) < 1 or min(self.learning_rate, self.beta) <= 0:
            raise ValueError("beta, rank, steps, batch, learning_rate and judged must be positive")
        if not 0 <= self.caption_dropout < 1:
            raise ValueError(f"caption_dropout must be at least 0 and below 1; found {self.caption_dropout:g}")

    def align(
        self,
        generator: Generator,
        reward: Reward,
        strength: Strength,
        rng: Rng,
        report: Report = silent,
        images: UInt8[np.ndarray, "n c h w"] | None = None,
        conditions: Float[np.ndarray, "n k"] | None = None,
    ) -> Alignment:
        """As :meth:`align_on_pairs`, on pairs of the pipeline's own images between which the reward chooses."""
        original = original_of(generator)
        adapted = original.adapted(self.rank, rng.child("adapter"))
        pairs = judged_pairs(original, reward, self.judged, rng.child("judged"))
        return self._aligned(original, adapted, pairs, reward, strength, rng, report)

    def align_on_pairs(
        self, generator: Generator, pairs: Pairs, reward: Reward, strength: Strength, rng: Rng, report: Report = silent
    ) -> Alignment:
        """A generator that wears the LoRA (``learned/lora0.safetensors`` once saved). Ctrl-C leaves nothing behind.

        Raises:
            NotCapable: the generator is no pipeline of Stable Diffusion or SDXL.
            NotReady: no pair was decided.
            TrainingDiverged: reward or loss are not finite.
        """
        original = original_of(generator)
        adapted = original.adapted(self.rank, rng.child("adapter"))
        return self._aligned(original, adapted, pairs, reward, strength, rng, report)

    @staticmethod
    def load(directory: Path) -> RetrainedGenerator:
        """What ``save_pretrained`` of an aligned generator wrote, its original included."""
        return RetrainedGenerator.load(directory)

    def _aligned(
        self,
        original: Generator,
        adapted: Adapted,
        pairs: Pairs,
        reward: Reward,
        strength: Strength,
        rng: Rng,
        report: Report,
    ) -> Alignment:
        started = time.monotonic()
        codes = pair_codes(adapted, pairs)
        before = reference_rewards(original, reward, MEASURED, rng.child("reference"))
        notes, nats = [codes.note] if codes.note else [], 0.0
        if strength.target_kl == 0:
            notes.append("like best of 1 asks for no change, and none was made")
            adapted.set_share(0.0)
        else:
            self.train(adapted, codes, rng.child("steps"), report)
            nats, note = _settle(adapted, original, strength.target_kl, rng.child("settle"))
            notes += [note] if note else []
        learned = adapted.finished()
        after = reference_rewards(learned, reward, MEASURED, rng.child("reference"))
        frontier = (
            {"kl_nats": 0.0, "reward": float(before.mean())},
            {"kl_nats": nats, "reward": float(after.mean())},
        )
        report(Progress("aligning", 1.0, 0.0, frontier[-1]))
        identity = Transport(original.latent_dim, 0, 1, rng.child("identity"))
        aligned = RetrainedGenerator("diffusion_dpo", original, learned, identity)
        return Alignment(aligned, nats, ESTIMATOR, frontier, time.monotonic() - started, "; ".join(notes))

    def margins(self, adapted: Adapted, codes: PairCodes, rows: Tensor, rng: torch.Generator) -> Float[Tensor, " n"]:
        """d of some pairs, at one draw of noise, time and caption dropout a pair."""
        first, second, told = codes.first[rows], codes.second[rows], codes.conditions[rows]
        noise = torch.randn(first.shape, generator=rng).to(first)
        times = torch.randint(adapted.times, (len(rows),), generator=rng)
        dropped = torch.rand(len(rows), 1, generator=rng) < self.caption_dropout
        told = torch.where(dropped.to(told.device), adapted.unconditional.to(told), told)
        both = torch.cat([first, second]), torch.cat([noise, noise]), times.repeat(2), told.repeat(2, 1)
        gap = -adapted.errors(*both, on=False) + adapted.errors(*both, on=True)
        winner, loser = gap.chunk(2)
        return -self.beta * (winner - loser)

    def train(self, adapted: Adapted, codes: PairCodes, rng: Rng, report: Report) -> None:
        """Lower the loss; raises TrainingDiverged where it is not finite."""
        learned = list(adapted.parameters)
        optimiser = torch.optim.Adam(learned, lr=self.learning_rate, betas=(0.9, 0.99))
        draws, order = rng.child("noise").torch(), rng.child("rows").torch()
        tie = tie_of(int(codes.tied.sum()), len(codes.tied))
        started, every = time.monotonic(), max(1, self.steps // 100)
        waiting = torch.empty(0, dtype=torch.long)
        for step in range(self.steps):
            while len(waiting) < self.batch:  # every pair once, then all again in another order
                waiting = torch.cat([waiting, torch.randperm(len(codes.tied), generator=order)])
            rows, waiting = waiting[: self.batch], waiting[self.batch :]
            margins = self.margins(adapted, codes, rows, draws)
            loss = davidson_loss(margins, codes.tied[rows].to(margins.device), tie).mean()
            if not math.isfinite(loss.item()):
                raise TrainingDiverged(f"the loss is not finite at step {step}; a smaller learning_rate may do")
            for parameter, gradient in zip(learned, torch.autograd.grad(loss, learned), strict=True):
                parameter.grad = gradient
            fraction = step / self.steps
            warm = min(1.0, fraction / 0.05 + 0.05) * 0.5 * (1 + math.cos(math.pi * fraction))
            for group in optimiser.param_groups:
                group["lr"] = self.learning_rate * warm
            optimiser.step()
            if step % every == 0:
                left = (time.monotonic() - started) / (step + 1) * (self.steps - step - 1)
                report(Progress("aligning", fraction, left, {"loss": loss.item()}))


def _settle(adapted: Adapted, original: Generator, target: float, rng: Rng) -> tuple[float, str]:
    """Scale the adapter down to ``target`` nats, which rise about as its square; the nats and a note."""
    share, low, high = 1.0, 0.0, 1.0
    nats = path_kl(adapted, original, rng)
    if nats <= target * (1 + _CLOSE):
        if nats >= target * (1 - _CLOSE):
            return nats, ""
        return nats, (
            f"{nats:.2f} of {target:.2f} nats were spent: so far these votes and steps go; a smaller beta, more steps "
            "or a larger learning_rate go farther"
        )
    for _ in range(_TRIES):
        low, high = (share, high) if nats < target else (low, share)
        guess = share * math.sqrt(target / nats) if nats > 0 else 0.0
        share = guess if low < guess < high else (low + high) / 2
        adapted.set_share(share)
        nats = path_kl(adapted, original, rng)
        if abs(nats - target) <= _CLOSE * target:
            break
    return nats, ""


def path_kl(adapted: Adapted, original: Generator, rng: Rng) -> float:
    """Nats of the adapted denoising path against the original's, over :data:`MEASURED` images of the adapted one."""
    latents = original.latents(MEASURED, rng.child("latents"))
    times = 1 + (torch.arange(MEASURED) + torch.rand(1, generator=rng.child("times").torch())) / MEASURED * (
        adapted.times - 1
    )
    parts: list[Tensor] = []
    draws = rng.child("noise").torch()
    for z, t in zip(latents.split(8), times.long().clamp(max=adapted.times - 1).split(8), strict=True):
        told = adapted.conditions(z)
        clean = adapted.clean(z, told, on=True)
        noise = torch.randn(clean.shape, generator=draws).to(clean)
        parts.append(adapted.path_nats(clean, noise, t, told).cpu())
    return float(torch.cat(parts).mean())
