"""Texture: how detail is shared between coarse and fine, and how much there is to tell."""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from penchant.features._planes import Dimension, Planes, Topic, mean

_RINGS = 8


def _ring_powers(light: Float[Tensor, "n s s"]) -> tuple[Float[Tensor, "n rings"], Float[Tensor, " rings"]]:
    """Log mean power in rings of spatial frequency, logarithmically spaced, and the rings' log frequencies.

    A Hann window keeps the picture's borders from passing for detail.
    """
    side = light.shape[-1]
    window = torch.hann_window(side, periodic=False, dtype=light.dtype, device=light.device)
    waves = torch.fft.rfft2((light - light.mean((1, 2), keepdim=True)) * window * window[:, None])
    power = torch.view_as_real(waves).square().sum(-1)
    rows = torch.fft.fftfreq(side, 1 / side, dtype=light.dtype, device=light.device)
    columns = torch.fft.rfftfreq(side, 1 / side, dtype=light.dtype, device=light.device)
    frequency = (rows[:, None] ** 2 + columns**2).sqrt()
    borders = torch.logspace(math.log10(0.9), math.log10(side / 2), _RINGS + 1, dtype=light.dtype)
    members = torch.stack(
        [((frequency >= low) & (frequency < high)).to(light.dtype) for low, high in pairwise(borders)]
    )
    kept = members.sum((1, 2)) > 0
    members = members[kept]
    members = members / members.sum((1, 2), keepdim=True)
    means = torch.einsum("nij,rij->nr", power / side**2, members)
    return (means + 1e-6).log(), (members * frequency.clamp_min(0.5).log()).sum((1, 2))


def _roughness(light: Float[Tensor, "n s s"]) -> Float[Tensor, " n"]:
    """Fractal dimension by differential box counting (Sarkar & Chaudhuri 1994).

    The mean range of light inside boxes of side r grows as r^H; the surface then has dimension 3 − H.
    """
    both = torch.stack([light, -light], 1)
    ranges: list[Tensor] = []
    for dilation in (1, 2, 4):
        both = F.max_pool2d(both, 2, 1, dilation=dilation)  # of boxes 2, 4, 8 wide, each from the one before
        ranges.append((mean(both.sum(1)) + 1e-2).log())
    steps = torch.tensor([2, 4, 8], dtype=light.dtype, device=light.device).log()
    return 3 - _slope(torch.stack(ranges, 1), steps)


def _slope(values: Float[Tensor, "n k"], places: Float[Tensor, " k"]) -> Float[Tensor, " n"]:
    centred = places - places.mean()
    return (values * centred).sum(1) / centred.square().sum()


def _haar(rgb: Float[Tensor, "n 3 s s"]) -> list[Float[Tensor, "n k"]]:
    """Haar wavelet details of three levels, fine to coarse, each n × everything."""
    levels: list[Tensor] = []
    for _ in range(3):
        rgb = rgb[..., : rgb.shape[-2] // 2 * 2, : rgb.shape[-1] // 2 * 2]
        a, b, c, d = rgb[..., ::2, ::2], rgb[..., ::2, 1::2], rgb[..., 1::2, ::2], rgb[..., 1::2, 1::2]
        levels.append(torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], 1).flatten(1) / 4)
        rgb = (a + b + c + d) / 4
    return levels


def _texture(planes: Planes) -> Float[Tensor, "n 8"]:
    """Spectral slope, detail by scale, fractal dimension, information and grain.

    The slope is that of log radial power over log frequency (Graham & Field 2007; near −2 for natural scenes and
    much of art), its bend the second-order term; information is a smooth stand-in for the length of a wavelet code,
    the mean of log₂(1 + |detail| / 0.02) (after Machado & Cardoso 1998, who use JPEG's); grain is the mean response
    of Immerkær's (1996) noise filter.
    """
    powers, places = _ring_powers(planes.light)
    slope = _slope(powers, places)
    centred = places - places.mean()
    bend = _slope(powers - slope[:, None] * centred, centred.square())
    fine, middle, coarse = _haar(planes.rgb)
    bits = (1 + torch.cat([fine, middle, coarse], 1).abs() / 0.02).log2().mean(1)
    light = planes.light
    across = light[:, :, :-2] - 2 * light[:, :, 1:-1] + light[:, :, 2:]
    grain = across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    return torch.stack(
        [
            slope,
            bend,
            *((level.square().mean(1) + 1e-5).log() for level in (fine, middle, coarse)),
            _roughness(light),
            bits,
            (mean((grain.square() + 1e-6).sqrt()) + 1e-3).log(),
        ],
        1,
    )


TEXTURE = Topic(
    "texture",
    "texture",
    (
        Dimension("spectral slope", "broad shapes rather than detail", "detail rather than broad shapes"),
        Dimension("spectral bend", "detail of middle size", "only very coarse and very fine"),
        Dimension("fine detail", "without fine detail", "with fine detail"),
        Dimension("middle detail", "without middling detail", "with middling detail"),
        Dimension("coarse detail", "without coarse shapes", "with coarse shapes"),
        Dimension("roughness", "smooth", "rough"),
        Dimension("information", "simple", "intricate"),
        Dimension("grain", "clean", "grainy"),
    ),
    _texture,
)
