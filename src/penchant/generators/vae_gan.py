"""VAE-GAN: an autoencoder whose images are judged by a discriminator, with a flow on its codes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from penchant.core.contracts import NO_ANNOTATIONS, Annotations, Budget, ImageSpec, Workspace
from penchant.core.rng import Rng
from penchant.generators._adversaries import FINE, Discriminator
from penchant.generators._autoencoder import Autoencoder
from penchant.generators._coded import CodedImages, CodeStage, Parts, fit_codes, read_coded, reconstructions
from penchant.generators._common import image_spec, mirrored, seeded, training_conditions
from penchant.generators._game import check_widths
from penchant.generators._judged_autoencoder import Judged, Telling
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, MuonAdam, Objective

_KIND = "generators/vae_gan"


@dataclass(frozen=True)
class VAEGAN:
    """Autoencoding beyond pixels (Larsen et al. 2016, arXiv 1512.09300), with what is known to work better since.

    A discriminator tells images from what the autoencoder gives back of them; its layers also say how alike the two
    are, beside the pixels. From the paper: likelihood in the judge's features, and a judge of reconstructions. Since
    then: the judge joins late, and its gradients are brought to the length of the pixels' (VQGAN, Esser et al. 2021);
    pairs are compared, with both slopes bounded (R3GAN, as in ``gan``); and a flow maps noise to codes as for ``vae``
    (two stages), where the paper decodes plain noise, which codes do not fill.

    Crisper than ``vae`` and, unlike ``gan``, it knows codes of images, so the taste can be learned on them and no kind
    of image is dropped. Each step costs about twice a VAE's. Use ``vae`` for the first minute on a small machine.

    Conditional where images come with conditions: the flow draws codes under them (three in ten are learned without).

    Args:
        code_dim, beta, free_bits, widths, flow_share, flow_width, flow_blocks, flow_steps, mirror: as for ``vae``.
        judge_widths: channels of the discriminator's levels.
        features: weight of what the judge's layers see, relative to the pixels.
        adversarial: weight of the judge's score, relative to the pixels.
        joins: share of the budget from which the judge counts; it learns from half of that on.
        gamma, penalised: of the judge's slopes, as for ``gan``.
        batch: images a step, for each of the two.
        learning_rate: of the autoencoder (Muon), at its top.
        judge_learning_rate: of the discriminator (Adam), at its top.
    """

    code_dim: int = 128
    beta: float = 4.0
    free_bits: float = 0.05
    widths: tuple[int, ...] = (32, 64, 64)
    judge_widths: tuple[int, ...] = (16, 64)
    features: float = 1.0
    adversarial: float = 0.5
    joins: float = 0.2
    gamma: float = 0.1
    penalised: float = 0.25
    flow_share: float = 0.35
    flow_width: int = 256
    flow_blocks: int = 3
    flow_steps: int = 4
    batch: int = 32
    learning_rate: float = 0.02
    judge_learning_rate: float = 2e-3
    mirror: bool = False

    def __post_init__(self) -> None:
        wrong = [name for name in ("code_dim", "batch") if getattr(self, name) < 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} must be at least 1")
        check_widths("widths", self.widths)
        check_widths("judge_widths", self.judge_widths)
        negative = [
            name for name in ("beta", "free_bits", "features", "adversarial", "gamma") if getattr(self, name) < 0
        ]
        if negative or min(self.learning_rate, self.judge_learning_rate) <= 0:
            named = ", ".join(negative) or "learning rates"
            raise ValueError(f"{named} must not be negative, and learning rates must be positive")
        if not 0 <= self.joins < 1 or not 0 < self.penalised <= 1:
            raise ValueError(
                f"joins must be in [0, 1) and penalised in (0, 1]; found {self.joins:g} and {self.penalised:g}"
            )
        self._stage()

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> CodedImages:
        """Train autoencoder and judge, then the flow; goes on from the checkpoints in ``workspace``, if any.

        A budget of images counts those that the autoencoder sees; the flow gets its share of the same effort. Of the
        ``annotations`` it uses weights and conditions; with conditions the generator is conditional.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            BadConfiguration: conditions that are not one finite row an image.
            Interrupted: Ctrl-C; fit again with the same arguments to go on.
            TrainingDiverged: the numbers blew up; a lower learning rate or a larger gamma helps.
        """
        start = workspace.clock()
        image = image_spec(images, "a VAE-GAN")
        annotations = replace(annotations, conditions=training_conditions(annotations, len(images)))
        if self.mirror:
            images, annotations = mirrored(images, annotations)
        network = seeded(rng.child("network"), lambda: self._network(image))
        judge = seeded(rng.child("discriminator network"), lambda: self._judge(image))
        adam = Adam(self.judge_learning_rate, betas=(0.0, 0.9), last_beta=0.99, clip=100.0)
        judged = Judged(network, judge, self.beta, self.free_bits, self.features, self.adversarial, self.joins)
        telling = Telling(network, judge, self.gamma, self.penalised)
        players = [
            Objective("discriminator", judge, telling, adam, half_life=None, starts=self.joins / 2),
            Objective("autoencoder", network, judged, MuonAdam(self.learning_rate), half_life=10_000),
        ]
        before = workspace.clock() - start
        seen = train(
            players,
            [images],
            self._stage().before(budget),
            rng.child("autoencoder"),
            workspace,
            Settings("vae_gan", batch=self.batch),
            lambda path: reconstructions(network, images[:32], path),
            weights=annotations.weights,
        ).clock
        flow = Settings("flow", batch=256)
        return fit_codes(
            self._stage(), network, images, annotations, budget, seen, before, rng, workspace, flow, _KIND, self, judge
        )

    @staticmethod
    def load(directory: Path) -> CodedImages:
        """The generator that :meth:`CodedImages.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        return read_coded(directory, VAEGAN, VAEGAN._parts)

    def _network(self, image: ImageSpec) -> Autoencoder:
        return Autoencoder(image, self.code_dim, self.widths, FINE)

    def _judge(self, image: ImageSpec) -> Discriminator:
        return Discriminator(image, self.judge_widths, minibatch_deviation=False)

    def _parts(self, image: ImageSpec, dimensions: int, condition_dim: int) -> Parts:
        return self._network(image), self._stage().flow(dimensions, condition_dim), self._judge(image)

    def _stage(self) -> CodeStage:
        return CodeStage(self.flow_share, self.flow_width, self.flow_blocks, self.flow_steps)
