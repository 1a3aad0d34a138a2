"""The source documents' objective: go on training on the images while the generator is pulled towards the taste."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.alignment._joint_training import Freeing, free, settle
from penchant.alignment._original import original_of
from penchant.alignment._price import REFERENCE, first_price, require_gradients
from penchant.alignment._retrained import RetrainedGenerator
from penchant.alignment._tilt_training import BudgetPrice, FixedPrice, Schedule, train
from penchant.alignment._tilted import TiltedGenerator
from penchant.alignment._transport import Transport
from penchant.alignment.latent_tilt import CLOSE_ENOUGH, dial_for
from penchant.core.contracts import Alignment, Generator, Progress, Report, Reward, Strength, silent
from penchant.core.errors import NotCapable
from penchant.core.rng import Rng

IMAGES_FOR_SIGMA = 512

MOST_FOR_IMAGES = 0.25
"""Share of the budget that the change of the generator may cost; of more, only so much is kept."""


@dataclass(frozen=True)
class Joint:
    """ELBO + λ·E[r̃(G_θ(z))] − β·KL: the noise is tilted first, then the generator is freed too.

    KL = KL(p_ψ(z) ‖ p(z)) + E‖G_θ(z) − G(z)‖²/2σ², the exact divergence of noise and image together, where σ is the
    error with which the original gives the person's images back. Everything is divided by β: the images' loss, in the
    generator's own units, has weight ``images_weight``/β and the reward λ = 1/β, a dual variable that is found while
    only the noise moves. At the end the noise is dialled, and of what the generator learned as much kept, so that the
    budget of ``strength`` is met; the generator may use a quarter of it. One nat moves a 32 px colour picture by very
    little (each pixel value by σ/39), so nearly all of the change comes from the noise.

    For generators with a likelihood of images that can go on training (the VAE). Costs twice the ``latent_tilt``; use
    that where the generator is to stay frozen, and ``weighted`` for families without a likelihood.

    Fields:
        tilt_steps, steps: of the first half, which moves only the noise, and of the second.
        batch: latents, and images, a step; even.
        couplings, hidden: the size of the map of the noise.
        tilt_learning_rate, learning_rate: of the map in the first half (a tenth of it in the second), and of the
            generator.
        images_weight: weight of the images' own loss; 0 leaves them out.
        beta: for experts, a fixed price of a nat in units of the reward; the budget of ``strength`` is then not used.
    """

    tilt_steps: int = 200
    steps: int = 100
    batch: int = 64
    couplings: int = 6
    hidden: int = 128
    tilt_learning_rate: float = 6e-3
    learning_rate: float = 1e-5
    images_weight: float = 1.0
    beta: float | None = None

    def __post_init__(self) -> None:
        if min(self.tilt_steps, self.steps, self.hidden) < 1 or min(self.tilt_learning_rate, self.learning_rate) <= 0:
            raise ValueError("tilt_steps, steps, hidden and both learning rates must be positive")
        if self.couplings < 0 or self.images_weight < 0:
            raise ValueError("couplings and images_weight must be at least 0")
        if self.batch < 2 or self.batch % 2:
            raise ValueError(f"batch must be even and at least 2; found {self.batch}")
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
            NotCapable: no images; or generator or reward have no gradients, or the generator no likelihood.
            TrainingDiverged: reward or objective are not finite.
        """
        started = time.monotonic()
        original = original_of(generator)
        if images is None or not len(images):
            raise NotCapable("joint goes on training on the person's images and got none; latent_tilt needs none")
        require_gradients(original, reward, rng.child("trial"))
        continued = original.continued()
        shown = np.sort(rng.child("sigma").numpy().permutation(len(images))[:IMAGES_FOR_SIGMA])
        sigma = continued.error(torch.from_numpy(images[shown]))
        transport = Transport(original.latent_dim, self.couplings, self.hidden, rng.child("transport"))
        price, note = first_price(self.beta, original, reward, strength, rng.child("reference"))
        dial, before = 1.0, [parameter.detach().clone() for parameter in continued.parameters]
        if price is not None:
            schedule = Schedule(self.tilt_steps, self.batch, self.tilt_learning_rate)
            transport = train(
                transport, lambda z: reward(original.decode(z)), price, schedule, rng.child("tilt"), _first_half(report)
            )
            freeing = Freeing(
                self.steps, self.batch, self.learning_rate, self.tilt_learning_rate / 10, self.images_weight
            )
            # The price found for the noise stays: the optimiser's own noise in the pictures must not raise it.
            fixed = FixedPrice(price.beta)
            transport = free(
                transport, continued, original, reward, images, sigma, fixed, freeing, rng.child("steps"), report
            )
        aligned = RetrainedGenerator("joint", original, continued.generator, transport, dial)
        if isinstance(price, BudgetPrice):
            of_images = aligned.image_kl(sigma, REFERENCE, rng.child("image kl"))[0]
            most = MOST_FOR_IMAGES * strength.target_kl
            settle(continued, before, math.sqrt(min(1.0, most / max(of_images, 1e-9))))
            dial = dial_for(transport, strength.target_kl - min(of_images, most), rng.child("calibration"))
            aligned = aligned.dialled(dial)
        else:
            settle(continued, before, 1.0)
        kl_nats, error = _kl(aligned, sigma, rng.child("kl"))
        if isinstance(price, BudgetPrice) and abs(kl_nats / strength.target_kl - 1) > CLOSE_ENOUGH:
            note = f"{kl_nats:.2f} of {strength.target_kl:.2f} nats were spent"
        frontier = _frontier(aligned, reward, sigma, rng.child("frontier"))
        report(Progress("aligning", 1.0, 0.0, {"kl_nats": kl_nats, "reward": frontier[-1]["reward"]}))
        estimator = (
            f"exact KL of noise and image together, σ = {sigma:.3f} (± {error:.2g}), an upper bound for the images"
        )
        return Alignment(aligned, kl_nats, estimator, frontier, time.monotonic() - started, note)

    @staticmethod
    def load(directory: Path) -> RetrainedGenerator:
        """What ``save_pretrained`` of an aligned generator wrote, its original included."""
        return RetrainedGenerator.load(directory)


def _first_half(report: Report) -> Report:
    def half(progress: Progress) -> None:
        report(Progress(progress.stage, progress.fraction / 2, progress.seconds_left, progress.figures))

    return half


def _kl(aligned: RetrainedGenerator, sigma: float, rng: Rng) -> tuple[float, float]:
    """Nats of the noise and of the images, and the standard error of their sum."""
    tilted = TiltedGenerator(aligned.base, aligned.transport, aligned.dial)
    (of_noise, noise_error), (of_images, images_error) = (
        tilted.kl_nats(rng.child("noise")),
        aligned.image_kl(sigma, REFERENCE, rng.child("images")),
    )
    return of_noise + of_images, float(np.hypot(noise_error, images_error))


@torch.no_grad()
def _frontier(aligned: RetrainedGenerator, reward: Reward, sigma: float, rng: Rng) -> tuple[Mapping[str, float], ...]:
    """The original, and then reward against KL while the noise is moved further, same latents."""
    rows: list[Mapping[str, float]] = []
    before = float(reward(aligned.base.sample(REFERENCE, rng)).double().mean())
    rows.append({"dial": 0.0, "kl_nats": 0.0, "reward": before})
    for share in (0.25, 0.5, 0.75, 1.0):
        version = aligned.dialled(share)
        mean_reward = float(reward(version.sample(REFERENCE, rng)).double().mean())
        rows.append({"dial": share, "kl_nats": _kl(version, sigma, rng.child("kl"))[0], "reward": mean_reward})
    return tuple(rows)
