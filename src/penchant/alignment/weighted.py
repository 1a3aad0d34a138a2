"""Go on training with the liked images counting more: for every family that can go on training."""

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from penchant.alignment._original import original_of
from penchant.alignment._reference import is_flat, reference_rewards
from penchant.alignment._retrained import RetrainedGenerator
from penchant.alignment._transport import Transport
from penchant.alignment._weighting import FEWEST, beta_for, tilted_weights, weights_kl, worth
from penchant.core.contracts import Alignment, Continued, Generator, Progress, Report, Reward, Strength, silent
from penchant.core.errors import BadConfiguration, BadImages, TrainingDiverged
from penchant.core.rng import Rng

BATCH = 128
AVERAGING = 0.99
CLOSE_ENOUGH = 0.1
MEASURED = 256


@dataclass(frozen=True)
class Weighted:
    """Reward-weighted matching: lowers E_x[w(x)·ℓ_θ(x)], w = softmax(r̃/β), over the person's and generated images.

    ℓ is the family's own training loss (−ELBO, a flow's velocity error, …), so neither reward nor generator need
    gradients. β is chosen so that the weights cost the asked nats: KL(w ‖ uniform) = Σ w·log(n·w). That is the KL of
    the images trained on, exactly; the generator follows them as far as its training does, so for the generator it is
    approximate. It cannot go beyond the images there are: weights worth fewer than 16 of them are not used, and the
    note then says how many nats were spent.

    Samples cost what the original's cost. Use ``latent_tilt`` where there are gradients: it reaches more reward for
    the same nats and keeps the generator as it is.

    Fields:
        generated: images of the original beside the person's.
        own: of the person's images, at most.
        steps, batch, learning_rate: of the training (Adam, warmed up, lowered along a cosine).
        beta: for experts, fixed; the budget of ``strength`` is then not used.
    """

    generated: int = 2048
    own: int = 8192
    steps: int = 400
    batch: int = 64
    learning_rate: float = 5e-4
    beta: float | None = None

    def __post_init__(self) -> None:
        if min(self.generated, self.steps, self.batch) < 1 or self.own < 0 or self.learning_rate <= 0:
            raise ValueError("generated, steps, batch and learning_rate must be positive and own at least 0")
        if self.beta is not None and self.beta <= 0:
            raise ValueError(f"beta must be positive; found {self.beta:g}")

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
        """A :class:`RetrainedGenerator` of the same latents. Ctrl-C leaves nothing behind.

        Raises:
            NotCapable: the generator cannot go on training.
            BadImages: the images have another shape than the generator's.
            BadConfiguration: the conditions are not one row an image of the generator's width.
            TrainingDiverged: reward or loss are not finite.
        """
        started = time.monotonic()
        original = original_of(generator)
        continued = original.continued()
        before = reference_rewards(original, reward, MEASURED, rng.child("reference"))
        pool, told = self._pool(original, images, conditions, rng.child("pool"))
        rewards = _rewards(reward, pool)
        weights, note = self._weights(rewards, strength)
        if weights is not None:
            _train(self, continued, pool, told, weights, rng.child("steps"), report)
        _freeze(continued)
        identity = Transport(original.latent_dim, 0, 1, rng.child("identity"))
        aligned = RetrainedGenerator("weighted", original, continued.generator, identity)
        kl_nats = 0.0 if weights is None else weights_kl(weights)
        after = float(_rewards(reward, _bytes(aligned.sample(MEASURED, rng.child("reference")))).mean())
        frontier: tuple[Mapping[str, float], ...] = (
            {"kl_nats": 0.0, "reward": float(before.mean())},
            {"kl_nats": kl_nats, "reward": after},
        )
        report(Progress("aligning", 1.0, 0.0, frontier[-1]))
        estimator = f"KL of the weights of the {len(pool):,} images from equal ones; approximate for the generator"
        return Alignment(aligned, kl_nats, estimator, frontier, time.monotonic() - started, note)

    @staticmethod
    def load(directory: Path) -> RetrainedGenerator:
        """What ``save_pretrained`` of an aligned generator wrote, its original included."""
        return RetrainedGenerator.load(directory)

    def _pool(
        self,
        original: Generator,
        images: UInt8[np.ndarray, "n c h w"] | None,
        conditions: Float[np.ndarray, "n k"] | None,
        rng: Rng,
    ) -> tuple[UInt8[np.ndarray, "n c h w"], Float[np.ndarray, "n k"]]:
        """What is trained on, and under what: the person's images under their conditions, made ones under none."""
        made = _bytes(original.sample(self.generated, rng.child("made")))
        free = np.full((len(made), original.condition_dim), np.nan, np.float32)
        if images is None or not len(images) or not self.own:
            return made, free
        if images.shape[1:] != made.shape[1:]:
            raise BadImages(f"the generator makes images shaped {made.shape[1:]}; found {images.shape[1:]}")
        chosen = np.sort(rng.child("own").numpy().permutation(len(images))[: self.own])
        known = np.full((len(chosen), original.condition_dim), np.nan, np.float32)
        if conditions is not None and original.condition_dim:
            if conditions.shape != (len(images), original.condition_dim):
                wanted = f"{len(images)} × {original.condition_dim}"
                raise BadConfiguration(f"the conditions of these images are {wanted}; found {conditions.shape}")
            known[:] = conditions[chosen]
        return np.concatenate([images[chosen], made]), np.concatenate([known, free])

    def _weights(self, rewards: Float[Tensor, " n"], strength: Strength) -> tuple[Float[Tensor, " n"] | None, str]:
        if self.beta is not None:
            note = f"β was fixed at {self.beta:g}, so the asked strength was not used"
            return tilted_weights(rewards, self.beta), note
        if strength.target_kl == 0:
            return None, "like best of 1 asks for no change, and none was made"
        if is_flat(rewards):
            return None, f"the reward is the same for every image: none of {strength.target_kl:.2f} nats was spent"
        weights = tilted_weights(rewards, beta_for(rewards, strength.target_kl))
        spent = weights_kl(weights)
        if spent > (1 - CLOSE_ENOUGH) * strength.target_kl:
            return weights, ""
        return weights, (
            f"{spent:.2f} of {strength.target_kl:.2f} nats were spent: more would leave less than {FEWEST:.0f} "
            f"images' worth of the {len(rewards):,} there are (now {worth(weights):.0f}); more generated images may do"
        )


