"""What a condition tells two networks that play: the generator what to draw, the discriminator what to expect."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from penchant.training.objective import Batch

_HIDDEN = 0.3
"""Share of the pairs that are judged without their condition. More than a flow's tenth: voting and aligning draw
without one, so that is a way of drawing of its own here, not only something to lead away from."""
_WIDTH = 64


def normalised(x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Each row at a mean square of 1."""
    return x * (x.float().square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class Told(nn.Module):
    """A condition beside the latents: an embedding of it, or where there is none one of the latents themselves.

    A learned constant for "none" let the latents mean nothing (under a class they need not), and all images drawn
    without a condition were of one class; a linear map of the latents keeps the classes apart. Both are brought to one
    length, so that a prompt of rare words is no larger than what was learned. None is no condition at
    all, or a row of NaN. A network that knows no conditions (``condition_dim`` 0) adds nothing.
    """

    def __init__(self, latent_dim: int, condition_dim: int):
        super().__init__()
        self.width = _WIDTH if condition_dim else 0
        self.embedding = nn.Linear(condition_dim, _WIDTH) if condition_dim else None
        self.free = nn.Linear(latent_dim, _WIDTH) if condition_dim else None

    def forward(self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n c"] | None) -> Float[Tensor, "n k"]:
        if self.embedding is None or self.free is None:
            return latents
        told = self.free(latents)
        if condition is not None:
            known = condition.isfinite().all(dim=1, keepdim=True)
            told = torch.where(known, self.embedding(condition.nan_to_num()), told)
        return torch.cat([latents, normalised(told).to(latents.dtype)], dim=1)


class Projection(nn.Module):
    """How well what is seen fits what is told, yᵀVφ(x) (Miyato & Koyama 2018, equation 5), V of rank 64 at most.

    0 for images without a condition, which are judged by themselves then.
    """

    def __init__(self, features: int, condition_dim: int):
        super().__init__()
        self.seen = nn.Linear(features, _WIDTH)
        self.told = nn.Linear(condition_dim, _WIDTH, bias=False)

    def forward(
        self, features: Float[Tensor, "n f"], condition: Float[Tensor, "n c"] | None
    ) -> Float[Tensor, " n"] | float:
        if condition is None:
            return 0.0
        known = condition.isfinite().all(dim=1)
        fits = (self.seen(features) * normalised(self.told(condition.nan_to_num()))).float().sum(dim=1) / math.sqrt(
            _WIDTH
        )
        return fits * known


def judged(
    layers: nn.Sequential,
    projection: Projection | None,
    pixels: Float[Tensor, "n c h w"],
    condition: Float[Tensor, "n k"] | None,
) -> Float[Tensor, " n"]:
    """The scores of a discriminator whose last layer is linear, with the projection on a condition beside it."""
    if projection is None:
        return layers(pixels).float()[:, 0]
    features = layers[:-1](pixels)
    return layers[-1](features).float()[:, 0] + projection(features, condition)


def told_of(batch: Batch, noise: torch.Generator) -> tuple[Float[Tensor, "n c"], ...]:
    """The conditions of a batch, some rows hidden (NaN); empty where there are no conditions."""
    if len(batch) < 2:
        return ()
    hidden = torch.rand(len(batch[1]), 1, generator=noise, device=batch[1].device) < _HIDDEN
    return (batch[1].masked_fill(hidden, float("nan")),)
