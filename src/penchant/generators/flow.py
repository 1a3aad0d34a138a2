"""Rectified flow in pixels: the generator with the finest detail, several network passes a sample."""

from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

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
from penchant.core.rng import Rng
from penchant.generators._common import (
    check_condition,
    check_latents,
    drawing,
    examining,
    image_spec,
    mirrored,
    packed,
    reading_pretrained,
    seeded,
    training_conditions,
    write_pretrained,
)
from penchant.generators._flow_continued import ContinuedFlow
from penchant.generators._velocity import Velocity, VelocityMatching
from penchant.training.loop import Settings, train
from penchant.training.objective import MuonAdam, Objective

_LEAST_VARIANCE = 0.01
"""Added to the variance of the pixels, so that images that are all alike are no division by zero."""


@dataclass(frozen=True)
class Flow:
    """Rectified flow (Liu et al. 2023; Lipman et al. 2023) on pixels, with a small U-Net.

    Learns the velocity that carries noise along straight lines to images, E‖v(x_t, t) − (image − noise)‖² with t
    logit-normal (Esser et al. 2024, §3.1). G(z) follows it from z, one number a pixel value, in ``steps`` steps of
    Heun's method. Deterministic and differentiable; 2·steps − 1 network passes a sample.

    Conditional where images come with conditions: one in ten is learned without, and ``guidance`` is how far samples
    go beyond what the condition alone says (Ho & Salimans 2022).

    The choice for fine detail, many images, text or classes, and a few minutes; its latents are as wide as its images,
    so aligning it costs more than a VAE, and sampling takes tens of network passes where a VAE takes one.

    Args:
        widths: channels of the levels, from the finest.
        steps: of Heun's method a sample.
        guidance: weight of the condition; 1 follows it, more exaggerates it.
        batch: images a step.
        learning_rate: of Muon, at its top.
        mirror: add left-right mirrored images; for small sets of things that have no handedness.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    steps: int = 8
    guidance: float = 2.0
    batch: int = 64
    learning_rate: float = 0.02
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps and batch must be at least 1; found {self.steps} and {self.batch}")
        if not self.widths or any(width < 8 or width % 8 for width in self.widths):
            raise ValueError(f"widths must be multiples of 8; found {self.widths}")
        if not 0 <= self.guidance < float("inf") or not 0 < self.learning_rate < float("inf"):
            raise ValueError("guidance must be at least 0 and learning_rate positive, both finite")

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> "FlowImages":
        """Train the velocity; goes on from the checkpoint in ``workspace`` where there is one.

        Raises:
            BadImages: fewer than 16 images, or not bytes shaped n × 1 or 3 × size × size of a size that is known.
            BadConfiguration: conditions that are not one finite row an image.
            Interrupted: Ctrl-C; fit again with the same arguments to go on.
            TrainingDiverged: the numbers blew up; a lower learning rate helps.
        """
        image = image_spec(images, "a flow")
        conditions = training_conditions(annotations, len(images))
        variance = float((np.asarray(images[:4096], dtype=np.float32) / 127.5).var()) + _LEAST_VARIANCE
        if self.mirror:
            images, annotations = mirrored(images, annotations)
            conditions = annotations.conditions
        wide = 0 if conditions is None else conditions.shape[1]
        network = seeded(rng.child("network"), lambda: Velocity(image, self.widths, wide, variance))
        generator = FlowImages(image, self, network)
        loss = VelocityMatching(network)
        objective = Objective("velocity", network, loss, MuonAdam(self.learning_rate), half_life=20_000)

        columns = [images] if conditions is None else [images, conditions.astype(np.float32)]
        settings = Settings("flow", batch=self.batch)
        train(
            [objective],
            columns,
            budget,
            rng.child("flow"),
            workspace,
            settings,
            drawing(generator, rng),
            weights=annotations.weights,
            examine=examining(generator, workspace),
        )
        network.requires_grad_(False)
        return generator

    @staticmethod
    def load(directory: Path) -> "FlowImages":
        """The generator that :meth:`FlowImages.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing, or the weights are not those that were written.
        """
        with reading_pretrained(directory) as (config, tensors):
            settings = build(Flow, config["settings"], where=str(directory / "config.json"))
            image = ImageSpec(**config["image"])
            network = Velocity(image, settings.widths, config["condition_dim"], config["variance"])
            network.load_state_dict(tensors)
        return FlowImages(image, settings, network.requires_grad_(False))


class FlowImages(Generator):
    """G(z): where the flow carries the noise z. What :class:`Flow` fits."""

    def __init__(self, image: ImageSpec, settings: Flow, network: Velocity):
        self.image = image
        self.settings = settings
        self.network = network.eval()
        self.latent_dim = image.channels * image.size**2
        self.condition_dim = network.condition_dim
        self.capabilities = Capabilities(conditional=self.condition_dim > 0, one_step=False)

    def decode(
        self, latents: Float[Tensor, "n z"], condition: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] of the latents, on the device of the latents.

        Raises:
            BadConfiguration: latents of another width, or a condition of another shape or where none is known.
        """
        check_latents(latents, self.latent_dim)
        device = next(self.network.parameters()).device
        condition = check_condition(condition, len(latents), self.condition_dim, device)
        x = latents.to(device).unflatten(1, (self.image.channels, self.image.size, self.image.size))
        times = torch.linspace(0, 1, self.settings.steps + 1, device=device)
        for index, (now, then) in enumerate(pairwise(times.split(1)), start=1):
            velocity = self._velocity(x, now, condition)
            if index < self.settings.steps:
                velocity = (velocity + self._velocity(x + (then - now) * velocity, then, condition)) / 2
            x = x + (then - now) * velocity
        return ((x + 1) / 2).clamp(0, 1).to(latents.device)

    def _velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """The velocity, led further towards the condition than it says by itself."""
        if condition is None:
            return self.network(x, time)
        free, bound = self.network(x.repeat(2, 1, 1, 1), time, _with_none(condition)).chunk(2)
        return torch.lerp(free, bound, self.settings.guidance)

    def continued(self) -> ContinuedFlow:
        """A copy whose velocity goes on training."""
        return ContinuedFlow(self)

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the weights."""
        return sha256(packed(self.network.state_dict())).hexdigest()[:16]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``weights.safetensors``; :meth:`Flow.load` reads them back."""
        described = {
            "settings": asdict(self.settings),
            "image": asdict(self.image),
            "condition_dim": self.condition_dim,
            "variance": self.network.variance,
        }
        write_pretrained(directory, "generators/flow", described, packed(self.network.state_dict()))


def _with_none(condition: Float[Tensor, "n c"]) -> Float[Tensor, "m c"]:
    """As many rows without a condition first."""
    return torch.cat([torch.full_like(condition, float("nan")), condition])
