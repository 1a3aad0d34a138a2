"""Relativistic GAN with gradient penalties: crisp images in one pass, quick to train on two cores."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from penchant.core.contracts import NO_ANNOTATIONS, Annotations, Budget, ImageSpec, Workspace
from penchant.core.rng import Rng
from penchant.generators._adversaries import Discriminator, PlainGenerator
from penchant.generators._common import image_spec, seeded, training_conditions
from penchant.generators._core_set import CoreSet
from penchant.generators._game import Recipe, check_widths, columns_of
from penchant.generators._one_step import OneStep, read_one_step
from penchant.training.loop import Settings

_KIND = "generators/gan"


@dataclass(frozen=True)
class GAN:
    """Generator against discriminator (Goodfellow et al. 2014) as in R3GAN (Huang et al. 2025, arXiv 2501.05441).

    Pairs of real and made images are compared (relativistic pairing), which keeps modes from being dropped; both
    slopes of the discriminator are bounded (R1, R2), which lets the game converge without tricks: no normalisation,
    residual branches that start at zero, Adam with β₁ = 0 and β₂ from .9 to .99. Each player draws real images of its
    own. Samples come from averaged weights.

    Crisper than ``vae`` and one pass a sample; it knows no codes of images, and wants more steps. A discriminator
    learns images by heart that it sees often; ``augmentation`` then shows it, real and made alike, flipped, turned,
    shifted, recoloured and partly covered ones (differentiable augmentation, Zhao et al. 2020).

    Conditional where images come with conditions (projection discriminator, Miyato & Koyama 2018): pairs share theirs,
    three in ten are judged without any.

    Reports carry the coverage of a batch of real images by a batch of made ones, and call it ``collapsing, coverage``
    while most kinds of images are left out.

    Args:
        latent_dim: dimensions of z.
        widths: channels of the generator's levels, from the finest, the last repeated; twice as many from 64 px on.
        judge_widths: channels of the discriminator's levels.
        batch: images a step, for each player.
        learning_rate: of both players, at its top; it falls to a tenth.
        gamma: weight of the gradient penalties at the start, in images of [−1, 1]; it falls to a tenth. Larger where
            training swings, smaller where images stay soft.
        penalised: share of the batch on which the slopes are measured, since they cost a second backward pass.
        augmentation: highest probability of each augmentation, reached half way through; None augments as images
            repeat: not while each was seen less than 50 times, at .4 from 200 times on.
        augmentations: which ones: flip, turn, shift, colour, cutout. Leave out what would change what images show.
        instance_noise: deviation of noise added to what the discriminator sees, at the start; gone half way through.
        minibatch_deviation: let the discriminator see how much images within a batch differ.
        top_k: share of made images that teach the generator from half way through on, those that look most real.
        core_set: real images drawn for each that is learned from: the batch is those that cover them (Small-GAN), so
            that rare kinds are seen as often as common ones. All that are drawn count as seen.
        unbiased: with ``core_set``, a batch whose weighted means are those of a batch by chance, but vary less.
    """

    latent_dim: int = 64
    widths: tuple[int, ...] = (16, 64)
    judge_widths: tuple[int, ...] = (16, 64)
    batch: int = 32
    learning_rate: float = 2e-3
    gamma: float = 0.1
    penalised: float = 0.25
    augmentation: float | None = None
    augmentations: tuple[str, ...] = ("flip", "shift", "colour", "cutout")
    instance_noise: float = 0.0
    minibatch_deviation: bool = False
    top_k: float = 1.0
    core_set: int = 1
    unbiased: bool = False

    def __post_init__(self) -> None:
        check_widths("widths", self.widths)
        check_widths("judge_widths", self.judge_widths)
        self._recipe()

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> OneStep:
        """Train both networks in turn; goes on from the checkpoint in ``workspace`` where there is one.

        Of the ``annotations`` it uses weights and conditions; with conditions the generator is conditional.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            BadConfiguration: conditions that are not one finite row an image.
            Interrupted: Ctrl-C; fit again with the same arguments to go on.
            TrainingDiverged: the numbers blew up; a lower learning rate or a larger gamma helps.
        """
        image = image_spec(images, "a GAN")
        columns, told = columns_of(images, training_conditions(annotations, len(images)))
        network = seeded(rng.child("generator network"), lambda: self._network(image, told))
        judge = seeded(
            rng.child("discriminator network"),
            lambda: self._judge(image, told),
        )
        generator = OneStep(_KIND, self, image, network, self.latent_dim, told, judge)
        game = self._recipe().game(network, judge, len(images))
        settings = Settings("gan", batch=self.batch * self.core_set, lowest=0.1)
        game.play(generator, columns, budget, rng, workspace, settings, annotations)
        return generator

    @staticmethod
    def load(directory: Path) -> OneStep:
        """The generator that :meth:`OneStep.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        return read_one_step(directory, GAN, GAN._network, GAN._judge)

    def _network(self, image: ImageSpec, condition_dim: int) -> PlainGenerator:
        return PlainGenerator(image, self.latent_dim, self.widths, condition_dim)

    def _judge(self, image: ImageSpec, condition_dim: int) -> Discriminator:
        return Discriminator(image, self.judge_widths, self.minibatch_deviation, condition_dim)

    def _recipe(self) -> Recipe:
        return Recipe(
            self.latent_dim,
            self.batch,
            self.learning_rate,
            self.gamma,
            self.penalised,
            self.augmentation,
            self.augmentations,
            self.instance_noise,
            self.top_k,
            CoreSet(self.core_set, self.unbiased),
        )
