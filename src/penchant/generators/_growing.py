"""Two networks that grow with the run: first coarse images, then finer ones that fade in (Karras et al. 2018)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from penchant.core.contracts import ImageSpec
from penchant.generators._adversaries import FINE, Branch, Levels, MinibatchDeviation
from penchant.generators._told import Projection, Told, judged
from penchant.training.objective import Batch, Clock, Loss


def sides_of(image: ImageSpec) -> list[int]:
    """Pixels a side of the stages: 4 to 7 first, doubled up to the patches of ``gan``'s generator, then full size."""
    return [*reversed(Levels(image, (8,)).sides), image.size]


def growth_at(fraction: float, stages: int, growing: float) -> float:
    """The stage, from 0, at a fraction of the budget; between two whole numbers the next one is fading in.

    All stages are there after ``growing`` of the budget; until then each takes as long as any other, half of it to
    settle and half to fade into the next.
    """
    place = min(1.0, fraction / growing) * (stages - 1)
    stage = min(math.floor(place), stages - 1)
    return min(stage + max(0.0, 2 * (place - stage) - 1), float(stages - 1))


def _to(pixels: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c k k"]:
    """Images at ``side`` pixels: means of squares, or each pixel repeated."""
    if side < pixels.shape[-1]:
        return F.avg_pool2d(pixels, pixels.shape[-1] // side)
    return F.interpolate(pixels, scale_factor=float(side // pixels.shape[-1])) if side > pixels.shape[-1] else pixels


class GrowingGenerator(nn.Module):
    """Latents to images in about [−1, 1], always at full size; at ``growth`` they are as detailed as that stage.

    The levels are those of ``gan``; each gives pixels of its own size, and the finest one patches of full size too.
    """

    def __init__(self, image: ImageSpec, latent_dim: int, widths: tuple[int, ...], condition_dim: int = 0):
        super().__init__()
        self.told = Told(latent_dim, condition_dim)
        levels = Levels(image, widths)
        self.sides = sides_of(image)
        self.growth = len(self.sides) - 1.0
        side, wide, fine = levels.sides[-1], levels.channels[-1], levels.channels[0]
        start = [nn.Linear(latent_dim + self.told.width, wide * side * side), nn.Unflatten(1, (wide, side, side))]
        ups = [
            nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1), Branch(b))
            for a, b in pairwise(reversed(levels.channels))
        ]
        self.levels = nn.ModuleList([nn.Sequential(*start, Branch(wide)), *ups])
        coarse = [
            nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(width, image.channels, 1)) for width in reversed(levels.channels)
        ]
        patches = [nn.LeakyReLU(0.2), nn.Conv2d(fine, FINE * levels.patch**2, 3, padding=1)]
        smooth = [nn.PixelShuffle(levels.patch), nn.LeakyReLU(0.2), nn.Conv2d(FINE, image.channels, 3, padding=1)]
        self.leave = nn.ModuleList([*coarse, nn.Sequential(*patches, *smooth)])

    def forward(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        stage, share = int(self.growth), self.growth % 1
        x = self.told(latents, condition)
        for level in self.levels[: stage + 1]:
            x = level(x)
        pixels = self.leave[stage](x).float()
        if share:
            for level in self.levels[stage + 1 : stage + 2]:  # the last stage has no level of its own
                x = level(x)
            finer = self.leave[stage + 1](x).float()
            pixels = torch.lerp(_to(pixels, finer.shape[-1]), finer, share)
        return _to(pixels, self.sides[-1])


class GrowingDiscriminator(nn.Module):
    """Images in [−1, 1], always at full size, to one score each; at ``growth`` it sees no more than that stage."""

    def __init__(self, image: ImageSpec, widths: tuple[int, ...], minibatch_deviation: bool, condition_dim: int = 0):
        super().__init__()
        levels = Levels(image, widths)
        self.sides = sides_of(image)
        self.growth = len(self.sides) - 1.0
        coarse = [nn.Conv2d(image.channels, width, 1) for width in reversed(levels.channels)]
        patches = [nn.PixelUnshuffle(levels.patch), nn.Conv2d(levels.pixels, levels.channels[0], 3, padding=1)]
        self.enter = nn.ModuleList([*coarse, nn.Sequential(*patches)])
        self.branches = nn.ModuleList(Branch(width) for width in reversed(levels.channels))
        self.downs = nn.ModuleList(
            nn.Conv2d(b, a, 3, stride=2, padding=1) for a, b in pairwise(reversed(levels.channels))
        )
        last, features = levels.channels[-1], levels.channels[-1] * levels.sides[-1] ** 2
        told = [MinibatchDeviation(), nn.Conv2d(last + 1, last, 3, padding=1)] if minibatch_deviation else []
        self.judge = nn.Sequential(*told, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(features, 1))
        self.projection = Projection(features, condition_dim) if condition_dim else None

    def forward(
        self, pixels: Float[Tensor, "n c h w"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, " n"]:
        stage, share = int(self.growth), self.growth % 1
        level = min(stage, len(self.branches) - 1)
        x = self.enter[stage](_to(pixels, self.sides[stage]))
        if share:
            finer = self.enter[stage + 1](_to(pixels, self.sides[stage + 1]))
            if stage + 1 < len(self.branches):  # the last stage has no level of its own
                finer = self.downs[stage](self.branches[stage + 1](finer))
            x = torch.lerp(x.to(finer.dtype), finer, share)
        x = self.branches[level](x)
        for finer_level in reversed(range(level)):
            x = self.branches[finer_level](self.downs[finer_level](x))
        return judged(self.judge, self.projection, x, condition)


@dataclass(frozen=True)
class Growing:
    """A loss of both networks, at the stage where the clock says they are; real images fade in as made ones do."""

    loss: Callable[[Batch, torch.Generator, Clock], Loss]
    network: GrowingGenerator
    discriminator: GrowingDiscriminator
    growing: float

    def __call__(self, batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        growth = growth_at(clock.fraction, len(self.network.sides), self.growing)
        self.network.growth = self.discriminator.growth = growth
        return self.loss((faded(batch[0].float(), self.network.sides, growth), *batch[1:]), noise, clock)


def faded(images: Float[Tensor, "n c h w"], sides: list[int], growth: float) -> Float[Tensor, "n c h w"]:
    """Real images with the detail of ``growth``, at their full size."""
    stage, share = int(growth), growth % 1
    seen = _to(images, sides[stage])
    if share:
        finer = _to(images, sides[stage + 1])
        seen = torch.lerp(_to(seen, sides[stage + 1]), finer, share)
    return _to(seen, sides[-1])
