"""The two losses of a relativistic GAN with gradient penalties (R3GAN, Huang et al. 2025, arXiv 2501.05441)."""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from penchant.generators._autoencoder import to_pixels
from penchant.generators._collapse import batch_coverage
from penchant.generators._core_set import CoreSet
from penchant.generators._told import told_of
from penchant.training.objective import Batch, Clock, Loss

EVERYTHING = CoreSet()
View = Callable[[Float[Tensor, "n c h w"], torch.Generator, Clock], Float[Tensor, "n c h w"]]
"""What the discriminator gets to see of images, real and made alike: augmented, noisy, or as they are."""


@contextmanager
def frozen(network: nn.Module) -> Generator[None]:
    """Inside, no gradients are computed for the network's weights: the other player's turn."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def noise_for(batch: Batch, latent_dim: int, noise: torch.Generator) -> Float[Tensor, "n z"]:
    """One latent for each image of the batch."""
    return torch.randn(len(batch[0]), latent_dim, generator=noise, device=batch[0].device)


def squared_slope(scores: Float[Tensor, " n"], pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """‖∇D(x)‖² of each image; differentiable."""
    (gradient,) = torch.autograd.grad(scores.sum(), pixels, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class RelativisticDiscriminator:
    """E softplus(D(G(z)) − D(x)) + γ/2·(‖∇D(x)‖² + ‖∇D(G(z))‖²): equations 2 and 6 of the paper.

    Each real image is paired with a made one, so that D cannot win by pushing all made ones to one place: that is
    what drops modes. Both slopes are bounded (R1 and R2), which is what makes the game converge. γ falls along a
    cosine to a tenth. The slopes are taken of the first ``penalised`` share of the batch, since they need a second
    backward pass: an unbiased estimate at less cost. A pair shares its condition, where there are any.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int
    gamma: float
    penalised: float
    view: View
    core_set: CoreSet = EVERYTHING

    def __call__(self, batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        batch, weights = self.core_set(batch, noise)
        real = to_pixels(batch[0])
        told = told_of(batch, noise)
        with torch.no_grad():
            made = self.generator(noise_for(batch, self.latent_dim, noise), *told)
            covered = batch_coverage(real, made)
        real, made = (self.view(pixels, noise, clock) for pixels in (real, made))
        loss = compared(self.discriminator, real, made, told, gamma_at(self.gamma, clock), self.penalised, weights)
        return Loss(loss.total, {**loss.figures, "coverage": covered})


def gamma_at(gamma: float, clock: Clock) -> float:
    """The weight of the slopes now: from ``gamma`` along a cosine to a tenth."""
    return gamma * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * clock.fraction)))


def compared(
    discriminator: nn.Module,
    real: Float[Tensor, "n c h w"],
    made: Float[Tensor, "n c h w"],
    told: Sequence[Float[Tensor, "n c"]],
    gamma: float,
    penalised: float,
    weights: Float[Tensor, " n"] | None = None,
) -> Loss:
    """The loss of a discriminator on pairs of a real and a made image; slopes of the first ``penalised`` share.

    ``weights`` are how much each pair counts; their mean is 1, and without them all count alike.
    """
    count = min(len(real), 4 * math.ceil(penalised * len(real) / 4))
    steep = torch.cat([real[:count], made[:count]]).requires_grad_()
    steep_scores = discriminator(steep, *(rows[:count].repeat(2, 1) for rows in told))
    scores = [steep_scores.chunk(2)]
    if count < len(real):
        rest = torch.cat([real[count:], made[count:]])
        scores.append(discriminator(rest, *(rows[count:].repeat(2, 1) for rows in told)).chunk(2))
    margin = torch.cat([ours - theirs for ours, theirs in scores])
    slope = squared_slope(steep_scores, steep)
    # Half of R1 and half of R2 are together the mean over real and made images alike.
    lost = F.softplus(-margin)
    if weights is None:
        total = lost.mean() + gamma * slope.mean()
    else:
        total = (weights * lost).mean() + gamma * (weights[:count].repeat(2) * slope).mean()
    return Loss(total, {"margin": margin.mean(), "slope": slope.mean().sqrt()})


@dataclass(frozen=True)
class RelativisticGenerator:
    """E softplus(D(x) − D(G(z))), over the ``top_k`` share of made images that D takes for most real.

    Top-k training (Sinha et al. 2020) leaves out the made images whose gradients point away from the data; its share
    falls from all to ``top_k`` over the first half of training.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int
    top_k: float
    view: View
    core_set: CoreSet = EVERYTHING

    def __call__(self, batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        batch, weights = self.core_set(batch, noise)
        told = told_of(batch, noise)
        made = self.generator(noise_for(batch, self.latent_dim, noise), *told)
        with frozen(self.discriminator):
            with torch.no_grad():
                real_scores = self.discriminator(self.view(to_pixels(batch[0]), noise, clock), *told)
            made_scores = self.discriminator(self.view(made, noise, clock), *told)
        share = 1 - (1 - self.top_k) * min(1.0, 2 * clock.fraction)
        kept = made_scores.topk(max(1, round(share * len(made)))).indices
        lost = F.softplus(real_scores - made_scores)
        return Loss((lost if weights is None else weights * lost)[kept].mean())
