"""Images made by decoding codes, and the codes by a flow from noise: what every variational autoencoder ends as."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from penchant.core.config import build
from penchant.core.contracts import Annotations, Budget, Capabilities, Generator, ImageSpec, Workspace
from penchant.core.rng import Rng
from penchant.data.sheet import contact_sheet
from penchant.generators._autoencoder import Autoencoder, divergence, to_pixels
from penchant.generators._code_flow import CodeFlow, CodeScale, FlowMatching
from penchant.generators._common import (
    check_condition,
    check_latents,
    drawing,
    examining,
    packed,
    reading_pretrained,
    seeded,
    to_bytes,
    write_pretrained,
)
from penchant.generators._vae_continued import ContinuedVAE
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Clock, Objective
from penchant.training.processes import Processes

Component = TypeVar("Component")
Parts = tuple[Autoencoder, CodeFlow, nn.Module | None]

_CODED = 25_000
"""Images whose codes the flow is fitted to, at most."""
_CODES_AN_IMAGE = 25
"""Codes that the flow sees in the time that the autoencoder needs for one image."""


@dataclass(frozen=True)
class CodeStage:
    """The second half of training: a flow fitted to the codes (two-stage VAE, Dai & Wipf 2019).

    The fields are those of ``vae`` that are called ``flow_`` and so.
    """

    share: float
    width: int
    blocks: int
    steps: int

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"flow_share must be between 0 and 1; found {self.share:g}")
        if self.width < 1 or self.steps < 1 or self.blocks < 0:
            raise ValueError("flow_width and flow_steps must be at least 1, and flow_blocks must not be negative")

    def flow(self, dimensions: int, condition_dim: int) -> CodeFlow:
        """The network."""
        return CodeFlow(dimensions, self.width, self.blocks, self.steps, condition_dim)

    def before(self, budget: Budget) -> Budget:
        """What the autoencoder may use. A budget of images counts those that it sees."""
        return Budget(None if budget.seconds is None else budget.seconds * (1 - self.share), budget.images)

    def left(self, budget: Budget, seen: Clock, seconds: float) -> Budget:
        """What the flow may use, after the autoencoder's part and ``seconds`` around it."""
        codes = None
        if budget.images is not None:
            codes = max(1, round(budget.images * _CODES_AN_IMAGE * self.share / (1 - self.share)))
        if budget.seconds is None:
            return Budget(images=codes)
        return Budget(max(budget.seconds - seen.seconds - seconds, 0.01 * budget.seconds), codes)


class CodedImages(Generator):
    """G(z) = decoder(flow(z)), z ~ N(0, I): what ``vae`` and ``vae_gan`` fit.

    Deterministic and differentiable in z. Decoding 64 images of 32 px takes about 50 ms on two cores. The latent has
    one dimension for each dimension of the code that is used.

    Args:
        kind: which component made it and reads it back, such as ``"generators/vae"``.
        settings: that component, a frozen dataclass with ``beta`` and ``free_bits``.
        image: channels and size.
        network: encoder and decoder.
        flow: from noise to standardised codes, perhaps under a condition of ``condition_dim`` numbers.
        scale: which dimensions of the code are used, and how they are standardised.
        judge: the discriminator that the autoencoder was trained with, if any; kept for going on training.
    """

    def __init__(
        self,
        kind: str,
        settings: Any,
        image: ImageSpec,
        network: Autoencoder,
        flow: CodeFlow,
        scale: CodeScale,
        condition_dim: int = 0,
        judge: nn.Module | None = None,
    ):
        self.kind = kind
        self.settings = settings
        self.image = image
        self.network = network.eval()
        self.flow = flow.eval()
        self.scale = scale
        self.judge = None if judge is None else judge.eval()
        self.latent_dim = len(scale.used)
        self.condition_dim = condition_dim
        self.capabilities = Capabilities(differentiable=True, encodable=True, conditional=condition_dim > 0)

    def decode(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] of the latents, on the device of the latents.

        Raises:
            BadConfiguration: latents of another width, or a condition of another shape or where none is known.
        """
        check_latents(latents, self.latent_dim)
        device = next(self.flow.parameters()).device
        told = check_condition(condition, len(latents), self.condition_dim, device)
        codes = self.scale.to(device).restore(self.flow.solve(latents.to(device), told))
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
        """Write ``config.json`` and ``weights.safetensors``; the component's ``load`` reads them back."""
        described = {
            "settings": asdict(self.settings),
            "image": asdict(self.image),
            "condition_dim": self.condition_dim,
        }
        write_pretrained(directory, self.kind, described, self._data())

    def _data(self) -> bytes:
        codes = {f"codes.{name}": value for name, value in vars(self.scale).items()}
        return packed({**_whole(self.network, self.flow, self.judge).state_dict(), **codes})