def _train(
    how: Weighted,
    continued: Continued,
    pool: UInt8[np.ndarray, "n c h w"],
    told: Float[np.ndarray, "n k"],
    weights: Float[Tensor, " n"],
    rng: Rng,
    report: Report,
) -> None:
    """Lower the loss on rows drawn by weight; the parameters end as their running average."""
    learned = list(continued.parameters)
    optimiser = torch.optim.Adam(learned, lr=how.learning_rate, betas=(0.9, 0.99))
    average = [copy.deepcopy(parameter.detach()) for parameter in learned]
    noise, rows = rng.child("noise").torch(learned[0].device), rng.child("rows").numpy()
    shares = weights.cumsum(0).numpy()
    started, every = time.monotonic(), max(1, how.steps // 100)
    for step in range(how.steps):
        fraction = step / how.steps
        # Systematic sampling: a batch holds every image as nearly as often as its weight says as can be.
        places = (np.arange(how.batch) + rows.random()) / how.batch * shares[-1]
        chosen = np.searchsorted(shares, places, side="right").clip(max=len(pool) - 1)
        conditions = torch.from_numpy(told[chosen]) if told.shape[1] else None
        loss = continued.loss(torch.from_numpy(pool[chosen]), noise, conditions)
        if not math.isfinite(loss.item()):
            raise TrainingDiverged(f"the loss is not finite at step {step}; a smaller learning_rate may do")
        for parameter, gradient in zip(learned, torch.autograd.grad(loss, learned, allow_unused=True), strict=True):
            parameter.grad = gradient
        warm = min(1.0, fraction / 0.05 + 0.05) * 0.5 * (1 + math.cos(math.pi * fraction))
        for group in optimiser.param_groups:
            group["lr"] = how.learning_rate * warm
        optimiser.step()
        with torch.no_grad():
            for mean, value in zip(average, learned, strict=True):
                mean.lerp_(value, 1 - min(AVERAGING, (1 + step) / (10 + step)))
        if step % every == 0:
            seconds_left = (time.monotonic() - started) / (step + 1) * (how.steps - step - 1)
            report(Progress("aligning", fraction, seconds_left, {"loss": loss.item()}))
    with torch.no_grad():
        for mean, value in zip(average, learned, strict=True):
            value.copy_(mean)


def _freeze(continued: Continued) -> None:
    for parameter in continued.parameters:
        parameter.grad = None
        parameter.requires_grad_(False)


@torch.no_grad()
def _rewards(reward: Reward, images: UInt8[np.ndarray, "n c h w"]) -> Float[Tensor, " n"]:
    """Rewards of images as bytes, float64; raises TrainingDiverged where some are not finite."""
    batches: Sequence[np.ndarray] = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    rewards = torch.cat([reward(torch.from_numpy(batch).float() / 255).cpu().double() for batch in batches])
    wrong = int((~rewards.isfinite()).sum())
    if wrong:
        raise TrainingDiverged(
            f"the reward is not finite on {wrong} of {len(images)} images, so they cannot be weighted; refit the "
            "preference model"
        )
    return rewards


def _bytes(images: Float[Tensor, "n c h w"]) -> UInt8[np.ndarray, "n c h w"]:
    return images.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
