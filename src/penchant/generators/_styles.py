"""The network of the style GAN: noise is mapped to a style, and the style says how every convolution weighs."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from penchant.core.contracts import ImageSpec
from penchant.core.rng import Rng
from penchant.generators._adversaries import FINE, Levels
from penchant.generators._told import Told, normalised

_SLOWER = 0.1
"""How much slower the mapping learns than the rest (.01 in the paper, whose runs are a thousand times as long)."""


class _Slow(nn.Module):
    """A linear layer whose weights move at a tenth of the learning rate (StyleGAN, Karras et al. 2019, appendix C)."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before) / _SLOWER)
        self.bias = nn.Parameter(torch.zeros(after))
        self.scale = _SLOWER / math.sqrt(before)

    def forward(self, x: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        return math.sqrt(2) * F.leaky_relu(F.linear(x, self.weight * self.scale, self.bias * _SLOWER), 0.2)


class _Modulated(nn.Module):
    """A convolution whose weights are scaled by the style (StyleGAN2, Karras et al. 2020, equations 1 and 3).

    Written without a kernel for each image: w′ = s·w scales what goes in, and the division by √Σ w′² what comes out.
    ``demodulated`` False leaves out that division, as for the layers that give pixels.
    """

    def __init__(self, before: int, after: int, style: int, kernel: int, demodulated: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel) / math.sqrt(before * kernel**2))
        self.bias = nn.Parameter(torch.zeros(after))
        self.style = nn.Linear(style, before)
        nn.init.normal_(self.style.weight, std=1 / math.sqrt(style))
        nn.init.ones_(self.style.bias)
        self.demodulated = demodulated

    def forward(self, x: Float[Tensor, "n c h w"], w: Float[Tensor, "n k"]) -> Float[Tensor, "n d h w"]:
        scale = self.style(w)
        y = F.conv2d(x * scale.to(x.dtype)[:, :, None, None], self.weight, padding=self.weight.shape[-1] // 2)
        if self.demodulated:
            squares = self.weight.float().square().sum(dim=(2, 3))
            y = y * (F.linear(scale.float().square(), squares) + 1e-8).rsqrt().to(y.dtype)[:, :, None, None]
        return y + self.bias.to(y.dtype)[:, None, None]


class _Layer(nn.Module):
    """A modulated convolution, its noise, and a leaky rectifier.

    The noise is one map for all channels at a strength that is learned, starting from none. It is no fresh randomness
    but fixed directions of the style, one a place, so that equal styles are equal images.
    """

    def __init__(self, before: int, after: int, style: int, side: int, rng: Rng):
        super().__init__()
        self.convolution = _Modulated(before, after, style, 3)
        self.strength = nn.Parameter(torch.zeros(1))
        directions = torch.randn(side * side, style, generator=rng.torch()) / math.sqrt(style)
        self.register_buffer("directions", directions)

    def forward(self, x: Float[Tensor, "n c h w"], w: Float[Tensor, "n k"]) -> Float[Tensor, "n d h w"]:
        x = self.convolution(x, w)
        noise = F.linear(normalised(w), self.get_buffer("directions")).view(-1, 1, *x.shape[2:])
        return math.sqrt(2) * F.leaky_relu(x + (self.strength * noise).to(x.dtype), 0.2)


class StyleNetwork(nn.Module):
    """Latents to styles to images in about [−1, 1].

    Each level has two modulated convolutions and adds its pixels to those of the level before (StyleGAN2's skip
    outputs). Patches of 2 × 2 pixels (4 × 4 from 64 px on) are channels, as in ``gan``, and one convolution of few
    channels smooths their seams; at 28 px it takes some 7M multiply-adds an image.
    """

    def __init__(
        self,
        image: ImageSpec,
        latent_dim: int,
        style_dim: int,
        layers: int,
        widths: tuple[int, ...],
        condition_dim: int = 0,
    ):
        super().__init__()
        self.told = Told(latent_dim, condition_dim)
        levels, rng = Levels(image, widths), Rng(0).child("noise inputs")
        widths_of_mapping = [latent_dim + self.told.width, *[style_dim] * layers]
        self.mapped = nn.Sequential(*[_Slow(before, after) for before, after in pairwise(widths_of_mapping)])
        coarse, pixels = levels.channels[-1], FINE * levels.patch**2
        self.start = nn.Parameter(torch.randn(1, coarse, levels.sides[-1], levels.sides[-1]))
        channels = [coarse, *reversed(levels.channels)]
        pairs = list(zip(pairwise(channels), reversed(levels.sides), strict=True))
        self.enter = nn.ModuleList(_Layer(a, b, style_dim, side, rng.child(side, "enter")) for (a, b), side in pairs)
        self.refine = nn.ModuleList(_Layer(b, b, style_dim, side, rng.child(side, "refine")) for (_, b), side in pairs)
        self.leave = nn.ModuleList(_Modulated(b, pixels, style_dim, 1, demodulated=False) for (_, b), _ in pairs)
        self.shuffle = nn.PixelShuffle(levels.patch)
        self.smooth = nn.Conv2d(FINE, image.channels, 3, padding=1)

    def mapping(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n w"]:
        """The styles of latents under a condition."""
        return self.mapped(self.told(normalised(latents), condition)).float()

    def synthesis(self, styles: Float[Tensor, "n w"]) -> Float[Tensor, "n c h w"]:
        """The images of styles."""
        x: Tensor = self.start.expand(len(styles), -1, -1, -1)
        pixels: Tensor | None = None
        for enter, refine, leave in zip(self.enter, self.refine, self.leave, strict=True):
            x = refine(enter(x if pixels is None else F.interpolate(x, scale_factor=2.0), styles), styles)
            shown = leave(x, styles)
            pixels = shown if pixels is None else F.interpolate(pixels, scale_factor=2.0) + shown
        assert pixels is not None  # there is at least one level
        return self.smooth(F.leaky_relu(self.shuffle(pixels), 0.2)).float()

    def forward(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        return self.synthesis(self.mapping(latents, condition))
