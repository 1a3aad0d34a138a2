"""Composition: where the weight lies, what the centre does, and a coarse layout of light and colour."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from penchant.features._planes import Dimension, Planes, Topic, mean, variance


def _composition(planes: Planes) -> Float[Tensor, "n 11"]:
    """Balance, rule of thirds, centre against surround, roundness and frame.

    Visual weight is a pixel's distance in colour from the picture's mean. Balance is its centre of mass (Locher et
    al. 1998; Hübner & Fillinger 2016, whose DCM this is, by axis); thirds is the weight near the four power points
    (Datta et al. 2006, their rule-of-thirds features, made soft); roundness compares gradients along and across the
    radius, so that discs and rings are high, stars and crosses low.
    """
    rgb, light = planes.rgb, planes.light
    side = light.shape[-1]
    place = torch.linspace(-1, 1, side, dtype=light.dtype, device=light.device)
    x, y = place.expand(side, side), place[:, None].expand(side, side)
    radius_squared = x**2 + y**2
    weight = ((rgb - rgb.mean((2, 3), keepdim=True)).square().sum(1) + 1e-5).sqrt()
    weight = weight / weight.sum((1, 2), keepdim=True)
    right, down = (weight * x).sum((1, 2)), (weight * y).sum((1, 2))
    thirds = torch.exp(-((x.abs() - 1 / 3) ** 2 + (y.abs() - 1 / 3) ** 2) / 0.05)
    centre = torch.exp(-radius_squared / 0.25)
    surround = 1 - torch.exp(-radius_squared / 0.8)
    centre, surround = centre / centre.sum(), surround / surround.sum()

    def centre_less_surround(plane: Tensor) -> Tensor:
        return (plane * (centre - surround)).sum((1, 2))

    inner = slice(1, -1)
    xi, yi, r2 = x[inner, inner], y[inner, inner], radius_squared[inner, inner] + 1e-3
    along = (planes.cosine * (xi**2 - yi**2) + planes.sine * 2 * xi * yi) / r2
    roundness = mean(along) / (mean(planes.energy) + 1e-5)
    border = torch.cat([rgb[..., 0, :], rgb[..., -1, :], rgb[..., :, 0], rgb[..., :, -1]], -1)
    frame = -((variance(border).mean(1) + 1e-5).sqrt() + 0.01).log()
    saturation = rgb.amax(1) - rgb.amin(1)
    return torch.stack(
        [
            right,
            down,
            (right**2 + down**2 + 1e-4).sqrt(),
            (weight * radius_squared).sum((1, 2)),
            (weight * thirds).sum((1, 2)),
            centre_less_surround(light),
            centre_less_surround(saturation),
            centre_less_surround(rgb[:, 0] - rgb[:, 2]),
            (weight * centre).sum((1, 2)) * side**2,
            roundness,
            frame,
        ],
        1,
    )


def _thumbnail(plane: Float[Tensor, "n s s"], side: int) -> Float[Tensor, "n k"]:
    cells = F.adaptive_avg_pool2d(plane[:, None], side).flatten(1)
    return cells - cells.mean(1, keepdim=True)


def _light_layout(planes: Planes) -> Float[Tensor, "n 16"]:
    """A 4 × 4 thumbnail of light, less its mean."""
    return _thumbnail(planes.light, 4)


def _colour_layout(planes: Planes) -> Float[Tensor, "n 9"]:
    """A 3 × 3 thumbnail of warmth, R − B, less its mean."""
    return _thumbnail(planes.rgb[:, 0] - planes.rgb[:, 2], 3)


_FOUR = [
    f"{row} {column}"
    for row in ("top", "upper", "lower", "bottom")
    for column in ("far left", "left", "right", "far right")
]
_THREE = [f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right")]

COMPOSITION = Topic(
    "composition",
    "composition",
    (
        Dimension("weight to the right", "weight on the left", "weight on the right"),
        Dimension("weight to the bottom", "weight at the top", "weight at the bottom"),
        Dimension("imbalance", "balanced", "out of balance"),
        Dimension("weight spread", "weight near the middle", "weight near the edges"),
        Dimension("thirds", "thirds empty", "weight on the thirds"),
        Dimension("light centre", "dark centre", "light centre"),
        Dimension("vivid centre", "centre paler than its surround", "centre more vivid than its surround"),
        Dimension("warm centre", "cool centre", "warm centre"),
        Dimension("central weight", "nothing in the centre", "something in the centre"),
        Dimension("roundness", "spokes and stars", "discs and rings"),
        Dimension("even border", "uneven border", "plain border"),
    ),
    _composition,
)

LIGHT_LAYOUT = Topic(
    "light layout",
    "where it is light",
    tuple(Dimension(f"light {place}", f"dark {place}", f"light {place}") for place in _FOUR),
    _light_layout,
)

COLOUR_LAYOUT = Topic(
    "colour layout",
    "where colours lie",
    tuple(Dimension(f"warm {place}", f"cool {place}", f"warm {place}") for place in _THREE),
    _colour_layout,
)
