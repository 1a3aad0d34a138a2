"""The network of the flow: which way each pixel of a noisy image should go, at a time, perhaps under a condition."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from penchant.core.contracts import ImageSpec
from penchant.generators._autoencoder import to_pixels
from penchant.training.objective import Batch, Clock, Loss

_DROPPED = 0.1
"""Share of the images that are learned without their condition, so that guidance has something to lead away from."""


class _Block(nn.Module):
    """A residual block of two convolutions, the second one's input scaled and shifted by the moment."""

    def __init__(self, before: int, after: int, moment: int):
        super().__init__()
        self.enter = nn.GroupNorm(math.gcd(before, 8), before)
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.norm = nn.GroupNorm(math.gcd(after, 8), after, affine=False)
        self.moment = nn.Linear(moment, 2 * after)
        self.last = nn.Conv2d(after, after, 3, padding=1)
        self.past = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        for layer in (self.moment, self.last):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "n c h w"], moment: Float[Tensor, "n k"]) -> Float[Tensor, "n d h w"]:
        scale, shift = self.moment(moment)[:, :, None, None].chunk(2, dim=1)
        hidden = self.norm(self.first(F.silu(self.enter(x)))) * (1 + scale) + shift
        return self.past(x) + self.last(F.silu(hidden))


class _Attention(nn.Module):
    """Every place looks at every other one, with four heads; only where there are few places."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(channels, 8), channels)
        self.asked = nn.Conv2d(channels, 3 * channels, 1)
        self.told = nn.Conv2d(channels, channels, 1)
        for parameter in self.told.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        heads = self.asked(self.norm(x)).flatten(2).unflatten(1, (3, 4, -1)).transpose(-1, -2)
        seen = F.scaled_dot_product_attention(heads[:, 0], heads[:, 1], heads[:, 2])
        return x + self.told(seen.transpose(-1, -2).flatten(1, 2).unflatten(2, x.shape[2:]))


class Velocity(nn.Module):
    """The velocity of a rectified flow from noise (time 0) to images in [−1, 1] (time 1): a small U-Net.

    Patches of 2 × 2 pixels (4 × 4 from 64 px on) become channels, since convolutions at full resolution cost most; then
    one residual block a level, down to 4 to 7 places a side where all places attend to each other, and up again.
    ``widths`` are the channels of the levels, the last one repeated (twice as many from 64 px on).

    Around the network lies the preconditioning of Karras et al. 2022 (EDM, eq. 7), written for straight paths
    x_t = (1 − t)·noise + t·image: with images of variance s², v = skip·x + out·F(in·x), where skip is the best linear
    guess and ``in`` and ``out`` make what the network sees and gives of unit size. It starts as that guess.

    A condition is a vector an image. A row of NaN stands for none, and so does no condition at all.
    """

    def __init__(self, image: ImageSpec, widths: tuple[int, ...], condition_dim: int, variance: float):
        super().__init__()
        self.variance = variance
        self.condition_dim = condition_dim
        patch = 2 if image.size < 64 else 4
        side, sides = image.size // patch, [image.size // patch]
        while side > 7 and side % 2 == 0:
            side //= 2
            sides.append(side)
        channels = [widths[min(level, len(widths) - 1)] * patch // 2 for level in range(len(sides))]
        pixels, moment = image.channels * patch * patch, 4 * channels[0]
        self.register_buffer("frequencies", torch.logspace(0, 2, 32), persistent=False)
        self.time = nn.Sequential(nn.Linear(64, moment), nn.SiLU(), nn.Linear(moment, moment))
        wide = max(condition_dim, 1)
        self.condition = nn.Sequential(nn.Linear(wide, moment), nn.SiLU(), nn.Linear(moment, moment))
        self.nothing = nn.Parameter(torch.zeros(moment))
        self.enter = nn.Sequential(nn.PixelUnshuffle(patch), nn.Conv2d(pixels, channels[0], 3, padding=1))
        self.down = nn.ModuleList(_Block(width, width, moment) for width in channels)
        self.narrower = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels))
        self.middle = _Attention(channels[-1])
        self.up = nn.ModuleList(_Block(2 * width, width, moment) for width in reversed(channels))
        self.wider = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(channels))
        self.norm = nn.GroupNorm(math.gcd(channels[0], 8), channels[0])
        self.leave = nn.Conv2d(channels[0], pixels, 3, padding=1)
        self.shuffle = nn.PixelShuffle(patch)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Float[Tensor, "n c h w"], time: Float[Tensor, " m"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """The velocity at ``x``; one time an image, or one for all."""
        t = time[:, None, None, None]
        size = t.square() * self.variance + (1 - t).square()
        skip = (t * self.variance - (1 - t)) / size
        change = self._network(x * size.rsqrt(), self._moment(time, condition).expand(len(x), -1))
        return skip * x + math.sqrt(self.variance) * size.rsqrt() * change.float()

    def _moment(self, time: Float[Tensor, " m"], condition: Float[Tensor, "n k"] | None) -> Float[Tensor, "n k"]:
        angles = time[:, None] * self.get_buffer("frequencies")
        moment = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        if condition is None:
            return F.silu(moment + self.nothing)
        known = condition.isfinite().all(dim=1, keepdim=True)
        return F.silu(moment + torch.where(known, self.condition(condition.nan_to_num()), self.nothing))

    def _network(self, x: Float[Tensor, "n c h w"], moment: Float[Tensor, "n k"]) -> Float[Tensor, "n c h w"]:
        x, seen = self.enter(x), list[Tensor]()
        for level, block in enumerate(self.down):
            x = block(self.narrower[level - 1](x) if level else x, moment)
            seen.append(x)
        x = self.middle(x)
        for level, block in reversed(list(enumerate(reversed(self.up)))):
            x = block(torch.cat([x, seen[level]], dim=1), moment)
            x = self.wider[level - 1](F.interpolate(x, scale_factor=2.0)) if level else x
        return self.shuffle(self.leave(F.silu(self.norm(x))))


class VelocityMatching:
    """E‖v(x_t, t) − (x₁ − x₀)‖² with x_t = (1 − t)·x₀ + t·x₁, x₀ ~ N(0, I), t logit-normal (Esser et al. 2024)."""

    def __init__(self, network: Velocity):
        self.network = network

    def __call__(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        end, condition = to_pixels(batch[0]), batch[1] if len(batch) > 1 else None
        start = torch.randn(end.shape, generator=noise, device=end.device)
        time = torch.sigmoid(torch.randn(len(end), generator=noise, device=end.device))
        if condition is not None:
            dropped = torch.rand(len(end), 1, generator=noise, device=end.device) < _DROPPED
            condition = condition.masked_fill(dropped, float("nan"))
        velocity = self.network(torch.lerp(start, end, time[:, None, None, None]), time, condition)
        return Loss((velocity - (end - start)).square().mean())
