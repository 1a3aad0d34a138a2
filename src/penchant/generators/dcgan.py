"""Deep convolutional GAN: the textbook's adversarial game, to learn from and to compare with."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from penchant.core.contracts import NO_ANNOTATIONS, Annotations, Budget, ImageSpec, Workspace
from penchant.core.rng import Rng
from penchant.generators._adversarial import frozen, noise_for
from penchant.generators._autoencoder import to_pixels
from penchant.generators._common import image_spec, seeded
from penchant.generators._game import Game
from penchant.generators._one_step import OneStep, read_one_step
from penchant.training.loop import Settings
from penchant.training.objective import Adam, Batch, Clock, Loss

_KIND = "generators/dcgan"


@dataclass(frozen=True)
class DCGAN:
    """Deep convolutional GAN (Radford et al. 2016) with the non-saturating loss (Goodfellow et al. 2014).

    The source documents' teaching baseline: transposed convolutions from noise to 28 × 28 × 1 (and upwards), strided
    convolutions back to one score, batch normalisation in between, Adam at 2e-4 with β₁ = .5. Nothing keeps it from
    dropping modes or from swinging, and samples come from the last weights: ``gan`` is the one to use. It leaves
    conditions aside.

    Args:
        latent_dim: dimensions of z.
        width: channels of the finest level; each coarser one has twice as many, up to eight times.
        batch: images a step, for each player.
        learning_rate: of both players, throughout.
    """

    latent_dim: int = 100
    width: int = 32
    batch: int = 64
    learning_rate: float = 2e-4

    def __post_init__(self) -> None:
        wrong = [name for name in ("latent_dim", "width") if getattr(self, name) < 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} must be at least 1")
        if self.batch < 2:
            raise ValueError(f"batch must be at least 2, to normalise over; found {self.batch}")
        if self.learning_rate <= 0:
            raise ValueError("learning_rate must be positive")

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> OneStep:
        """Train both networks in turn; goes on from the checkpoint in ``workspace`` where there is one.

        Of the ``annotations`` it uses the weights.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            Interrupted: Ctrl-C; fit again with the same arguments to go on.
            TrainingDiverged: the numbers blew up; a lower learning rate helps.
        """
        image = image_spec(images, "a DCGAN")
        network = seeded(rng.child("generator network"), partial(self._network, image))
        judge = seeded(rng.child("discriminator network"), partial(self._judge, image))
        generator = OneStep(_KIND, self, image, network, self.latent_dim, judge=judge)
        judging, making = Judging(network, judge, self.latent_dim), Making(network, judge, self.latent_dim)
        adam = Adam(self.learning_rate, betas=(0.5, 0.999), clip=100.0)
        settings = Settings("dcgan", batch=self.batch, warm_up=0.0, lowest=1.0)
        game = Game(network, judge, judging, making, adam, half_life=None)
        game.play(generator, [images], budget, rng, workspace, settings, annotations)
        return generator

    @staticmethod
    def load(directory: Path) -> OneStep:
        """The generator that :meth:`OneStep.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        return read_one_step(
            directory,
            DCGAN,
            lambda settings, image, _: settings._network(image),
            lambda settings, image, _: settings._judge(image),
        )

    def _network(self, image: ImageSpec) -> nn.Module:
        channels = _channels(image, self.width)
        side = image.size >> len(channels)
        parts: list[nn.Module] = [
            nn.Linear(self.latent_dim, channels[-1] * side * side, bias=False),
            nn.Unflatten(1, (channels[-1], side, side)),
        ]
        for wide, narrow in pairwise([*reversed(channels), image.channels]):
            parts += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1)]
        return nn.Sequential(*parts, nn.Tanh()).apply(_as_in_the_paper)

    def _judge(self, image: ImageSpec) -> nn.Module:
        channels = _channels(image, self.width)
        side = image.size >> len(channels)
        parts: list[nn.Module] = [nn.Conv2d(image.channels, self.width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for wide, narrow in pairwise(channels):
            parts += [nn.Conv2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.LeakyReLU(0.2)]
        return nn.Sequential(*parts, nn.Flatten(), nn.Linear(channels[-1] * side * side, 1)).apply(_as_in_the_paper)


@dataclass(frozen=True)
class Judging:
    """−E log σ(D(x)) − E log(1 − σ(D(G(z)))), real and made images in batches of their own."""

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int

    def __call__(self, batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        """The discriminator's loss."""
        with torch.no_grad():
            made = self.generator(noise_for(batch, self.latent_dim, noise)).float()
        scores = self.discriminator(to_pixels(batch[0])).float(), self.discriminator(made).float()
        margin = scores[0].mean() - scores[1].mean()
        return Loss(F.softplus(-scores[0]).mean() + F.softplus(scores[1]).mean(), {"margin": margin})


@dataclass(frozen=True)
class Making:
    """−E log σ(D(G(z))): the loss that does not saturate while D is sure."""

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int

    def __call__(self, batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        """The generator's loss."""
        made: Float[Tensor, "n c h w"] = self.generator(noise_for(batch, self.latent_dim, noise)).float()
        with frozen(self.discriminator):
            return Loss(F.softplus(-self.discriminator(made).float()).mean())


def _channels(image: ImageSpec, width: int) -> list[int]:
    """Channels of the levels, from half size down to 4 to 7 pixels a side."""
    channels, side = [width], image.size // 2
    while side > 7 and side % 2 == 0:
        side //= 2
        channels.append(min(2 * channels[-1], 8 * width))
    return channels


def _as_in_the_paper(module: nn.Module) -> None:
    """Weights from N(0, .02²)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
