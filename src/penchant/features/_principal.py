"""Principal components, the same on every call: computed in double precision, with a fixed sign."""

import torch
from jaxtyping import Float
from torch import Tensor

_LEAST_SPREAD = 1e-4


def principal_axes(
    values: Float[Tensor, "n d"], most: int
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d k"], Float[Tensor, " k"]]:
    """Mean, axes (columns) and standard deviations along them, largest first.

    At most ``most`` axes, and none along which the values do not vary; at least one axis in any case.
    """
    values = values.double()
    mean = values.mean(0)
    variances, axes = torch.linalg.eigh((values - mean).T @ (values - mean) / len(values))
    order = torch.arange(len(variances) - 1, -1, -1)[:most]
    deviations = variances[order].clamp_min(0).sqrt()
    kept = max(1, int((deviations > 1e-5 * deviations[0].clamp_min(1e-12)).sum()))
    axes = axes[:, order[:kept]]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    return mean, axes * torch.where(largest < 0, -1.0, 1.0), deviations[:kept]


def leading_at_unit_scale(raw: Float[Tensor, "n r"], most: int) -> tuple[Float[Tensor, "r d"], Float[Tensor, " d"]]:
    """Projection and offset, raw @ projection − offset: every column at unit scale, then principal components.

    The leading component has standard deviation 1 and the others keep their size relative to it; columns that hardly
    vary count as constant.
    """
    raw = raw.double()
    deviation = raw.std(0, correction=0)
    scale = torch.where(deviation > _LEAST_SPREAD, 1 / deviation.clamp_min(_LEAST_SPREAD), 0.0)
    mean, axes, deviations = principal_axes((raw - raw.mean(0)) * scale, most)
    leading = deviations[0].clamp_min(1e-12)
    projection = scale[:, None] * axes / leading
    return projection, raw.mean(0) @ projection + mean @ axes / leading
