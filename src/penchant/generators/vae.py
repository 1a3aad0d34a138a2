"""Variational autoencoder with a flow on its codes: the default generator, quick to train on two cores."""

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from penchant.core.config import build
from penchant.core.contracts import (
    NO_ANNOTATIONS,
    Annotations,
    Budget,
    Capabilities,
    Generator,
    ImageSpec,
    Workspace,
)
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data.sheet import contact_sheet
from penchant.generators._autoencoder import Autoencoder, NegativeElbo, divergence, to_pixels
from penchant.generators._code_flow import CodeFlow, CodeScale, FlowMatching
from penchant.generators._common import image_spec, packed, reading_pretrained, seeded, to_bytes, write_pretrained
from penchant.generators._vae_continued import ContinuedVAE
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Clock, MuonAdam, Objective
from penchant.training.processes import Processes

_CODED = 25_000
"""Images whose codes the flow is fitted to, at most."""
_CODES_AN_IMAGE = 25
"""Codes that the flow sees in the time that the autoencoder needs for one image."""


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

    def __post_init__(self) -> None:
        wrong = [name for name in ("code_dim", "flow_width", "flow_steps", "batch") if getattr(self, name) < 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} must be at least 1")
        if not 0 < self.flow_share < 1:
            raise ValueError(f"flow_share must be between 0 and 1; found {self.flow_share:g}")
        if not self.widths or any(width < 8 or width % 8 for width in self.widths):
            raise ValueError(f"widths must be multiples of 8; found {self.widths}")
        if self.beta < 0 or self.free_bits < 0 or self.learning_rate <= 0:
            raise ValueError("beta and free_bits must not be negative, learning_rate must be positive")

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> "CodedImages":
        """Train autoencoder and flow; goes on from the checkpoints in ``workspace`` where there are any.

        A budget of images counts those that the autoencoder sees; the flow gets its share of the same effort. Of the
        ``annotations`` it uses the weights.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            Interrupted: Ctrl-C; fit again with the same arguments to go on.
            TrainingDiverged: the numbers blew up; a lower learning rate helps.
        """
        start = perf_counter()
        image = image_spec(images, "a VAE")
        weights = annotations.weights
        if self.mirror:
            images = np.concatenate([images, images[..., ::-1]])
            weights = None if weights is None else np.tile(weights, 2)
        network = seeded(rng.child("network"), lambda: Autoencoder(image, self.code_dim, self.widths))
        before = perf_counter() - start
        seen = self._fit_autoencoder(network, images, weights, budget, rng.child("autoencoder"), workspace)
        start = perf_counter()
        chosen = np.sort(rng.child("coded").numpy().permutation(len(images))[:_CODED])
        shares = None if weights is None else weights[chosen]
        mean, log_variance = _codes(network, images[chosen])
        scale = CodeScale.of(mean, log_variance, divergence(mean, log_variance).mean(dim=0))
        flow = seeded(rng.child("flow network"), lambda: self._flow(len(scale.used)))
        generator = CodedImages(image, self, network, flow, scale)
        (around,) = Processes().mean([before + perf_counter() - start])
        left = self._left(budget, seen, around)
        self._fit_flow(generator, scale.standardise(mean, log_variance), shares, left, rng.child("flow"), workspace)
        network.requires_grad_(False)
        flow.requires_grad_(False)
        return generator

    @staticmethod
    def load(directory: Path) -> "CodedImages":
        """The generator that :meth:`CodedImages.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        with reading_pretrained(directory) as (config, tensors):
            settings = build(VAE, config["settings"], where=str(directory / "config.json"))
            image = ImageSpec(**config["image"])
            scale = CodeScale(tensors.pop("codes.used"), tensors.pop("codes.mean"), tensors.pop("codes.deviation"))
            network = Autoencoder(image, settings.code_dim, settings.widths)
            flow = settings._flow(len(scale.used))
            nn.ModuleDict({"autoencoder": network, "flow": flow}).load_state_dict(tensors)
        return CodedImages(image, settings, network.requires_grad_(False), flow.requires_grad_(False), scale)

    def _flow(self, dimensions: int) -> CodeFlow:
        return CodeFlow(dimensions, self.flow_width, self.flow_blocks, self.flow_steps)

    def _fit_autoencoder(
        self,
        network: Autoencoder,
        images: np.ndarray,
        weights: np.ndarray | None,
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
    ) -> Clock:
        loss = NegativeElbo(network, self.beta, self.free_bits)
        objective = Objective("autoencoder", network, loss, MuonAdam(self.learning_rate), half_life=10_000)
        seconds = None if budget.seconds is None else budget.seconds * (1 - self.flow_share)

        def preview(path: Path) -> None:
            shown = images[:32]
            device = next(network.parameters()).device
            again = network.decode(network.encode(to_pixels(torch.from_numpy(shown.copy()).to(device)))[0])
            pairs = np.stack([shown, to_bytes((again + 1) / 2)], axis=1).reshape(-1, *shown.shape[1:])
            contact_sheet(pairs, columns=8).save(path)

        settings = Settings("autoencoder", batch=self.batch)
        whole = Budget(seconds, budget.images)
        return train([objective], [images], whole, rng, workspace, settings, preview, weights=weights).clock

    def _left(self, budget: Budget, seen: Clock, seconds: float) -> Budget:
        """What the flow may use, after the autoencoder's part and ``seconds`` around it."""
        codes = None
        if budget.images is not None:
            codes = max(1, round(budget.images * _CODES_AN_IMAGE * self.flow_share / (1 - self.flow_share)))
        if budget.seconds is None:
            return Budget(images=codes)
        return Budget(max(budget.seconds - seen.seconds - seconds, 0.01 * budget.seconds), codes)

    def _fit_flow(
        self,
        generator: "CodedImages",
        codes: list[Tensor],
        weights: np.ndarray | None,
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
    ) -> None:
        flow = generator.flow
        objective = Objective("flow", flow, FlowMatching(flow), Adam(3e-3), half_life=100_000)

        def preview(path: Path) -> None:
            contact_sheet(to_bytes(generator.sample(64, rng.child("preview"))), columns=8).save(path)

        settings = Settings("flow", batch=256)
        columns = [column.numpy() for column in codes]
        train([objective], columns, budget, rng, workspace, settings, preview, weights=weights)


