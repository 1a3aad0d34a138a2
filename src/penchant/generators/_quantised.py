"""An autoencoder whose codes are a grid of tokens: finite scalar quantisation, and the loss that it lowers."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from penchant.core.contracts import ImageSpec
from penchant.generators._autoencoder import Residual, drawn, to_pixels
from penchant.training.objective import Batch, Clock, Loss

_COARSEST = 8
_FINE = 8


class ScalarQuantiser(nn.Module):
    """Each channel of a code is rounded to one of a few levels (Mentzer et al. 2023, arXiv 2309.15505, section 3.1).

    The codebook is the grid of all combinations of levels: nothing to learn, so no code can die for want of being
    chosen, and no loss beside that of the images. Rounding lets gradients through as if it were not there. Always in
    float32, since neighbouring levels are alike in bfloat16.
    """

    def __init__(self, levels: Sequence[int]):
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)

    def bounded(self, codes: Float[Tensor, "n h w k"]) -> Float[Tensor, "n h w k"]:
        """The codes within the levels, 0 to levels − 1, before they are rounded."""
        top = (self.get_buffer("levels") - 1) / 2
        reach = top * (1 + 1e-3)  # the outermost levels can be reached without infinite codes
        return codes.tanh() * reach + top

    def forward(self, codes: Float[Tensor, "n h w k"]) -> Float[Tensor, "n h w k"]:
        """The level of each channel, a whole number from 0 on, with the gradient of what was rounded."""
        bounded = self.bounded(codes)
        return bounded + (bounded.round() - bounded).detach()

    def scaled(self, levels: Float[Tensor, "n h w k"]) -> Float[Tensor, "n h w k"]:
        """Levels as numbers in [−1, 1], as the decoder gets them."""
        return 2 * levels / (self.get_buffer("levels") - 1) - 1


class TokenAutoencoder(nn.Module):
    """Images in [−1, 1] to a grid of levels and back.

    The grid is 6 to 8 tokens a side at every size of image, since a model of the tokens costs their number. Patches of
    2 × 2 pixels (4 × 4 from 64 px on) are channels; ``widths`` are the channels of the levels, the last one repeated
    (twice as many from 64 px on).
    """

    def __init__(self, image: ImageSpec, levels: Sequence[int], widths: tuple[int, ...]):
        super().__init__()
        patch = 2 if image.size < 64 else 4
        sides = [image.size // patch]
        while sides[-1] > _COARSEST:
            sides.append(sides[-1] // 2)
        self.side, self.levels = sides[-1], tuple(levels)
        channels = [widths[min(level, len(widths) - 1)] * patch // 2 for level in range(len(sides))]
        pixels = image.channels * patch * patch
        down: list[nn.Module] = [nn.PixelUnshuffle(patch), nn.Conv2d(pixels, channels[0], 3, padding=1)]
        up: list[nn.Module] = [nn.Conv2d(len(levels), channels[-1], 3, padding=1), Residual(channels[-1])]
        down.append(Residual(channels[0]))
        for wide, narrow in pairwise(channels):
            down += [nn.Conv2d(wide, narrow, 3, stride=2, padding=1), Residual(narrow)]
        for narrow, wide in pairwise(reversed(channels)):
            up += [Residual(narrow), nn.Upsample(scale_factor=2), nn.Conv2d(narrow, wide, 3, padding=1), Residual(wide)]
        norm = nn.GroupNorm(math.gcd(channels[-1], 8), channels[-1])
        self.encoder = nn.Sequential(*down, norm, nn.Conv2d(channels[-1], len(levels), 1))
        self.decoder = nn.Sequential(*up, *drawn(channels[0], image.channels, patch, _FINE))
        self.quantise = ScalarQuantiser(levels)

    @property
    def tokens(self) -> int:
        """Tokens an image."""
        return self.side**2

    def codes(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w k"]:
        """What is quantised."""
        return self.encoder(pixels).float().permute(0, 2, 3, 1)

    def encode(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n t k"]:
        """Levels, from 0 on, of each token's channels, row by row; gradients pass as if nothing were rounded."""
        with torch.autocast(pixels.device.type, enabled=False):
            return self.quantise(self.codes(pixels)).flatten(1, 2)

    def decode(self, levels: Float[Tensor, "n t k"]) -> Float[Tensor, "n c h w"]:
        """Images in about [−1, 1] of levels."""
        grid = self.quantise.scaled(levels.unflatten(1, (self.side, self.side)))
        return self.decoder(grid.permute(0, 3, 1, 2)).float()

    def numbered(self, levels: Float[Tensor, "n t k"]) -> Int[Tensor, "n t"]:
        """Each token's place in the codebook."""
        number = torch.zeros(levels.shape[:2], dtype=torch.long, device=levels.device)
        for channel, count in enumerate(self.levels):
            number = number * count + levels[..., channel].round().long()
        return number


class GivingBack:
    """log of the mean squared error of each image given back: a Gaussian likelihood with its best σ, as for ``vae``.

    Reports ``codes``, the share of the codebook that a batch uses, and ``evenly``, the share that would carry as much
    if all of it were used alike (perplexity over size).
    """

    def __init__(self, network: TokenAutoencoder):
        self.network = network

    def __call__(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        pixels = to_pixels(batch[0])
        levels = self.network.encode(pixels)
        errors = (self.network.decode(levels) - pixels).square().mean(dim=(1, 2, 3))
        used, evenly = usage(self.network.numbered(levels.detach()), math.prod(self.network.levels))
        figures = {"error": errors.mean().sqrt() / 2, "codes": used, "evenly": evenly}
        return Loss(0.5 * (errors + 1e-5).log().mean(), figures)


def usage(tokens: Int[Tensor, "n t"], size: int) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Share of a codebook that is used at all, and its perplexity over its size: both 1 where all is used alike."""
    share = torch.bincount(tokens.flatten(), minlength=size).float() / tokens.numel()
    return (share > 0).float().mean(), torch.special.entr(share).sum().exp() / size
