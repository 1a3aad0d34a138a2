"""A small flow from noise to codes: what makes samples of a variational autoencoder as good as its codes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from penchant.generators._told import told_of
from penchant.training.objective import Batch, Clock, Loss

LEAST_NATS = 0.1
"""Nats of KL from which a dimension of the code counts as used."""


class _Block(nn.Module):
    """A residual layer whose normalised input is scaled and shifted by the time."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.time = nn.Linear(width, 2 * width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        for layer in (self.time, self.narrow):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Float[Tensor, "n w"], time: Float[Tensor, "m w"]) -> Float[Tensor, "n w"]:
        scale, shift = self.time(time).chunk(2, dim=1)
        return x + self.narrow(F.silu(self.wide(self.norm(x) * (1 + scale) + shift)))


class CodeFlow(nn.Module):
    """A rectified flow (Liu et al. 2023; Lipman et al. 2023) from N(0, I) to standardised codes, as an MLP.

    ``forward(x, time)`` is the velocity; :meth:`solve` follows it in ``steps`` steps of Heun's method, which makes
    noise → code a fixed, differentiable map. A condition, where the flow knows any, is added to the time; a row of NaN,
    or none at all, is no condition.
    """

    def __init__(self, dimensions: int, width: int, blocks: int, steps: int, condition_dim: int = 0):
        super().__init__()
        self.steps = steps
        self.enter = nn.Linear(dimensions, width)
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, dimensions)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("frequencies", torch.logspace(0, 2, 32), persistent=False)
        self.told = nn.Linear(condition_dim, width) if condition_dim else None

    def forward(
        self, x: Float[Tensor, "n d"], time: Float[Tensor, " m"], condition: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n d"]:
        """The velocity at ``x``; one time an example, or one for all."""
        angles = time[:, None] * self.get_buffer("frequencies")
        embedded = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        if self.told is not None and condition is not None:
            known = condition.isfinite().all(dim=1, keepdim=True)
            embedded = embedded + known * self.told(condition.nan_to_num())
        hidden = self.enter(x)
        for block in self.blocks:
            hidden = block(hidden, embedded)
        return self.leave(self.norm(hidden)).float()

    def solve(self, noise: Float[Tensor, "n d"], condition: Float[Tensor, "n c"] | None = None) -> Float[Tensor, "n d"]:
        """Follow the flow from noise (time 0) to codes (time 1)."""
        x, step = noise, 1 / self.steps
        for index in range(self.steps):
            now, then = (noise.new_full((1,), (index + shift) * step) for shift in (0, 1))
            velocity = self(x, now, condition)
            x = x + step / 2 * (velocity + self(x + step * velocity, then, condition))
        return x


class FlowMatching:
    """E‖v(x_t, t) − (x₁ − x₀)‖² with x_t = (1 − t)·x₀ + t·x₁, x₀ ~ N(0, I), t logit-normal (Esser et al. 2024).

    x₁ is drawn from each image's own code distribution, given as columns of standardised means and deviations; a third
    column are conditions, some of them hidden.
    """

    def __init__(self, flow: CodeFlow):
        self.flow = flow

    def __call__(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        mean, deviation, *conditions = batch
        draw, start = (torch.randn(mean.shape, generator=noise, device=mean.device) for _ in range(2))
        time = torch.sigmoid(torch.randn(len(mean), generator=noise, device=mean.device))
        end = mean + deviation * draw
        told = told_of((mean, *conditions), noise)
        velocity = self.flow(torch.lerp(start, end, time[:, None]), time, *told)
        return Loss((velocity - (end - start)).square().mean())


@dataclass(frozen=True)
class CodeScale:
    """Which dimensions of the code are used, and the mean and deviation of each over the training images."""

    used: Int[Tensor, " d"]
    mean: Float[Tensor, " k"]
    deviation: Float[Tensor, " k"]

    @staticmethod
    def of(mean: Float[Tensor, "n k"], log_variance: Float[Tensor, "n k"], kl: Float[Tensor, " k"]) -> "CodeScale":
        """From the code distributions of many images; used is what carries :data:`LEAST_NATS`, at least four."""
        least = min(LEAST_NATS, kl.sort(descending=True).values[: min(4, len(kl))].min().item())
        variance = mean.var(dim=0) + log_variance.exp().mean(dim=0)
        return CodeScale((kl >= least).nonzero()[:, 0], mean.mean(dim=0), variance.sqrt())

    def standardise(self, mean: Float[Tensor, "n k"], log_variance: Float[Tensor, "n k"]) -> list[Float[Tensor, "n d"]]:
        """Means and deviations of the used dimensions, in units of the aggregated codes."""
        scaled = (mean - self.mean) / self.deviation, (0.5 * log_variance).exp() / self.deviation
        return [columns[:, self.used] for columns in scaled]

    def restore(self, standardised: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Codes of standardised ones; dimensions that are not used get their mean."""
        values = self.mean[self.used] + self.deviation[self.used] * standardised
        return self.mean.expand(len(values), -1).index_copy(1, self.used, values)

    def to(self, device: torch.device) -> "CodeScale":
        """The same on another device."""
        return CodeScale(self.used.to(device), self.mean.to(device), self.deviation.to(device))
