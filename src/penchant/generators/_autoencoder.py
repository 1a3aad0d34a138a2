"""A small convolutional variational autoencoder: the network, and the loss that it lowers."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from penchant.core.contracts import ImageSpec
from penchant.training.objective import Batch, Clock, Loss


class Residual(nn.Module):
    """x + conv(SiLU(conv(norm(x)))), its last convolution starting at zero."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(channels, 8), channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The refined features."""
        return x + self.last(F.silu(self.first(self.norm(x))))


class Autoencoder(nn.Module):
    """Encoder to mean and log variance of a code, decoder from a code to an image, both in [−1, 1].

    Patches of 2 × 2 pixels (4 × 4 from 64 px on) become channels, since convolutions at full resolution cost most;
    then one residual block a level, down to 4 to 7 pixels a side. ``widths`` are the channels of the levels, the last
    one repeated (twice as many from 64 px on). At 32 px, 0.8M parameters and 18M multiply-adds an image. With ``fine``
    channels, a last convolution at full resolution smooths the seams between patches, which a judge would make much of.
    """

    def __init__(self, image: ImageSpec, code_dim: int, widths: tuple[int, ...], fine: int = 0):
        super().__init__()
        patch = 2 if image.size < 64 else 4
        side, sides = image.size // patch, [image.size // patch]
        while side > 7 and side % 2 == 0:
            side //= 2
            sides.append(side)
        channels = [widths[min(level, len(widths) - 1)] * patch // 2 for level in range(len(sides))]
        pixels, corner = image.channels * patch * patch, channels[-1] * side * side
        down: list[nn.Module] = [nn.PixelUnshuffle(patch), nn.Conv2d(pixels, channels[0], 3, padding=1)]
        up: list[nn.Module] = [nn.Linear(code_dim, corner), nn.Unflatten(1, (channels[-1], side, side))]
        down.append(Residual(channels[0]))
        for wide, narrow in pairwise(channels):
            down += [nn.Conv2d(wide, narrow, 3, stride=2, padding=1), Residual(narrow)]
        up.append(Residual(channels[-1]))
        for narrow, wide in pairwise(reversed(channels)):
            up += [nn.Upsample(scale_factor=2), nn.Conv2d(narrow, wide, 3, padding=1), Residual(wide)]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(corner, 2 * code_dim))
        self.decoder = nn.Sequential(*up, *drawn(channels[0], image.channels, patch, fine))

    def encode(self, pixels: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Mean and log variance of the codes of images in [−1, 1]."""
        mean, log_variance = self.encoder(pixels).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 2)

    def decode(self, codes: Float[Tensor, "n k"]) -> Float[Tensor, "n c h w"]:
        """Images in about [−1, 1] of the codes."""
        return self.decoder(codes).float()


def drawn(wide: int, channels: int, patch: int, fine: int) -> list[nn.Module]:
    """The decoder's last layers: patches of pixels, and where there are ``fine`` channels, a convolution over them."""
    last = nn.Conv2d(wide, (fine or channels) * patch * patch, 3, padding=1)
    if not fine:
        return [last, nn.PixelShuffle(patch)]
    return [last, nn.PixelShuffle(patch), nn.SiLU(), nn.Conv2d(fine, channels, 3, padding=1)]


def to_pixels(images: Tensor) -> Float[Tensor, "n c h w"]:
    """Bytes to floats in [−1, 1]."""
    return images.float() / 127.5 - 1


def divergence(mean: Float[Tensor, "n k"], log_variance: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """KL(q(code | image) ‖ N(0, 1)) in nats, of each dimension (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


class NegativeElbo:
    """−ELBO = −log p(x | z) + β·KL(q(z | x) ‖ N(0, I)), in nats a pixel value.

    The likelihood is Gaussian with the best σ for each image, in closed form (optimal σ-VAE, Rybkin et al. 2021,
    eq. 9): −log p = D/2·log(mean squared error), so that reconstruction and KL keep their balance as errors shrink.
    KL comes in over the first tenth of training, and each dimension has ``free_bits`` nats for nothing
    (Kingma et al. 2016).
    """

    def __init__(self, network: Autoencoder, beta: float, free_bits: float):
        self.network = network
        self.beta = beta
        self.free_bits = free_bits

    def __call__(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        pixels = to_pixels(batch[0])
        mean, log_variance = self.network.encode(pixels)
        draw = torch.randn(mean.shape, generator=noise, device=mean.device)
        reconstructed = self.network.decode(mean + (0.5 * log_variance).exp() * draw)
        errors = (reconstructed - pixels).square().mean(dim=(1, 2, 3))
        values = pixels[0].numel()
        misfit = 0.5 * values * (errors + 1e-5).log().mean()
        kl = divergence(mean, log_variance).mean(dim=0)
        weight = self.beta * min(1.0, clock.fraction / 0.1)
        total = (misfit + weight * kl.clamp(min=self.free_bits).sum()) / values
        return Loss(total, {"error": errors.mean().sqrt() / 2, "kl": kl.sum()})
