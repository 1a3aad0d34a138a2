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
from penchant.generators._adversaries import Branch, MinibatchDeviation
from penchant.generators._told import Projection, Told, judged
from penchant.training.objective import Batch, Clock, Loss


def sides_of(size: int) -> list[int]:
    """Pixels a side of the stages, from the coarsest (4 to 7) to ``size``."""
    sides = [size]
    while sides[0] > 7 and sides[0] % 2 == 0:
        sides.insert(0, sides[0] // 2)
    return sides


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


def _channels(sides: list[int], widths: tuple[int, ...]) -> list[int]:
    return [widths[min(level, len(widths) - 1)] for level in reversed(range(len(sides)))]


class GrowingGenerator(nn.Module):
    """Latents to images in about [−1, 1], always at full size; at ``growth`` they are as detailed as that stage."""

    def __init__(self, image: ImageSpec, latent_dim: int, widths: tuple[int, ...], condition_dim: int = 0):
        super().__init__()
        self.told = Told(latent_dim, condition_dim)
        self.sides = sides_of(image.size)
        self.growth = len(self.sides) - 1.0
        channels = _channels(self.sides, widths)
        side, wide = self.sides[0], channels[0]
        start = [
            nn.Linear(latent_dim + self.told.width, wide * side * side),
            nn.Unflatten(1, (wide, side, side)),
            Branch(wide),
        ]
        ups = [
            nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1), Branch(b))
            for a, b in pairwise(channels)
        ]
        self.levels = nn.ModuleList([nn.Sequential(*start), *ups])
        self.leave = nn.ModuleList(
            nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(width, image.channels, 1)) for width in channels
        )

    def forward(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        stage, share = int(self.growth), self.growth % 1
        x = self.told(latents, condition)
        for level in self.levels[: stage + 1]:
            x = level(x)
        pixels = self.leave[stage](x).float()
        if share:
            finer = self.leave[stage + 1](self.levels[stage + 1](x)).float()
            pixels = torch.lerp(_to(pixels, finer.shape[-1]), finer, share)
        return _to(pixels, self.sides[-1])


class GrowingDiscriminator(nn.Module):
    """Images in [−1, 1], always at full size, to one score each; at ``growth`` it sees no more than that stage."""

    def __init__(self, image: ImageSpec, widths: tuple[int, ...], minibatch_deviation: bool, condition_dim: int = 0):
        super().__init__()
        self.sides = sides_of(image.size)
        self.growth = len(self.sides) - 1.0
        channels = _channels(self.sides, widths)
        self.enter = nn.ModuleList(
            nn.Sequential(nn.Conv2d(image.channels, width, 1), Branch(width)) for width in channels
        )
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(b, a, 3, stride=2, padding=1), Branch(a)) for a, b in pairwise(channels)
        )
        last = channels[0]
        told = [MinibatchDeviation(), nn.Conv2d(last + 1, last, 3, padding=1)] if minibatch_deviation else []
        self.judge = nn.Sequential(*told, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(last * self.sides[0] ** 2, 1))
        self.projection = Projection(last * self.sides[0] ** 2, condition_dim) if condition_dim else None

    def forward(
        self, pixels: Float[Tensor, "n c h w"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, " n"]:
        stage, share = int(self.growth), self.growth % 1
        if share:
            finer = self.downs[stage](self.enter[stage + 1](_to(pixels, self.sides[stage + 1])))
            x = torch.lerp(self.enter[stage](_to(pixels, self.sides[stage])).to(finer.dtype), finer, share)
        else:
            x = self.enter[stage](_to(pixels, self.sides[stage]))
        for down in reversed(self.downs[:stage]):
            x = down(x)
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
