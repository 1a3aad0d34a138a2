"""A small convolutional encoder that reads statistics off every depth, and the contrastive loss that trains it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from penchant.features._planes import MOST_PIXELS, variance

WIDTHS = (24, 48, 96)
"""Channels of the convolutions; places are halved in between."""

RAW = 3 * sum(WIDTHS)
"""How many statistics there are."""

_OUTPUTS = 128


def side_and_patch(height: int, width: int) -> tuple[int, int]:
    """The side images are averaged down to, and the side of the patches of pixels that become channels.

    Convolutions at full resolution would cost most and see least; 7 to 16 places a side are left.

    >>> side_and_patch(32, 32), side_and_patch(28, 28), side_and_patch(128, 96)
    ((32, 2), (28, 2), (64, 4))
    """
    side = min(MOST_PIXELS, height, width)
    patch = 2 if side < 48 else 4
    return side - side % patch, patch


def statistics(
    images: Float[Tensor, "n c h w"], layers: Sequence[tuple[Tensor, Tensor]], side: int, patch: int
) -> Float[Tensor, "n r"]:
    """Of every channel at every depth: the mean, the standard deviation over places, and how the middle stands out.

    Random convolutions with such statistics already see much of what tastes are about (arXiv 2208.09218); training
    makes their channels those in which the images differ. ``layers`` are kernels and biases, in the images' precision.
    """
    if images.shape[-2:] != (side, side):
        images = F.adaptive_avg_pool2d(images, side)
    layer = F.pixel_unshuffle((images.expand(-1, 3, -1, -1) - 0.5) * 4, patch)
    found: list[Tensor] = []
    for depth, (kernel, bias) in enumerate(layers):
        if depth > 0:
            layer = F.avg_pool2d(layer, 2)
        layer = F.silu(F.conv2d(F.pad(layer, (1, 1, 1, 1), mode="replicate"), kernel, bias))
        mean = layer.mean((2, 3))
        middle = F.adaptive_avg_pool2d(layer, 4)[:, :, 1:3, 1:3].mean((2, 3))
        found += [mean, (variance(layer.flatten(2)) + 1e-4).sqrt(), ((middle - mean).square() + 1e-3).sqrt()]
    return torch.cat(found, 1)


class Network(nn.Module):
    """The encoder, with the projection head that only training needs (Chen et al. 2020, section 4.2)."""

    def __init__(self, side: int, patch: int):
        super().__init__()
        self.side, self.patch = side, patch
        inputs = (3 * patch**2, *WIDTHS[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3) for before, after in zip(inputs, WIDTHS, strict=True)
        )
        for layer in self.convolutions:
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.head = nn.Sequential(
            nn.LayerNorm(RAW), nn.Linear(RAW, 2 * _OUTPUTS), nn.LayerNorm(2 * _OUTPUTS), nn.SiLU(),
            nn.Linear(2 * _OUTPUTS, _OUTPUTS),
        )  # fmt: skip

    @property
    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Kernels and biases."""
        found: list[tuple[Tensor, Tensor]] = []
        for layer in self.convolutions:
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            found.append((layer.weight, layer.bias))
        return found

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n p"]:
        """Where the head puts each image."""
        return self.head(statistics(images, self.layers, self.side, self.patch))


def nt_xent(
    first: Float[Tensor, "n p"], second: Float[Tensor, "n p"], temperature: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The normalised temperature-scaled cross entropy of SimCLR (Chen et al. 2020, eq. 1), and how often it is right.

    Row i of ``first`` and of ``second`` are views of one image; each has to find the other among 2n − 1 candidates.

    >>> loss, found = nt_xent(torch.eye(4), torch.eye(4), temperature=0.1)
    >>> round(float(loss), 4), float(found)
    (0.0003, 1.0)
    """
    count = len(first)
    places = F.normalize(torch.cat([first, second]), dim=1)
    likeness = places @ places.T / temperature
    likeness = likeness.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=places.device), -torch.inf)
    partners = torch.arange(2 * count, device=places.device).roll(count)
    found = (likeness.argmax(1) == partners).float().mean()
    return F.cross_entropy(likeness, partners), found
