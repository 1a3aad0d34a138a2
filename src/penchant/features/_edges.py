"""Edges: how many, how hard, which way they run, and how alike they are across the picture."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from penchant.features._planes import Dimension, Planes, Topic, entropy, mean

_BINS = 8


def _orientations(planes: Planes) -> Float[Tensor, "n 8 t t"]:
    """Edge strength in eight soft bins of edge orientation, from vertical by 22.5° steps.

    The bins' weights are a softmax of cos 2(θ − θ_k), from the structure tensor and so without an arctangent.
    """
    level = planes.energy + 1e-5
    angles = torch.arange(_BINS, dtype=level.dtype, device=level.device) * (2 * math.pi / _BINS)
    cosine, sine = (planes.cosine / level)[:, None], (planes.sine / level)[:, None]
    weights = (3 * (cosine * angles.cos()[:, None, None] + sine * angles.sin()[:, None, None])).softmax(1)
    return weights * planes.magnitude[:, None]


def _edges(planes: Planes) -> Float[Tensor, "n 12"]:
    """Edge density, hardness, orientation and its regularity.

    Edge-orientation entropy is first-order as in Redies, Brachmann & Wagemans (2017); self-similarity is the mean
    histogram intersection between the cells of a 4 × 4 grid and the whole picture (PHOG, Amirshahi et al. 2012,
    equation 2, one level); sparseness is Hoyer's (2004) of the edge strengths; straightness is the coherence of the
    structure tensor in the same grid.
    """
    magnitude = planes.magnitude
    level = mean(magnitude)
    root_mean_square = (mean(planes.energy) + 1e-6).sqrt()
    maps = _orientations(planes)
    whole = maps.mean((2, 3))
    shares = whole / whole.sum(1, keepdim=True)
    cells = F.adaptive_avg_pool2d(maps, 4)
    strength = cells.sum(1)
    alike = torch.minimum(cells / strength[:, None], shares[:, :, None, None]).sum(1)
    tensor = F.adaptive_avg_pool2d(torch.stack([planes.energy, planes.cosine, planes.sine], 1), 4)
    coherence = (tensor[:, 1:].square().sum(1) + 1e-10).sqrt() / (tensor[:, 0] + 1e-5)
    count = magnitude[0].numel()
    sparseness = (math.sqrt(count) - math.sqrt(count) * level / root_mean_square) / (math.sqrt(count) - 1)
    vertical, rising, horizontal, falling = (
        shares[:, (2 * k - 1) % 8] + 2 * shares[:, 2 * k] + shares[:, 2 * k + 1] for k in range(4)
    )
    return torch.stack(
        [
            (level + 0.01).log(),
            (torch.sigmoid((magnitude - 0.15) / 0.03).mean((1, 2)) + 1e-3).sqrt(),
            sparseness,
            vertical,
            horizontal,
            rising,
            falling,
            entropy(shares),
            mean(coherence),
            mean(alike),
            mean((strength + 0.01).log()),
            (mean(planes.colour_steps) + 0.01).log(),
        ],
        1,
    )


EDGES = Topic(
    "edges",
    "edges",
    (
        Dimension("edge density", "calm", "busy"),
        Dimension("hard edges", "soft edges", "hard edges"),
        Dimension("edge sparseness", "detail everywhere", "detail in few places"),
        Dimension("vertical edges", "few verticals", "many verticals"),
        Dimension("horizontal edges", "few horizontals", "many horizontals"),
        Dimension("rising edges", "few rising diagonals", "many rising diagonals"),
        Dimension("falling edges", "few falling diagonals", "many falling diagonals"),
        Dimension("edge-orientation entropy", "edges in few directions", "edges in all directions"),
        Dimension("straightness", "curved or tangled", "straight"),
        Dimension("self-similarity", "parts unlike the whole", "parts like the whole"),
        Dimension("detail everywhere", "with empty parts", "filled throughout"),
        Dimension("colour edges", "colours that run into each other", "colours that clash at edges"),
    ),
    _edges,
)
