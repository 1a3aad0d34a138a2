"""One number of noise, one pixel, a reward that is a straight line: what every aligner must do is known exactly."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from penchant.bench._running import Row
from penchant.core.contracts import (
    ALIGNMENT,
    Aligner,
    Capabilities,
    Continued,
    Generator,
    ImageSpec,
    Progress,
    Report,
    Reward,
    Strength,
)
from penchant.core.rng import Rng

SIGMA = 0.5
STEP = 32 / 255
"""A unit of the latent, in pixel values: bytes hold four units either way."""

LINES = {
    "latent_tilt": "latent_tilt(steps=400, batch=32, couplings=2, hidden=16, learning_rate=0.01, beta={beta})",
    "joint": "joint(tilt_steps=200, steps=400, batch=32, couplings=2, hidden=16, tilt_learning_rate=0.01, "
    "learning_rate=0.01, images_weight=0.0, beta={beta})",
    "weighted": "weighted(generated=40000, steps=200, batch=256, learning_rate=0.03, beta={beta})",
    "noise_search": "noise_search(steps=60, norm_weight=0, beta={beta})",
}
"""Every aligner whose nats have a price, at a size that fits one number of noise."""


class LineGenerator(Generator):
    """G(z) = 128/255 + STEP·(z·width + offset), one pixel."""

    latent_dim = 1
    image = ImageSpec(1, 1)
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.offset, self.log_width = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def decode(self, latents: Tensor, condition: Any = None) -> Tensor:
        """The pixel, not clipped."""
        return (128 / 255 + STEP * (self.offset + latents * self.log_width.exp()))[:, :, None, None]

    def continued(self) -> Continued:
        """Trains offset and width."""
        return ContinuedLine(self)

    def save_pretrained(self, directory: Path) -> None:
        """Never kept."""
        raise NotImplementedError


class ContinuedLine(Continued):
    """−log N(x; offset, width²), in units of the latent."""

    def __init__(self, original: LineGenerator):
        self.generator = copy.deepcopy(original)
        self.parameters = [self.generator.offset, self.generator.log_width]

    def loss(self, images: Tensor, noise: torch.Generator, conditions: Tensor | None = None) -> Tensor:
        """Of images as bytes."""
        offset, log_width = self.parameters
        z = (images.flatten(1).float() - 128) / 32
        return (0.5 * ((z - offset) / log_width.exp()).square() + log_width).mean()

    def error(self, images: Tensor) -> float:
        """σ, as given."""
        return SIGMA * STEP


class LineReward(Reward):
    """``slope`` for each unit of the latent."""

    def __init__(self, slope: float):
        self.slope = slope

    def __call__(self, images: Tensor) -> Tensor:
        """A straight line."""
        return self.slope * units(images)

    def save_pretrained(self, directory: Path) -> None:
        """Never kept."""
        raise NotImplementedError


def units(images: Tensor) -> Tensor:
    """The latent that a pixel shows."""
    return (images.flatten(1)[:, 0] - 128 / 255) / STEP


def closed_forms(report: Report) -> Iterator[Row]:
    """Shift a/β, KL a²/2β² for r = a·z and z ~ N(0, 1), as a share of what was reached; and nothing moved at β → ∞."""
    slope = 1.0
    grey = np.full((64, 1, 1, 1), 128, dtype=np.uint8)
    for place, (name, spec) in enumerate(LINES.items()):
        report(Progress(f"closed form, {name}", place / len(LINES)))
        for beta in (1.0, 3.0):
            aligner: Aligner = ALIGNMENT.make(spec.format(beta=beta))
            images = grey if name == "joint" else None
            base = LineGenerator()
            result = aligner.align(base, LineReward(slope), Strength(6), Rng(0), images=images)
            kl = slope**2 / (2 * beta**2)
            shift = slope / beta
            if name == "joint":  # the picture is lifted too: σ² for each unit of the noise
                kl, shift = kl * 1.25, shift * 1.25
            reached = _shift(base, result.generator, weighted=name == "weighted")
            yield Row.against(
                f"closed form · {name} · β = {beta:g} · |shift / (a/β) − 1|", abs(reached / shift - 1), "≤ 0.02"
            )
            off = abs(result.kl_nats / kl - 1)
            yield Row.against(f"closed form · {name} · β = {beta:g} · |KL / (a²/2β²) − 1|", off, "≤ 0.02")
        base = LineGenerator()
        aligner = ALIGNMENT.make(spec.format(beta=1e9))
        result = aligner.align(base, LineReward(slope), Strength(6), Rng(0), images=grey if name == "joint" else None)
        latents = base.latents(1000, Rng(1))
        with torch.no_grad():
            off = float((result.generator.decode(latents) - base.decode(latents)).abs().max())
        yield Row.against(f"closed form · {name} · β = 10⁹ · largest change of a pixel", off, "≤ 0.004")


@torch.no_grad()
def _shift(base: Generator, aligned: Generator, weighted: bool) -> float:
    latents = base.latents(20_000, Rng(1))
    moved = float((units(aligned.decode(latents)) - units(base.decode(latents))).double().mean())
    if not weighted:
        return moved
    made = base.sample(40_000, Rng(0).child("pool", "made"))  # what it was trained on: its mean is not quite 0
    return moved - float(units((made.clamp(0, 1) * 255).round() / 255).double().mean())
