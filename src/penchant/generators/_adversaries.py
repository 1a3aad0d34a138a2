"""Generator and discriminator of a GAN without normalisation: residual branches that start at zero."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from penchant.core.contracts import ImageSpec
from penchant.generators._told import Projection, Told, judged

FINE = 8
"""Channels at full resolution."""


class Branch(nn.Module):
    """x + conv(leaky(conv(leaky(x)))), its last convolution starting at zero (Fixup, Zhang et al. 2019)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, a=0.2)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.last(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))


class MinibatchDeviation(nn.Module):
    """One more channel: how much images differ within fours in a row (Karras et al. 2018, section 3)."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        count, _, height, width = x.shape
        size = next(size for size in (4, 2, 1) if count % size == 0)
        groups = x.float().unflatten(0, (count // size, size))
        deviation = (groups.var(dim=1, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
        channel = deviation.repeat_interleave(size)[:, None, None, None].expand(count, 1, height, width)
        return torch.cat([x, channel.to(x.dtype)], dim=1)


class Levels:
    """Sides and channels from the finest level to the coarsest; the finest is at half size (a quarter from 64 px)."""

    def __init__(self, image: ImageSpec, widths: tuple[int, ...]):
        self.patch = 2 if image.size < 64 else 4
        self.pixels = image.channels * self.patch**2
        self.sides = [image.size // self.patch]
        while self.sides[-1] > 7 and self.sides[-1] % 2 == 0:
            self.sides.append(self.sides[-1] // 2)
        levels = range(len(self.sides))
        self.channels = [widths[min(level, len(widths) - 1)] * self.patch // 2 for level in levels]


class PlainGenerator(nn.Module):
    """Latents to images in about [−1, 1], level by level, one residual branch each.

    Patches of pixels are channels, since convolutions at full resolution cost most; one of few channels, the last,
    smooths the seams between patches.
    """

    def __init__(self, image: ImageSpec, latent_dim: int, widths: tuple[int, ...], condition_dim: int = 0):
        super().__init__()
        self.told = Told(latent_dim, condition_dim)
        levels = Levels(image, widths)
        side, wide = levels.sides[-1], levels.channels[-1]
        parts: list[nn.Module] = [
            nn.Linear(latent_dim + self.told.width, wide * side * side),
            nn.Unflatten(1, (wide, side, side)),
            Branch(wide),
        ]
        for narrow, wide in pairwise(reversed(levels.channels)):
            parts += [nn.Upsample(scale_factor=2), nn.Conv2d(narrow, wide, 3, padding=1), Branch(wide)]
        parts += [nn.LeakyReLU(0.2), nn.Conv2d(levels.channels[0], FINE * levels.patch**2, 3, padding=1)]
        parts += [nn.PixelShuffle(levels.patch), nn.LeakyReLU(0.2), nn.Conv2d(FINE, image.channels, 3, padding=1)]
        self.layers = nn.Sequential(*parts)

    def forward(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        return self.layers(self.told(latents, condition)).float()


class Discriminator(nn.Module):
    """Images in [−1, 1] to one score each, higher for real ones; no normalisation, so images are judged alone.

    With ``minibatch_deviation`` the score also depends on how much the batch varies, which tells a collapsed one; under
    a condition also on how well images fit it.
    """

    def __init__(self, image: ImageSpec, widths: tuple[int, ...], minibatch_deviation: bool, condition_dim: int = 0):
        super().__init__()
        levels = Levels(image, widths)
        first = levels.channels[0]
        parts: list[nn.Module] = [nn.PixelUnshuffle(levels.patch), nn.Conv2d(levels.pixels, first, 3, padding=1)]
        parts.append(Branch(first))
        for wide, narrow in pairwise(levels.channels):
            parts += [nn.Conv2d(wide, narrow, 3, stride=2, padding=1), Branch(narrow)]
        last = levels.channels[-1]
        if minibatch_deviation:
            parts += [MinibatchDeviation(), nn.Conv2d(last + 1, last, 3, padding=1)]
        side = levels.sides[-1]
        self.layers = nn.Sequential(*parts, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(last * side * side, 1))
        self.projection = Projection(last * side * side, condition_dim) if condition_dim else None

    def forward(
        self, pixels: Float[Tensor, "n c h w"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, " n"]:
        return judged(self.layers, self.projection, pixels, condition)
