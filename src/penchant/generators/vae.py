"""Variational autoencoder with a flow on its codes: the default generator, quick to train on two cores."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from penchant.core.contracts import NO_ANNOTATIONS, Annotations, Budget, ImageSpec, Workspace
from penchant.core.rng import Rng
from penchant.generators._autoencoder import Autoencoder, NegativeElbo
from penchant.generators._coded import CodedImages, CodeStage, Parts, fit_codes, read_coded, reconstructions
from penchant.generators._common import image_spec, seeded
from penchant.training.loop import Settings, train
from penchant.training.objective import MuonAdam, Objective

_KIND = "generators/vae"


@dataclass(frozen=True)
class VAE:
    """Convolutional variational autoencoder (Kingma & Welling 2014; β as in Higgins et al. 2017) with a code flow.

    The source documents' generator: encoder, ``code_dim``-dimensional code, decoder, trained on the evidence lower
    bound. Its codes do not fill N(0, I), so decoding plain noise gives mush; a small rectified flow fitted to the codes
    afterwards (two-stage VAE, Dai & Wipf 2019) maps noise to codes, and G(z) = decoder(flow(z)) samples well. G is
    deterministic and differentiable. The latent has one dimension for each dimension of the code that is used.

    Good from a few hundred images on, at 28, 32 or 48 px in a minute or two on two cores; 64 and 128 px want a GPU or
    more patience. Use a GAN where fine texture matters more than coverage.

    Args:
        code_dim: dimensions of the code; those that training leaves unused cost nothing later.
        beta: weight of the KL term; larger gives fewer used dimensions, smoother images, an easier flow.
        free_bits: nats a dimension may use for nothing.
        widths: channels of the levels, from the finest.
        flow_share: share of the budget that the flow gets.
        flow_width: width of the flow's layers.
        flow_blocks: residual blocks of the flow.
        flow_steps: steps of Heun's method a sample, two passes through the flow each.
        batch: images a step.
        learning_rate: of Muon, at its top.
        mirror: add left-right mirrored images; for small sets of things that have no handedness.
        fine: channels of a last convolution at full resolution, which smooths the seams between patches; 0 for none.
    """

    code_dim: int = 128
    beta: float = 4.0
    free_bits: float = 0.05
    widths: tuple[int, ...] = (32, 64, 64)
    flow_share: float = 0.45
    flow_width: int = 256
    flow_blocks: int = 3
    flow_steps: int = 4
    batch: int = 64
    learning_rate: float = 0.02
    mirror: bool = False
    fine: int = 0

    def __post_init__(self) -> None:
        wrong = [name for name in ("code_dim", "batch") if getattr(self, name) < 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} must be at least 1")
        if not 0 <= self.fine <= 64:
            raise ValueError(f"fine must be from 0 to 64; found {self.fine}")
        if not self.widths or any(width < 8 or width % 8 for width in self.widths):
            raise ValueError(f"widths must be multiples of 8; found {self.widths}")
        if self.beta < 0 or self.free_bits < 0 or self.learning_rate <= 0:
            raise ValueError("beta and free_bits must not be negative, learning_rate must be positive")
        self._stage()

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> CodedImages:
        """Train autoencoder and flow; goes on from the checkpoints in ``workspace`` where there are any.

        A budget of images counts those that the autoencoder sees; the flow gets its share of the same effort. Of the
        ``annotations`` it uses the weights.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            Interrupted: Ctrl-C; fit again with the same arguments to go on.
            TrainingDiverged: the numbers blew up; a lower learning rate helps.
        """
        start = workspace.clock()
        image = image_spec(images, "a VAE")
        weights = annotations.weights
        if self.mirror:
            images = np.concatenate([images, images[..., ::-1]])
            weights = None if weights is None else np.tile(weights, 2)
        network = seeded(rng.child("network"), lambda: self._network(image))
        before = workspace.clock() - start
        loss = NegativeElbo(network, self.beta, self.free_bits)
        objective = Objective("autoencoder", network, loss, MuonAdam(self.learning_rate), half_life=10_000)
        seen = train(
            [objective],
            [images],
            self._stage().before(budget),
            rng.child("autoencoder"),
            workspace,
            Settings("autoencoder", batch=self.batch),
            lambda path: reconstructions(network, images[:32], path),
            weights=weights,
        ).clock
        flow = Settings("flow", batch=256)
        told = Annotations(weights)
        return fit_codes(self._stage(), network, images, told, budget, seen, before, rng, workspace, flow, _KIND, self)

    @staticmethod
    def load(directory: Path) -> CodedImages:
        """The generator that :meth:`CodedImages.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        return read_coded(directory, VAE, VAE._parts, {"fine": 0})

    def _parts(self, image: ImageSpec, dimensions: int, condition_dim: int) -> Parts:
        return self._network(image), self._stage().flow(dimensions, condition_dim), None

    def _network(self, image: ImageSpec) -> Autoencoder:
        return Autoencoder(image, self.code_dim, self.widths, self.fine)

    def _stage(self) -> CodeStage:
        return CodeStage(self.flow_share, self.flow_width, self.flow_blocks, self.flow_steps)
