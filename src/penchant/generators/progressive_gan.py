"""Progressive GAN: coarse images first, finer ones fade in, so that shapes are learned before detail."""

from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from penchant.core.contracts import NO_ANNOTATIONS, Annotations, Budget, Examined, Generator, ImageSpec, Workspace
from penchant.core.rng import Rng
from penchant.generators._common import image_spec, seeded, training_conditions
from penchant.generators._game import Recipe, check_widths, columns_of
from penchant.generators._growing import Growing, GrowingDiscriminator, GrowingGenerator
from penchant.generators._one_step import OneStep, read_one_step
from penchant.training.loop import Settings

_KIND = "generators/progressive_gan"


@dataclass(frozen=True)
class ProgressiveGAN:
    """Progressive growing (Karras et al. 2018, arXiv 1710.10196) in the game of ``gan``.

    Both networks start at 4 to 7 pixels a side and double, up to the patches of ``gan``; then comes full size. Each
    stage settles, then the next one fades in, made and real images alike. Early steps cost half of late ones at 28 px
    and less on larger images, and shapes are learned before detail is asked for. Losses, penalties, augmentation and
    averaging are those of ``gan`` instead of the paper's (WGAN-GP, pixel norm, equalised learning rates).

    When stages end is decided by the budget, whether of time or of images; a run that is resumed on a longer budget
    goes on at the stage that it has come to by then.

    The choice for larger images, where ``gan`` spends its time on pixels before it knows shapes.

    Args:
        growing: share of the budget after which all stages are there.
        latent_dim, widths, judge_widths, batch, learning_rate, gamma, penalised, augmentation, augmentations,
            instance_noise, minibatch_deviation, top_k: as for ``gan``.
    """

    latent_dim: int = 64
    growing: float = 0.5
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

    def __post_init__(self) -> None:
        check_widths("widths", self.widths)
        check_widths("judge_widths", self.judge_widths)
        self._recipe()
        if not 0 < self.growing <= 1:
            raise ValueError(f"growing must be in (0, 1]; found {self.growing:g}")

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
        image = image_spec(images, "a progressive GAN")
        columns, told = columns_of(images, training_conditions(annotations, len(images)))
        network = seeded(rng.child("generator network"), lambda: self._network(image, told))
        judge = seeded(
            rng.child("discriminator network"),
            lambda: GrowingDiscriminator(image, self.judge_widths, self.minibatch_deviation, told),
        )
        generator = OneStep(_KIND, self, image, network, self.latent_dim, told)
        game = self._recipe().game(network, judge, len(images))
        judging, making = (Growing(loss, network, judge, self.growing) for loss in (game.judging, game.making))
        settings = Settings("progressive_gan", batch=self.batch, lowest=0.1)
        replace(game, judging=judging, making=making).play(
            generator, columns, budget, rng, _examined_when_grown(workspace, network), settings, annotations
        )
        network.growth = len(network.sides) - 1.0
        return generator

    @staticmethod
    def load(directory: Path) -> OneStep:
        """The generator that :meth:`OneStep.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        return read_one_step(directory, ProgressiveGAN, ProgressiveGAN._network)

    def _network(self, image: ImageSpec, condition_dim: int) -> GrowingGenerator:
        return GrowingGenerator(image, self.latent_dim, self.widths, condition_dim)

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
        )


def _examined_when_grown(workspace: Workspace, network: GrowingGenerator) -> Workspace:
    """The workspace, whose looks find nothing while stages are missing: such weights are of no use at full size."""
    examine = workspace.examine
    if examine is None:
        return workspace

    def grown(generator: Generator) -> Examined:
        return examine(generator) if network.growth == len(network.sides) - 1 else Examined(nan, nan)

    return replace(workspace, examine=grown)
