"""What several descriptors look at: an image's colour planes and edges, computed once."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

MOST_PIXELS = 64
"""Larger images are averaged down to this side first: descriptors tell the look, not the grain of the file."""


@dataclass(frozen=True)
class Dimension:
    """One readable number: what it is called, and a few words for an image that has little or much of it."""

    name: str
    low: str
    high: str


@dataclass(frozen=True)
class Topic:
    """A group of dimensions that are measured together; ``words`` name the group in a sentence."""

    name: str
    words: str
    dimensions: tuple[Dimension, ...]
    measure: Callable[["Planes"], Float[Tensor, "n d"]]


@dataclass(frozen=True)
class Planes:
    """Square colour images with what follows from them.

    Attributes:
        rgb: n × 3 × s × s in [0, 1], gamma-encoded; grey images have three equal channels.
        light: luma, n × s × s (Rec. 601 weights).
        red_green, yellow_blue: the opponent planes of Hasler & Süsstrunk (2003), n × s × s.
        energy, cosine, sine: the colour structure tensor (Di Zenzo 1986) of the interior, n × (s−2) × (s−2): the
            squared gradient, and its part along twice the gradient's angle.
    """

    rgb: Float[Tensor, "n 3 s s"]
    light: Float[Tensor, "n s s"]
    red_green: Float[Tensor, "n s s"]
    yellow_blue: Float[Tensor, "n s s"]
    energy: Float[Tensor, "n t t"]
    cosine: Float[Tensor, "n t t"]
    sine: Float[Tensor, "n t t"]

    @property
    def colour_steps(self) -> Float[Tensor, "n t t"]:
        """Difference in opponent colour between neighbours."""
        steps = torch.zeros_like(self.light[:, 1:, 1:])
        for plane in (self.red_green, self.yellow_blue):
            here = plane[:, 1:, 1:]
            steps = steps + (here - plane[:, :-1, 1:]) ** 2 + (here - plane[:, 1:, :-1]) ** 2
        return (steps + 1e-6).sqrt()

    @property
    def magnitude(self) -> Float[Tensor, "n t t"]:
        """Length of the gradient (range of a channel per pixel), never quite 0 so that it can be differentiated."""
        return (self.energy + 1e-6).sqrt()


def planes(images: Float[Tensor, "n c h w"]) -> Planes:
    """Prepare images of any size and of one or three channels."""
    side = min(MOST_PIXELS, *images.shape[-2:])
    if images.shape[-2:] != (side, side):
        images = F.adaptive_avg_pool2d(images, side)
    rgb = images.expand(-1, 3, -1, -1)
    red, green, blue = rgb.unbind(1)
    # Sobel derivatives by two one-dimensional passes: smooth across, difference along.
    across = (rgb[..., :-2, :] + 2 * rgb[..., 1:-1, :] + rgb[..., 2:, :]) / 4
    down = (rgb[..., :-2] + 2 * rgb[..., 1:-1] + rgb[..., 2:]) / 4
    dx = (across[..., 2:] - across[..., :-2]) / 2
    dy = (down[..., 2:, :] - down[..., :-2, :]) / 2
    xx, yy, xy = (dx * dx).mean(1), (dy * dy).mean(1), (dx * dy).mean(1)
    return Planes(
        rgb=rgb,
        light=0.299 * red + 0.587 * green + 0.114 * blue,
        red_green=red - green,
        yellow_blue=(red + green) / 2 - blue,
        energy=xx + yy,
        cosine=xx - yy,
        sine=2 * xy,
    )


def spread(values: Float[Tensor, "n *rest"]) -> Float[Tensor, " n"]:
    """Standard deviation over each image, with a finite gradient where the image is flat."""
    return (variance(values.flatten(1)) + 1e-6).sqrt()


def variance(values: Float[Tensor, "*rest k"]) -> Float[Tensor, "*rest"]:
    """Variance over the last axis; several times as fast as ``torch.var``, whose one pass does not vectorise."""
    return (values - values.mean(-1, keepdim=True)).square().mean(-1)


def mean(values: Float[Tensor, "n *rest"]) -> Float[Tensor, " n"]:
    """Mean over each image."""
    return values.flatten(1).mean(1)


def entropy(shares: Float[Tensor, "n bins"]) -> Float[Tensor, " n"]:
    """Shannon entropy of each row, in units of the largest possible: 0 (one bin) to 1 (all bins alike)."""
    shares = shares / shares.sum(1, keepdim=True)
    bins = shares.shape[1]
    return -(shares * (shares + 1e-6).log()).sum(1) / torch.log(torch.tensor(float(bins), dtype=shares.dtype))
