"""The training loop of the latent tilt: a transport, a reward of latents and the price of a nat."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.alignment._transport import Transport, antithetic, latent_kl
from penchant.core.contracts import Progress, Report
from penchant.core.errors import TrainingDiverged
from penchant.core.rng import Rng

ROUNDING = 1e-6
"""A slope of so many nats per latent dimension is rounding of single precision and is not followed: turning the noise
costs nothing, so Adam, to which the smallest slope is a whole step, would wander there for ever."""

LatentReward = Callable[[Float[Tensor, "n z"]], Float[Tensor, " n"]]


class Price(Protocol):
    """What a nat costs, β, in units of the reward; may learn from the KL of each step."""

    beta: float

    def observe(self, kl_nats: float, fraction: float) -> None:
        """Hear of the KL of a step at ``fraction`` of the training."""
        ...


@dataclass
class FixedPrice:
    """β as given."""

    beta: float

    def observe(self, kl_nats: float, fraction: float) -> None:
        """Nothing changes."""


class BudgetPrice:
    """β that makes the KL meet a target: a dual variable, moved in the logarithm.

    It starts at sd(r)/√(2·KL), which is right for a linear reward (shift a/β, KL a²/2β²), waits until the tilt has
    answered that price, and then follows log(KL/target). It never leaves four decades around its start, so that a
    reward without a slope ends with little spent and not with infinities.
    """

    WAIT = 0.25
    RATE = 0.02
    SMOOTHING = 0.9
    DECADES = 4.0

    def __init__(self, target_kl: float, reward_sd: float):
        self.target_kl = target_kl
        self.start = reward_sd / math.sqrt(2 * target_kl)
        self.beta = self.start
        self._smooth_kl: float | None = None
        self._answered = False

    def observe(self, kl_nats: float, fraction: float) -> None:
        """Raise β while too much is spent, lower it while too little."""
        before = self._smooth_kl
        self._smooth_kl = kl_nats if before is None else self.SMOOTHING * before + (1 - self.SMOOTHING) * kl_nats
        self._answered = self._answered or fraction >= self.WAIT
        if not self._answered:
            return
        off = math.log(max(self._smooth_kl, 1e-6) / self.target_kl)
        step = math.exp(self.RATE * min(max(off, -1.0), 1.0))
        limit = 10**self.DECADES
        self.beta = min(max(self.beta * step, self.start / limit), self.start * limit)


@dataclass(frozen=True)
class Schedule:
    """How long to train and how boldly.

    ``averaging`` is the decay of the running average of T, ``outlier`` the multiple of the usual gradient norm above
    which a gradient is cut, ``patience`` the number of failed steps in a row that end the training.
    """

    steps: int
    batch: int
    learning_rate: float
    last_boldness: float = 10.0
    averaging: float = 0.97
    outlier: float = 4.0
    patience: int = 20


def train(
    transport: Transport, reward: LatentReward, price: Price, schedule: Schedule, rng: Rng, report: Report
) -> Transport:
    """Minimise E_u[KL − r(T(u))/β] over T and return its running average; ``transport`` itself is used up.

    Dividing by β keeps the step in nats, whatever the scale of the reward. Gradients are asked for T's parameters
    only, so neither the generator's nor the reward's are touched.

    Raises:
        TrainingDiverged: ``patience`` steps in a row gave numbers that are not finite.
    """
    parameters = list(transport.parameters())
    last = [transport.shift, transport.log_scale]
    optimiser = torch.optim.Adam(
        [
            {"params": list(transport.couplings.parameters()), "lr": 0.0},
            {"params": last, "lr": 0.0},
        ],
        betas=(0.9, 0.99),
        eps=1e-5,
    )
    average = copy.deepcopy(transport)
    draws = rng.torch()
    started, failures, usual_norm = time.monotonic(), 0, None
    every = max(1, schedule.steps // 100)
    for step in range(schedule.steps):
        fraction = step / schedule.steps
        u = antithetic(schedule.batch, len(transport.shift), draws)
        z, _ = transport(u)
        gain, spent, pull = path_gradient(transport, reward, z, price.beta)
        gradients = torch.autograd.grad(z, parameters, pull / len(u), materialize_grads=True)
        norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
        if not math.isfinite(norm + gain.item() + spent.item()):
            failures += 1
            if failures >= schedule.patience:
                raise TrainingDiverged(
                    f"the tilt gave numbers that are not finite {failures} steps in a row (reward {gain.item():g}, "
                    f"KL {spent.item():g}); nothing was changed. A smaller learning_rate or like_best_of may do."
                )
            continue
        failures = 0
        usual_norm = norm if usual_norm is None else 0.95 * usual_norm + 0.05 * min(norm, schedule.outlier * usual_norm)
        clip = min(1.0, schedule.outlier * usual_norm / max(norm, 1e-30))
        if norm < ROUNDING * math.sqrt(len(transport.shift)):
            clip = 0.0
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient * clip
        for group, boldness in zip(optimiser.param_groups, (1.0, schedule.last_boldness), strict=True):
            group["lr"] = boldness * schedule.learning_rate * _warm_cosine(fraction)
        optimiser.step()
        _follow(average, transport, decay=min(schedule.averaging, (1 + step) / (10 + step)))
        price.observe(spent.item(), fraction)
        if step % every == 0:
            seconds_left = (time.monotonic() - started) / (step + 1) * (schedule.steps - step - 1)
            figures = {"kl_nats": spent.item(), "reward": gain.item(), "beta": price.beta}
            report(Progress("aligning", fraction, seconds_left, figures))
    return average


def path_gradient(
    transport: Transport, reward: LatentReward, z: Float[Tensor, "n z"], beta: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "n z"]]:
    """Mean reward and mean KL of z = T(u), and ∇_z[log q(z) − log p(z) − r(z)/β] of each z.

    Drawn back through T this is the gradient of KL − E[r]/β without its score term, whose mean is 0 (Roeder et al.,
    arXiv 1703.09194; for flows Vaitl et al., arXiv 2207.08219). It vanishes at every single z once q is the tilted
    density, so the couplings are not kept in motion by the noise of small batches.
    """
    at = z.detach().requires_grad_()
    u, log_det = transport.inverse(at)
    gain, spent = reward(at), latent_kl(u, at, log_det)
    (pull,) = torch.autograd.grad((spent - gain / beta).sum(), at)
    return gain.detach().mean(), spent.detach().mean(), pull


def _warm_cosine(fraction: float) -> float:
    """Up over the first twentieth, then down to nothing along half a cosine."""
    return min(1.0, fraction / 0.05 + 0.05) * 0.5 * (1 + math.cos(math.pi * fraction))


@torch.no_grad()
def _follow(average: Transport, transport: Transport, decay: float) -> None:
    for mean, value in zip(average.parameters(), transport.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