class CodedImages(Generator):
    """G(z) = decoder(flow(z)), z ~ N(0, I): what :class:`VAE` fits.

    Deterministic and differentiable in z. Decoding 64 images of 32 px takes about 50 ms on two cores.
    """

    capabilities = Capabilities(differentiable=True, encodable=True)

    def __init__(self, image: ImageSpec, settings: VAE, network: Autoencoder, flow: CodeFlow, scale: CodeScale):
        self.image = image
        self.settings = settings
        self.network = network.eval()
        self.flow = flow.eval()
        self.scale = scale
        self.latent_dim = len(scale.used)

    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] of the latents, on the device of the latents.

        Raises:
            BadConfiguration: latents of another width, or a condition.
        """
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim or condition is not None:
            raise BadConfiguration(
                f"this generator decodes latents shaped n × {self.latent_dim} without a condition; "
                f"found {tuple(latents.shape)} and condition {condition!r}"
            )
        device = next(self.flow.parameters()).device
        codes = self.scale.to(device).restore(self.flow.solve(latents.to(device)))
        return ((self.network.decode(codes) + 1) / 2).clamp(0, 1).to(latents.device)

    def encode(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Standardised codes (their means; used dimensions only) of images in [0, 1]; differentiable."""
        device = next(self.flow.parameters()).device
        mean, log_variance = self.network.encode(2 * images.to(device) - 1)
        return self.scale.to(device).standardise(mean, log_variance)[0].to(images.device)

    def reconstruct(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] after encoding and decoding: the best this generator could do for each of them."""
        device = next(self.flow.parameters()).device
        decoded = self.network.decode(self.network.encode(2 * images.to(device) - 1)[0])
        return ((decoded + 1) / 2).clamp(0, 1).to(images.device)

    def continued(self) -> ContinuedVAE:
        """A copy whose autoencoder and flow go on training."""
        return ContinuedVAE(self)

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the weights."""
        return sha256(self._data()).hexdigest()[:16]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``weights.safetensors``; :meth:`VAE.load` reads them back."""
        described = {"settings": asdict(self.settings), "image": asdict(self.image)}
        write_pretrained(directory, "generators/vae", described, self._data())

    def _data(self) -> bytes:
        modules = nn.ModuleDict({"autoencoder": self.network, "flow": self.flow}).state_dict()
        codes = {f"codes.{name}": value for name, value in vars(self.scale).items()}
        return packed({**modules, **codes})


@torch.no_grad()
def _codes(network: Autoencoder, images: np.ndarray) -> tuple[Tensor, Tensor]:
    """Means and log variances of the codes of all images, in main memory."""
    device = next(network.parameters()).device
    batches = (torch.from_numpy(images[start : start + 256]).to(device) for start in range(0, len(images), 256))
    parts = [network.encode(to_pixels(batch)) for batch in batches]
    return torch.cat([mean for mean, _ in parts]).cpu(), torch.cat([spread for _, spread in parts]).cpu()