def fit_codes(
    stage: CodeStage,
    network: Autoencoder,
    images: UInt8[np.ndarray, "n c h w"],
    annotations: Annotations,
    budget: Budget,
    seen: Clock,
    before: float,
    rng: Rng,
    workspace: Workspace,
    settings: Settings,
    kind: str,
    component: Any,
    judge: nn.Module | None = None,
) -> CodedImages:
    """The generator of a trained autoencoder: its codes are measured, and a flow is fitted to them.

    ``seen`` and ``before`` are what the autoencoder's training took and the seconds around it; ``annotations`` give the
    images' weights, and conditions where the flow is to be conditional. Raises what ``train`` raises.
    """
    start = workspace.clock()
    image = ImageSpec(images.shape[1], images.shape[2])
    chosen = np.sort(rng.child("coded").numpy().permutation(len(images))[:_CODED])
    weights, conditions = (
        None if rows is None else rows[chosen] for rows in (annotations.weights, annotations.conditions)
    )
    width = 0 if conditions is None else conditions.shape[1]
    mean, log_variance = _codes(network, images[chosen])
    scale = CodeScale.of(mean, log_variance, divergence(mean, log_variance).mean(dim=0))
    flow = seeded(rng.child("flow network"), lambda: stage.flow(len(scale.used), width))
    generator = CodedImages(kind, component, image, network, flow, scale, width, judge)

    (around,) = Processes().mean([before + workspace.clock() - start])
    left = stage.left(budget, seen, around)
    columns = [column.numpy() for column in scale.standardise(mean, log_variance)]
    columns += [] if conditions is None else [conditions.astype(np.float32)]
    objective = Objective("flow", flow, FlowMatching(flow), Adam(3e-3), half_life=100_000)
    train(
        [objective],
        columns,
        left,
        rng.child("flow"),
        workspace,
        settings,
        drawing(generator, rng.child("flow")),
        weights=weights,
        examine=examining(generator, workspace),
    )
    _whole(network, flow, judge).requires_grad_(False)
    return generator


def read_coded(
    directory: Path,
    component: type[Component],
    parts: Callable[[Component, ImageSpec, int, int], Parts],
    earlier: Mapping[str, Any] | None = None,
) -> CodedImages:
    """The generator that :meth:`CodedImages.save_pretrained` wrote.

    ``parts`` makes the networks of settings, image, dimensions of the flow and width of a condition; ``earlier`` is
    what settings were, that were not written before they existed.

    Raises:
        StudyDamaged: a file is missing, or the weights are not those that were written.
    """
    with reading_pretrained(directory) as (config, tensors):
        settings = build(component, {**(earlier or {}), **config["settings"]}, where=str(directory / "config.json"))
        image = ImageSpec(**config["image"])
        condition_dim: int = config.get("condition_dim", 0)  # not written before codes knew conditions
        scale = CodeScale(tensors.pop("codes.used"), tensors.pop("codes.mean"), tensors.pop("codes.deviation"))
        network, flow, judge = parts(settings, image, len(scale.used), condition_dim)
        whole = _whole(network, flow, judge)
        whole.load_state_dict(tensors)
        whole.requires_grad_(False)
    return CodedImages(config["penchant"], settings, image, network, flow, scale, condition_dim, judge)


def _whole(network: Autoencoder, flow: CodeFlow, judge: nn.Module | None) -> nn.ModuleDict:
    parts: dict[str, nn.Module] = {"autoencoder": network, "flow": flow}
    return nn.ModuleDict(parts if judge is None else {**parts, "judge": judge})


def reconstructions(network: Autoencoder, images: UInt8[np.ndarray, "n c h w"], path: Path) -> None:
    """Write a sheet of images, each beside what is given back of it."""
    device = next(network.parameters()).device
    again = network.decode(network.encode(to_pixels(torch.from_numpy(images.copy()).to(device)))[0])
    pairs = np.stack([images, to_bytes((again + 1) / 2)], axis=1).reshape(-1, *images.shape[1:])
    contact_sheet(pairs, columns=8).save(path, compress_level=1)


@torch.no_grad()
def _codes(network: Autoencoder, images: np.ndarray) -> tuple[Tensor, Tensor]:
    """Means and log variances of the codes of all images, in main memory."""
    device = next(network.parameters()).device
    batches = (torch.from_numpy(images[start : start + 256]).to(device) for start in range(0, len(images), 256))
    parts = [network.encode(to_pixels(batch)) for batch in batches]
    return torch.cat([mean for mean, _ in parts]).cpu(), torch.cat([spread for _, spread in parts]).cpu()
