"""The two losses of an autoencoder with a discriminator: who tells, and who gives back so that it cannot be told."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from penchant.generators._adversarial import compared, gamma_at
from penchant.generators._adversaries import Branch, Discriminator
from penchant.generators._autoencoder import Autoencoder, divergence, to_pixels
from penchant.training.objective import Batch, Clock, Loss

_RAMP = 0.1
"""Share of the budget over which the judge's opinion comes in once it counts."""


@dataclass(frozen=True)
class Telling:
    """The discriminator's loss: E softplus(D(x̂) − D(x)) + slopes, x̂ being what is given back of x (as in ``gan``)."""

    network: Autoencoder
    judge: Discriminator
    gamma: float
    penalised: float

    def __call__(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        real = to_pixels(batch[0])
        with torch.no_grad():
            made = self.network.decode(_drawn(*self.network.encode(real), noise))
        return compared(self.judge, real, made, (), gamma_at(self.gamma, clock), self.penalised)


@dataclass(frozen=True)
class Judged:
    """−log p(x | z) + β·KL + what the judge says of the image given back (Larsen et al. 2016, section 2.3).

    Three things pull at an image that is given back: its pixels (Gaussian likelihood with the best σ, as for ``vae``),
    the judge's layers (the same likelihood of what they see, ``features``: the paper's Dis_l), and the judge's score
    (relativistic, ``adversarial``). Their gradients at the image are brought to the length of the pixels' before they
    are weighed, as VQGAN does at the last layer (Esser et al. 2021, equation 7): no weight needs tuning as errors
    shrink, and neither term costs a second pass through the decoder. From ``joins`` on, the judge comes in over a
    tenth of training.
    """

    network: Autoencoder
    judge: Discriminator
    beta: float
    free_bits: float
    features: float
    adversarial: float
    joins: float

    def __call__(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        pixels = to_pixels(batch[0])
        mean, log_variance = self.network.encode(pixels)
        made = self.network.decode(_drawn(mean, log_variance, noise))
        image = made.detach().requires_grad_()
        errors = (image - pixels).square().mean(dim=(1, 2, 3))
        misfit = 0.5 * (errors + 1e-5).log().mean()
        (pull,) = torch.autograd.grad(misfit, image)
        figures = {"error": errors.detach().mean().sqrt() / 2}
        share = min(1.0, (clock.fraction - self.joins) / _RAMP)
        if share > 0:
            opinion, figures["seen"] = self._opinion(pixels, image)
            pull = pull + share * pull.norm() * opinion
        kl = divergence(mean, log_variance).mean(dim=0)
        weight = self.beta * min(1.0, clock.fraction / 0.1) / pixels[0].numel()
        pulled = (made * pull).sum()  # its gradient is the pull; its value says nothing
        total = misfit.detach() + (pulled - pulled.detach()) + weight * kl.clamp(min=self.free_bits).sum()
        return Loss(total, {**figures, "kl": kl.sum()})

    def _opinion(
        self, pixels: Float[Tensor, "n c h w"], image: Float[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, ""]]:
        """What the judge wants changed, each part at unit length before it is weighed; and how far features differ."""
        with torch.no_grad():
            wanted, real = seen(self.judge, pixels)
        found, score = seen(self.judge, image)
        errors = [(a.float() - b.float()).square().mean(dim=(1, 2, 3)) for a, b in zip(found, wanted, strict=True)]
        scales = [level.float().var() + 1e-8 for level in wanted]
        apart = torch.stack([(error / scale).mean() for error, scale in zip(errors, scales, strict=True)]).mean()
        misfit = torch.stack([0.5 * (e / s + 1e-3).log().mean() for e, s in zip(errors, scales, strict=True)]).mean()
        (by_features,) = torch.autograd.grad(misfit, image, retain_graph=True)
        (by_score,) = torch.autograd.grad(F.softplus(real - score).mean(), image)
        return self.features * _unit(by_features) + self.adversarial * _unit(by_score), apart.detach().sqrt()


def seen(judge: Discriminator, pixels: Float[Tensor, "n c h w"]) -> tuple[list[Tensor], Float[Tensor, " n"]]:
    """What each level of the judge makes of the images, and its scores."""
    levels: list[Tensor] = []
    x = pixels
    for layer in judge.layers:
        x = layer(x)
        if isinstance(layer, Branch):
            levels.append(x)
    return levels, x.float()[:, 0]


def _drawn(mean: Float[Tensor, "n k"], log_variance: Float[Tensor, "n k"], noise: Generator) -> Float[Tensor, "n k"]:
    return mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise, device=mean.device)


def _unit(gradient: Tensor) -> Tensor:
    return gradient / (gradient.norm() + 1e-12)
