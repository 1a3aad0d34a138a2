"""Networks that the field measures by, with their weights as published: nothing is fitted to anybody's images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from penchant.core.config import build
from penchant.core.family import parse_spec
from penchant.features import _checked
from penchant.features._inception import Inception as InceptionNetwork
from penchant.features._vgg import Vgg16 as VggNetwork
from penchant.features._vision import load_preprocessing, load_vision, model_file
from penchant.features._weights import MODELS, Weights, fill, read_weights, sha256_of

_AT_ONCE = 32
"""Images in a network together; more is no faster, and at 299 px they need much memory."""


@dataclass(frozen=True, eq=False)
class Yardstick:
    """A frozen network: images in [0, 1] to raw features.

    Attributes:
        name: as it is asked for and printed.
        hash: sixteen hexadecimal digits of the network and its weights.
        width: how many features.
        about: which weights, for beside every figure.
        published: whether the weights are the published ones, by their SHA-256.
        see: the network.
    """

    name: str
    hash: str
    width: int
    about: str
    published: bool
    see: Callable[[Float[Tensor, "k 3 h w"]], Float[Tensor, "k d"]]

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features; raises BadImages where these are not finite images in [0, 1]. Grey ones are shown in grey."""
        return _checked.in_chunks(self._measure, images, self.width)

    def _measure(self, images: Float[Tensor, "k c h w"]) -> Float[Tensor, "k d"]:
        return torch.cat([self.see(part.expand(-1, 3, -1, -1)) for part in images.split(_AT_ONCE)])


class YardstickComponent(Protocol):
    """Settings that say where weights are; ``load`` reads them."""

    def load(self) -> Yardstick:
        """The network, ready.

        Raises:
            BadConfiguration: there are no such weights, or they are not what they should be.
        """
        ...


@dataclass(frozen=True)
class Inception:
    """The Inception network of 2015, 299 px, last pooling: the features that FID and KID were published with.

    Args:
        weights: a file; without, the published one from torch's cache, fetched once. Weights that are not the
            published ones must be safetensors, and no figure from them is called FID.
    """

    weights: str | None = None

    def load(self) -> Yardstick:
        """The network; 0.1 s an image on a core."""
        with torch.device("meta"):
            network = InceptionNetwork()
        found = read_weights("inception", self.weights)
        fill(network, "inception", found, network.unused)
        return _of_pixels("inception", network, network.width, found)


@dataclass(frozen=True)
class Vgg16:
    """torchvision's VGG16, 224 px, second layer of 4,096 numbers: that of precision and recall (arXiv 1904.06991).

    Args:
        weights: as for ``inception``.
    """

    weights: str | None = None

    def load(self) -> Yardstick:
        """The network; 0.2 s an image on a core."""
        with torch.device("meta"):
            network = VggNetwork()
        found = read_weights("vgg16", self.weights)
        fill(network, "vgg16", found, network.unused)
        return _of_pixels("vgg16", network, network.width, found)


@dataclass(frozen=True)
class Dinov2:
    """DINOv2's class token: of the encoders compared in arXiv 2306.04675 the one that agrees best with people.

    Args:
        model: a folder, or an id on the Hugging Face hub. Papers take ``facebook/dinov2-large``.
    """

    model: str = "facebook/dinov2-base"

    def load(self) -> Yardstick:
        """The network."""
        return _of_model("dinov2", self.model)


@dataclass(frozen=True)
class Clip:
    """What CLIP's image part makes of an image before it is projected beside words.

    Args:
        model: a folder, or an id on the Hugging Face hub.
    """

    model: str = "openai/clip-vit-large-patch14"

    def load(self) -> Yardstick:
        """The network."""
        return _of_model("clip", self.model)


YARDSTICKS: Mapping[str, type[Any]] = {"inception": Inception, "vgg16": Vgg16, "dinov2": Dinov2, "clip": Clip}
"""By name, as ``penchant evaluate --extractor`` takes them; settings in brackets, as for features."""


def yardstick(spec: str) -> Yardstick:
    """The network that ``"inception"`` or ``"dinov2(model='FOLDER')"`` names.

    Raises:
        BadConfiguration: a setting that there is not, or no such weights.
    """
    name, settings = parse_spec(spec, "extractor")
    component: YardstickComponent = build(YARDSTICKS[name], settings, where=f"extractor {name}")
    return component.load()


def _of_pixels(name: str, network: nn.Module, width: int, weights: Weights) -> Yardstick:
    network.eval().requires_grad_(False)
    return Yardstick(
        name,
        _digest(name, weights.sha256),
        width,
        weights.told,
        weights.published,
        lambda images: network(images * 255),
    )


def _of_model(name: str, model: str) -> Yardstick:
    preprocessing, vision = load_preprocessing(model), load_vision(model, None)
    file = model_file(model)
    found = None if file is None else sha256_of(file)
    known = next((which for which, expected in MODELS.items() if expected == found), None)
    told = f"those published as {known}" if known else "compared with none that are published"
    with torch.no_grad():
        width = int(vision(preprocessing(torch.zeros(1, 3, 64, 64))).shape[1])
    return Yardstick(
        name=name,
        hash=_digest(name, vision.weights),
        width=width,
        about=f"{model}, weights SHA-256 {(found or vision.weights)[:16]}…, {told}",
        published=known is not None,
        see=lambda images: vision(preprocessing(images)),
    )


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:16]
