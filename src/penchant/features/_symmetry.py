"""Symmetry: how alike an image and its mirror images and turns are."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from penchant.features._planes import Dimension, Planes, Topic


def _symmetry(planes: Planes) -> Float[Tensor, "n 9"]:
    """Likeness of an image to its own transforms, over the three colour channels.

    For a transform T: the correlation of I and T(I), (cov + ε)/(var + ε), which tells shared structure whatever the
    contrast (as in the symmetry maps of Mayer & Landwehr 2018, without learned filters) and is 1 for a flat image;
    and for the mirrors also how small the mean colour difference is against that from the mean colour, as −log.
    Images are first averaged to 16 × 16: a mirror axis off by a pixel is still a mirror axis.
    """
    small = F.adaptive_avg_pool2d(planes.rgb, 16)
    centred = small - small.mean((2, 3), keepdim=True)
    variance = (centred**2).mean((1, 2, 3))

    def likeness(transformed: Tensor) -> Tensor:
        return ((centred * transformed).mean((1, 2, 3)) + 1e-4) / (variance + 1e-4)

    typical = _distance(centred)

    def closeness(transformed: Tensor) -> Tensor:
        return -((_distance(centred - transformed) + 0.01) / (typical + 0.01)).log()

    opponents = F.adaptive_avg_pool2d(torch.stack([planes.red_green, planes.yellow_blue], 1), 16)
    colours = opponents - opponents.mean((2, 3), keepdim=True)
    left_right, up_down = centred.flip(3), centred.flip(2)
    return torch.stack(
        [
            likeness(left_right),
            closeness(left_right),
            -((_distance(colours - colours.flip(3)) + 0.01) / (_distance(colours) + 0.01)).log(),
            likeness(up_down),
            closeness(up_down),
            likeness(centred.flip((2, 3))),
            likeness(centred.rot90(1, (2, 3))),
            likeness(centred.transpose(2, 3)),
            likeness(centred.rot90(2, (2, 3)).transpose(2, 3)),
        ],
        1,
    )


def _distance(difference: Float[Tensor, "n c s s"]) -> Float[Tensor, " n"]:
    """Mean length of a difference in colour."""
    return (difference.square().mean(1) + 1e-6).sqrt().mean((1, 2))


SYMMETRY = Topic(
    "symmetry",
    "symmetry",
    (
        Dimension("left-right symmetry", "left and right unlike", "mirrored left to right"),
        Dimension("left-right closeness", "left and right far apart", "left and right nearly the same"),
        Dimension("left-right colour symmetry", "colours differ left and right", "the same colours left and right"),
        Dimension("up-down symmetry", "top and bottom unlike", "mirrored top to bottom"),
        Dimension("up-down closeness", "top and bottom far apart", "top and bottom nearly the same"),
        Dimension("half-turn symmetry", "different upside down", "the same upside down"),
        Dimension("quarter-turn symmetry", "different on its side", "the same on its side"),
        Dimension(
            "falling-diagonal symmetry", "unlike across the falling diagonal", "mirrored at the falling diagonal"
        ),
        Dimension("rising-diagonal symmetry", "unlike across the rising diagonal", "mirrored at the rising diagonal"),
    ),
    _symmetry,
)
