"""The training loop of the joint objective: map, generator and images at once."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from penchant.alignment._tilt_training import ROUNDING, Price
from penchant.alignment._transport import Transport, antithetic, latent_kl
from penchant.core.contracts import Continued, Generator, Progress, Report
from penchant.core.errors import TrainingDiverged
from penchant.core.rng import Rng

AVERAGING = 0.97
"""Decay of the running averages that are handed over."""


@dataclass(frozen=True)
class Freeing:
    """How long and how boldly the second half trains; ``images_weight`` is that of the images' own loss."""

    steps: int
    batch: int
    learning_rate: float
    map_learning_rate: float
    images_weight: float


def free(
    transport: Transport,
    continued: Continued,
    reference: Generator,
    reward: Callable[[Float[Tensor, "n c h w"]], Float[Tensor, " n"]],
    images: UInt8[np.ndarray, "n c h w"],
    sigma: float,
    price: Price,
    freeing: Freeing,
    rng: Rng,
    report: Report,
) -> Transport:
    """Lower KL − (E[r] − images_weight · loss(images))/β over T and θ; θ ends as its running average, T is returned.

    KL = E_u[½‖T(u)‖² − ½‖u‖² − log|det J_T(u)|] + E_u‖G_θ(T(u)) − G(T(u))‖²/2σ²: that of the joint law of noise and
    image, z ~ T(u) and x ~ N(G_θ(z), σ²), from z ~ N(0, I) and x ~ N(G(z), σ²). Both parts carry gradients; T's is
    the path gradient (:func:`penchant.alignment._tilt_training.path_gradient`), which has no noise where nothing is to
    be gained, so that at a price at which nothing should move nothing does.

    Raises:
        TrainingDiverged: the numbers are not finite.
    """
    moved, learned = list(transport.parameters()), list(continued.parameters)
    groups = [
        {"params": moved, "lr": 0.0, "top": freeing.map_learning_rate, "eps": 1e-5},
        {"params": learned, "lr": 0.0, "top": freeing.learning_rate},
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-8)
    average = [copy.deepcopy(parameter.detach()) for parameter in (*moved, *learned)]
    draws, rows = rng.child("noise").torch(), rng.child("rows").numpy()
    started, every = time.monotonic(), max(1, freeing.steps // 100)
    for step in range(freeing.steps):
        fraction = step / freeing.steps
        u = antithetic(freeing.batch, reference.latent_dim, draws)
        z, _ = transport(u)
        at = z.detach().requires_grad_()
        back, log_det = transport.inverse(at)
        made = continued.generator.decode(at)
        apart = (made - reference.decode(at)).square().flatten(1).sum(dim=1) / (2 * sigma**2)
        spent = (latent_kl(back, at, log_det) + apart).mean()
        gain = reward(made).mean()
        chosen = torch.from_numpy(images[np.sort(rows.integers(len(images), size=freeing.batch))])
        misfit = continued.loss(chosen, draws)
        total = spent + (freeing.images_weight * misfit - gain) / price.beta
        if not math.isfinite(total.item()):
            raise TrainingDiverged(
                f"the joint objective is not finite at step {step} (reward {gain.item():g}, KL {spent.item():g}); "
                "nothing was changed. A smaller learning_rate or like_best_of may do."
            )
        pull, *slopes = torch.autograd.grad(total, [at, *learned], materialize_grads=True)
        gradients = (*torch.autograd.grad(z, moved, pull, materialize_grads=True), *slopes)
        norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
        heard = 0.0 if norm < ROUNDING * math.sqrt(reference.latent_dim) else 1.0
        for parameter, gradient in zip((*moved, *learned), gradients, strict=True):
            parameter.grad = gradient * heard
        for group in optimiser.param_groups:
            group["lr"] = group["top"] * min(1.0, fraction / 0.05 + 0.05) * 0.5 * (1 + math.cos(math.pi * fraction))
        optimiser.step()
        with torch.no_grad():
            for mean, value in zip(average, (*moved, *learned), strict=True):
                mean.lerp_(value, 1 - min(AVERAGING, (1 + step) / (10 + step)))
        price.observe(spent.item(), 0.5 + fraction / 2)
        if step % every == 0:
            seconds_left = (time.monotonic() - started) / (step + 1) * (freeing.steps - step - 1)
            figures = {"kl_nats": spent.item(), "reward": gain.item(), "beta": price.beta, "loss": misfit.item()}
            report(Progress("aligning", 0.5 + fraction / 2, seconds_left, figures))
    with torch.no_grad():
        for mean, value in zip(average, (*moved, *learned), strict=True):
            value.copy_(mean)
    return transport


@torch.no_grad()
def settle(continued: Continued, before: Sequence[Tensor], share: float) -> None:
    """Take only ``share`` of what the parameters learned; their image KL falls with its square. Freezes them."""
    for parameter, was in zip(continued.parameters, before, strict=True):
        parameter.grad = None
        parameter.requires_grad_(False)
        if share < 1:
            parameter.copy_(torch.lerp(was, parameter, share))
