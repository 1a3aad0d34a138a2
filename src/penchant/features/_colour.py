"""Colour: warmth, colourfulness, saturation and which hues there are."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.features._planes import Dimension, Planes, Topic, entropy, mean, spread

_HUES = ("red", "amber", "lime", "green", "cyan", "blue", "violet", "pink")
_SHARPNESS = 6.0


def _hue_amounts(planes: Planes) -> Float[Tensor, "n 8"]:
    """Mean chroma in eight soft bins of hue.

    Hue is the angle in the plane across the grey axis, α = R − (G + B)/2, β = √3/2·(G − B) (Hanbury 2008); a pixel
    counts by its chroma √(α² + β²), so grey pixels, whose hue means nothing, count nothing, and the bins' weights
    are a softmax of the cosine between hue and bin centre.
    """
    red, green, blue = planes.rgb.flatten(2).unbind(1)
    alpha, beta = red - (green + blue) / 2, math.sqrt(3) / 2 * (green - blue)
    chroma = (alpha**2 + beta**2 + 1e-6).sqrt()
    angles = torch.arange(8, dtype=alpha.dtype, device=alpha.device) * (math.pi / 4)
    cosines = (alpha / chroma)[:, None] * angles.cos()[:, None] + (beta / chroma)[:, None] * angles.sin()[:, None]
    weights = (_SHARPNESS * cosines).softmax(1)
    return (weights * chroma[:, None]).mean(2)


def _colour(planes: Planes) -> Float[Tensor, "n 9"]:
    """Overall colour.

    Colourfulness is M = √(σ_rg² + σ_yb²) + 0.3·√(μ_rg² + μ_yb²) of Hasler & Süsstrunk (2003), equation 3, here as a
    square root because M has a heavy upper tail. Warmth is the mean of R − B squashed per pixel, so that a little
    vivid orange does not pass for a warm picture.
    """
    rg, yb = planes.red_green, planes.yellow_blue
    rg_mean, yb_mean, rg_spread, yb_spread = mean(rg), mean(yb), spread(rg), spread(yb)
    colourfulness = (rg_spread**2 + yb_spread**2).sqrt() + 0.3 * (rg_mean**2 + yb_mean**2 + 1e-6).sqrt()
    highest, lowest = planes.rgb.amax(1), planes.rgb.amin(1)
    saturation = (highest - lowest) / (highest + 0.1)
    warm = torch.tanh(2 * (planes.rgb[:, 0] - planes.rgb[:, 2]))
    return torch.stack(
        [
            mean(warm),
            rg_mean,
            yb_mean,
            colourfulness.sqrt(),
            mean(saturation),
            spread(saturation),
            spread(warm),
            rg_spread.sqrt(),
            yb_spread.sqrt(),
        ],
        1,
    )


def _hues(planes: Planes) -> Float[Tensor, "n 9"]:
    """Square roots of the amounts of eight hues (Hellinger's transform for histograms), and how varied they are."""
    amounts = _hue_amounts(planes)
    return torch.cat([(amounts + 1e-4).sqrt(), entropy(amounts + 1e-3)[:, None]], 1)


COLOUR = Topic(
    "colour",
    "colours",
    (
        Dimension("warmth", "cool", "warm"),
        Dimension("red against green", "greenish", "reddish"),
        Dimension("yellow against blue", "bluish", "yellowish"),
        Dimension("colourfulness", "muted colours", "colourful"),
        Dimension("saturation", "pale or grey", "saturated"),
        Dimension("saturation spread", "evenly saturated", "vivid beside pale"),
        Dimension("warm-cool contrast", "of one temperature", "warm beside cool"),
        Dimension("red-green contrast", "red and green alike throughout", "reds beside greens"),
        Dimension("yellow-blue contrast", "yellow and blue alike throughout", "yellows beside blues"),
    ),
    _colour,
)

HUES = Topic(
    "hues",
    "hues",
    (
        *(Dimension(hue, f"little {hue}", f"much {hue}") for hue in _HUES),
        Dimension("hue variety", "of one hue", "of many hues"),
    ),
    _hues,
)
