"""A generator that shows its latents and a reward with known best answers: r(z) = slopeᵀz − ½·curvature·‖z‖²."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from penchant.alignment import _best_of, _retrained, _searched, _tilted
from penchant.core.contracts import Capabilities, Continued, Encoder, Generator, ImageSpec, Reward
from penchant.core.pretrained import write_config


class Plane(Generator):
    """Its image is its latent times a weight of 1, in a row of pixels; a condition is added."""

    def __init__(self, dimensions: int):
        self.latent_dim = dimensions
        self.image = ImageSpec(channels=1, size=dimensions)
        self.capabilities = Capabilities(encodable=True, conditional=True)
        self.weight = nn.Parameter(torch.ones(dimensions))
        self.offset = nn.Parameter(torch.zeros(dimensions))

    def decode(self, latents: Tensor, condition: Any = None) -> Tensor:
        pixels = latents * self.weight + self.offset
        return (pixels if condition is None else pixels + condition)[:, None, None]

    def encode(self, images: Tensor) -> Tensor:
        return images[:, 0, 0]

    def save_pretrained(self, directory: Path) -> None:
        write_config(directory, "generators/plane", {})
        weights = {"weight": self.weight.detach(), "offset": self.offset.detach()}
        save_file(weights, directory / "plane.safetensors")

    def load_state(self, weights: dict[str, Tensor]) -> None:
        self.weight, self.offset = nn.Parameter(weights["weight"]), nn.Parameter(weights["offset"])

    def continued(self) -> Continued:
        return ContinuedPlane(self)


class ContinuedPlane(Continued):
    """A plane whose images lie half a unit around it, and whose loss is −log N(x; offset, weight²) of byte / 32 − 4."""

    def __init__(self, original: Plane):
        self.generator = copy.deepcopy(original)
        self.parameters = [self.generator.weight, self.generator.offset]

    def loss(self, images: Tensor, noise: torch.Generator, conditions: Tensor | None = None) -> Tensor:
        weight, offset = self.parameters
        pixels = images.flatten(1) / 32 - 4
        return (0.5 * ((pixels - offset) / weight).square() + weight.abs().log()).sum(dim=1).mean()

    def error(self, images: Tensor) -> float:
        return 0.5


class Slope(Reward):
    """A bowl on a slope."""

    def __init__(self, slope: Tensor, curvature: float = 0.0):
        self.slope, self.curvature = slope, curvature

    def __call__(self, images: Tensor) -> Tensor:
        z = images.flatten(1)
        return z @ self.slope - 0.5 * self.curvature * z.square().sum(dim=1)

    def save_pretrained(self, directory: Path) -> None:
        write_config(directory, "preference/slope", {"curvature": self.curvature})
        save_file({"slope": self.slope}, directory / "slope.safetensors")


MakeGenerator = Callable[[int], Generator]
MakeReward = Callable[..., Reward]


@pytest.fixture
def plane() -> MakeGenerator:
    return Plane


@pytest.fixture
def slope() -> MakeReward:
    """``slope(1.0, 0.0, curvature=…)``."""

    def make(*values: float, curvature: float = 0.0) -> Reward:
        return Slope(torch.tensor(values), curvature)

    return make


@pytest.fixture
def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let saved planes and slopes be read back, as saved generators and rewards of the package are."""

    def load_plane(directory: Path) -> Generator:
        weights = load_file(directory / "plane.safetensors")
        plane = Plane(len(weights["weight"]))
        plane.load_state(weights)
        return plane

    def load_slope(directory: Path, encoder: Encoder | None) -> Reward:
        assert encoder is not None
        return Slope(load_file(directory / "slope.safetensors")["slope"])

    monkeypatch.setattr(_tilted, "load_generator", load_plane)
    monkeypatch.setattr(_best_of, "load_generator", load_plane)
    monkeypatch.setattr(_searched, "load_generator", load_plane)
    monkeypatch.setattr(_searched, "load_reward", load_slope)
    monkeypatch.setattr(_retrained, "load_generator", load_plane)
    monkeypatch.setattr(_best_of, "load_reward", load_slope)
