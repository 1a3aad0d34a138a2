"""Hidden tastes: a number per image, computed in CIELAB and in NumPy, apart from what any extractor computes."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Taste = Callable[[Float[Tensor, "n c h w"]], Float[np.ndarray, " n"]]

LEAST_SPREAD = 1e-3
"""A taste whose standard deviation is under this sees no difference: what is left is rounding."""

_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _XYZ.sum(1)


def lab(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n h w 3"]:
    """CIELAB (D65) of sRGB images: L* from 0 to 100, a* green to red, b* blue to yellow (IEC 61966-2-1, CIE 15)."""
    rgb = images.detach().cpu().float().clamp(0, 1).expand(-1, 3, -1, -1).numpy().transpose(0, 2, 3, 1)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    relative = linear @ (_XYZ.T / _WHITE).astype(np.float32)
    f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def warmth(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """Share of the picture that is warm: a soft step over each pixel's chroma along hue 55° (orange) of CIELAB."""
    _, a, b = np.moveaxis(lab(images), -1, 0)
    along = a * np.cos(np.radians(55)) + b * np.sin(np.radians(55))
    return np.tanh(along / 15).mean((1, 2))


def mirror_symmetry(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """How small the colour difference between left and right is, against what two random places would show.

    −mean ΔE(I, mirror I) / mean ΔE(I, median of I), after averaging to 12 columns and rows or so.
    """
    small = _reduced(lab(images), 12)
    difference = _distance(small, small[:, :, ::-1]).mean((1, 2))
    usual = _distance(small, np.median(small, axis=(1, 2), keepdims=True)).mean((1, 2))
    return -np.sqrt((difference + 0.5) / (usual + 0.5))


def light_contrast(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """Mean absolute deviation of L* from its median."""
    lightness = lab(images)[..., 0]
    return np.abs(lightness - np.median(lightness, axis=(1, 2), keepdims=True)).mean((1, 2))


def vividness(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """Mean chroma √(a*² + b*²), and half as much for colours that differ from each other."""
    colour = lab(images)[..., 1:]
    chroma = np.hypot(colour[..., 0], colour[..., 1]).mean((1, 2))
    return chroma + 0.5 * np.sqrt(colour.var((1, 2)).sum(-1))


def central_interest(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """How far the middle ninth's colour is from that of the border."""
    colours = lab(images)
    height, width = colours.shape[1:3]
    middle = colours[:, height // 3 : -(height // 3), width // 3 : -(width // 3)].mean((1, 2))
    border = np.concatenate([colours[:, 0], colours[:, -1], colours[:, :, 0], colours[:, :, -1]], axis=1).mean(1)
    return np.sqrt(np.linalg.norm(middle - border, axis=-1))


def complexity(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """Log of the mean colour difference between neighbours."""
    return np.log(_total_variation(lab(images)) + 0.5)


def mean_lightness(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """Mean L*."""
    return lab(images)[..., 0].mean((1, 2))


def colour_harmony(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """How well the colours lie on one line through grey: one hue, or two opposite ones.

    |mean (a* + i b*)²| / mean (a*² + b*²), from 0 (all hues, or two at right angles) to 1.
    """
    _, a, b = np.moveaxis(lab(images).astype(np.float64), -1, 0)
    return np.abs(((a + 1j * b) ** 2).mean((1, 2))) / ((a**2 + b**2).mean((1, 2)) + 1.0)


def distance_from_thirds(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    """How far the centre of what stands out is from the nearest crossing of the thirds, in picture sides.

    What stands out is the colour difference from the median colour.
    """
    colours = lab(images)
    weight = _distance(colours, np.median(colours, axis=(1, 2), keepdims=True)).astype(np.float64) + 1e-3
    height, width = weight.shape[1:]
    total = weight.sum((1, 2))
    down = weight.sum(2) @ ((np.arange(height) + 0.5) / height) / total
    across = weight.sum(1) @ ((np.arange(width) + 0.5) / width) / total
    return np.hypot(*(np.minimum(abs(place - 1 / 3), abs(place - 2 / 3)) for place in (down, across)))


def thumbnails(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n p"]:
    """The picture in 8 × 8 colours of CIELAB, as one row."""
    colours = torch.from_numpy(np.ascontiguousarray(lab(images).transpose(0, 3, 1, 2)))
    return F.adaptive_avg_pool2d(colours, 8).flatten(1).double().numpy()


def _total_variation(colours: Float[np.ndarray, "n h w 3"]) -> Float[np.ndarray, " n"]:
    across = _distance(colours[:, :, 1:], colours[:, :, :-1]).mean((1, 2))
    down = _distance(colours[:, 1:], colours[:, :-1]).mean((1, 2))
    return (across + down) / 2


def _distance(a: Float[np.ndarray, "n h w 3"], b: Float[np.ndarray, "n #h #w 3"]) -> Float[np.ndarray, "n h w"]:
    """ΔE of CIE 1976."""
    return np.sqrt(((a - b) ** 2).sum(-1))


def _reduced(colours: Float[np.ndarray, "n h w 3"], side: int) -> Float[np.ndarray, "n s s 3"]:
    """Averages over equal square blocks; what does not fill a block is cut off evenly at the borders."""
    block = max(1, min(colours.shape[1:3]) // side)
    rows, columns = colours.shape[1] // block, colours.shape[2] // block
    top, left = (colours.shape[1] - rows * block) // 2, (colours.shape[2] - columns * block) // 2
    cut = colours[:, top : top + rows * block, left : left + columns * block]
    return cut.reshape(len(cut), rows, block, columns, block, 3).mean((2, 4))
