"""Relativistic GAN with gradient penalties: crisp images in one pass, quick to train on two cores."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from penchant.core.config import build
from penchant.core.contracts import NO_ANNOTATIONS, Annotations, Budget, ImageSpec, Workspace
from penchant.core.rng import Rng
from penchant.data.sheet import contact_sheet
from penchant.generators._adversarial import RelativisticDiscriminator, RelativisticGenerator
from penchant.generators._adversaries import Discriminator, PlainGenerator
from penchant.generators._augmentation import Augmentation
from penchant.generators._collapse import watched
from penchant.generators._common import image_spec, reading_pretrained, seeded, to_bytes
from penchant.generators._one_step import OneStep
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Objective

_KIND = "generators/gan"


@dataclass(frozen=True)
class GAN:
    """Generator against discriminator (Goodfellow et al. 2014) as in R3GAN (Huang et al. 2025, arXiv 2501.05441).

    Pairs of real and made images are compared (relativistic pairing), which keeps modes from being dropped; both
    slopes of the discriminator are bounded (R1, R2), which lets the game converge without tricks: no normalisation,
    residual branches that start at zero, Adam with β₁ = 0 and β₂ from .9 to .99. Each player draws real images of its
    own. Samples come from averaged weights.

    Crisper than ``vae`` and one pass a sample; it knows no codes of images, and wants more steps. With a few hundred
    images the discriminator learns them by heart; ``augmentation`` then shows it, real and made alike, flipped, turned,
    shifted, recoloured and partly covered ones (differentiable augmentation, Zhao et al. 2020).

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
        augmentation: highest probability of each augmentation, reached half way through; None decides by the number of
            images (.4 up to 1,000, none from 10,000 on).
        augmentations: which ones: flip, turn, shift, colour, cutout. Leave out what would change what images show.
        instance_noise: deviation of noise added to what the discriminator sees, at the start; gone half way through.
        minibatch_deviation: let the discriminator see how much images within a batch differ.
        top_k: share of made images that teach the generator from half way through on, those that look most real.
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

    def __post_init__(self) -> None:
        wrong = [name for name in ("latent_dim", "batch") if getattr(self, name) < 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} must be at least 1")
        for name in ("widths", "judge_widths"):
            widths = getattr(self, name)
            if not widths or any(width < 8 or width % 8 for width in widths):
                raise ValueError(f"{name} must be multiples of 8; found {widths}")
        if self.learning_rate <= 0 or self.gamma < 0 or self.instance_noise < 0:
            raise ValueError("learning_rate must be positive, gamma and instance_noise must not be negative")
        if not 0 < self.penalised <= 1 or not 0 < self.top_k <= 1:
            raise ValueError(f"penalised and top_k must be in (0, 1]; found {self.penalised:g} and {self.top_k:g}")
        self._view(0)

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
            TrainingDiverged: the numbers blew up; a lower learning rate or a larger gamma helps.
        """
        image = image_spec(images, "a GAN")
        network = seeded(rng.child("generator network"), partial(self._network, image))
        judge = seeded(
            rng.child("discriminator network"),
            partial(Discriminator, image, self.judge_widths, self.minibatch_deviation),
        )
        generator = OneStep(_KIND, self, image, network, self.latent_dim)
        network.requires_grad_(True)
        view = self._view(len(images))
        judging = RelativisticDiscriminator(network, judge, self.latent_dim, self.gamma, self.penalised, view)
        making = RelativisticGenerator(network, judge, self.latent_dim, self.top_k, view)
        adam = Adam(self.learning_rate, betas=(0.0, 0.9), last_beta=0.99, clip=100.0)
        players = [
            Objective("discriminator", judge, judging, adam, half_life=None),
            Objective("generator", network, making, adam, half_life=20_000),
        ]

        def preview(path: Path) -> None:
            contact_sheet(to_bytes(generator.sample(64, rng.child("preview"))), columns=8).save(path)

        settings = Settings("gan", batch=self.batch, lowest=0.1)
        train(players, [images], budget, rng, watched(workspace), settings, preview, weights=annotations.weights)
        network.requires_grad_(False)
        return generator

    @staticmethod
    def load(directory: Path) -> OneStep:
        """The generator that :meth:`OneStep.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        with reading_pretrained(directory) as (config, tensors):
            settings = build(GAN, config["settings"], where=str(directory / "config.json"))
            image = ImageSpec(**config["image"])
            network = settings._network(image)
            network.load_state_dict(tensors)
        return OneStep(_KIND, settings, image, network, settings.latent_dim)

    def _network(self, image: ImageSpec) -> PlainGenerator:
        return PlainGenerator(image, self.latent_dim, self.widths)

    def _view(self, count: int) -> Augmentation:
        """What the discriminator sees when there are ``count`` training images."""
        wanted = self.augmentation
        if wanted is None:
            wanted = 0.4 * float(np.clip(1 - np.log10(max(count, 1) / 1000), 0, 1))
        return Augmentation(self.augmentations, wanted, self.instance_noise)
