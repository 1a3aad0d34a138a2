"""Principal components, the same on every call: computed in double precision, with a fixed sign."""

import torch
from jaxtyping import Float
from torch import Tensor


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
