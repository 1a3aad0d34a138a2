"""Light and contrast: how bright, how the tones are spread, how far apart they are."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from penchant.features._planes import Dimension, Planes, Topic, entropy, mean, spread


def _light(planes: Planes) -> Float[Tensor, "n 5"]:
    """Brightness and the shape of the histogram of tones.

    Shadows and highlights are soft shares of pixels under .25 and over .75 (square roots, since most images have
    few); skewness and histogram entropy are the luminance statistics of Graham, Friedenberg & Rockmore (2010).
    """
    light = planes.light.flatten(1)
    centred = light - light.mean(1, keepdim=True)
    skewness = (centred**3).mean(1) / (centred.square().mean(1) + 1e-3) ** 1.5
    centres = torch.linspace(0, 1, 8, dtype=light.dtype, device=light.device)
    histogram = torch.stack([torch.exp(-(((light - centre) / 0.1) ** 2)).mean(1) for centre in centres], 1)
    return torch.stack(
        [
            light.mean(1),
            (torch.sigmoid((0.25 - light) / 0.06).mean(1) + 1e-3).sqrt(),
            (torch.sigmoid((light - 0.75) / 0.06).mean(1) + 1e-3).sqrt(),
            torch.tanh(skewness / 2),
            entropy(histogram + 1e-4),
        ],
        1,
    )


def _contrast(planes: Planes) -> Float[Tensor, "n 6"]:
    """How far light is from dark, over the whole picture, between its regions and inside them.

    Root-mean-square contrast is that of Peli (1990), equation 3; the tonal range is the mean of the lightest tenth of
    the pixels less that of the darkest tenth, and the inner range that of the lightest and darkest thirds; local
    contrast is the mean spread inside an 8 × 8 grid of blocks, coarse contrast the spread between them. Two-tonedness
    is how close spread comes to half the tonal range, its largest possible value.
    """
    light = planes.light
    ordered = light.flatten(1).sort(1).values
    tenth, third = max(1, ordered.shape[1] // 10), ordered.shape[1] // 3
    tonal_range = ordered[:, -tenth:].mean(1) - ordered[:, :tenth].mean(1)
    inner_range = ordered[:, -third:].mean(1) - ordered[:, :third].mean(1)
    blocks = F.adaptive_avg_pool2d(light[:, None], 8)
    squares = F.adaptive_avg_pool2d(light[:, None] ** 2, 8)
    local = ((squares - blocks**2).clamp_min(0) + 1e-5).sqrt()
    contrast = spread(light)
    return torch.stack(
        [contrast, tonal_range, inner_range, mean(local), spread(blocks), contrast / (tonal_range + 0.05)], 1
    )


LIGHT = Topic(
    "light",
    "light",
    (
        Dimension("brightness", "dark", "bright"),
        Dimension("shadows", "without deep shadows", "with deep shadows"),
        Dimension("highlights", "without bright lights", "with bright lights"),
        Dimension("tone balance", "dark spots on light", "light spots on dark"),
        Dimension("tone variety", "of few tones", "of many tones"),
    ),
    _light,
)

CONTRAST = Topic(
    "contrast",
    "contrast",
    (
        Dimension("contrast", "low in contrast", "high in contrast"),
        Dimension("tonal range", "of a narrow range of tones", "from deep dark to bright light"),
        Dimension("inner tonal range", "mostly of middle tones", "few middle tones"),
        Dimension("local contrast", "smooth inside its parts", "contrasting inside its parts"),
        Dimension("coarse contrast", "parts equally light", "light parts against dark parts"),
        Dimension("two tones", "graded tones", "in two clear tones"),
    ),
    _contrast,
)
