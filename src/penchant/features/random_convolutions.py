"""A judge that nobody trained: random convolutions, frozen, for telling sets of images apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from penchant.core.contracts import Encoder, Extractor, Group
from penchant.core.rng import Rng
from penchant.features import _checked, _saved
from penchant.features._planes import MOST_PIXELS, variance
from penchant.features._principal import principal_axes

_KIND = "features/random_convolutions"
_CHANNELS = (16, 24, 24, 32)
_RAW = 2 * sum(_CHANNELS) + 4 * _CHANNELS[-1]
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class RandomConvolutions:
    """Features for metrics: how a randomly initialised, frozen convolutional network sees images.

    Random weights compare image sets about as well as self-supervised ones do and complement them (arXiv 2208.09218);
    they owe nothing to any data set, and never to generated images, and are never part of a reward. Four convolutions
    of 3 × 3 (16, 24, 24, 32 channels, leaky ReLU, halved in between), of each the mean and the standard deviation
    over places, and the means of the last in four quadrants: 320 numbers. Each is standardised on the images given to
    ``fit`` (real training images); then come at most 64 principal components without whitening, scaled by one number
    so that their mean variance is 1: a difference in a direction in which real images vary much counts for much.

    Numbers from different seeds or fits do not compare; the spread over five seeds tells the judge's own uncertainty.
    For a taste, use ``descriptors`` and ``latents``. Cost: about 0.2 ms an image at 32 px on a core.

    Args:
        seed: decides the weights.
        most: at most so many principal components.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(100, 3, 32, 32, generator=Rng(0).torch())
    >>> tuple(RandomConvolutions().fit(images, None, Rng(0))(images).shape)
    (100, 64)
    """

    seed: int = 0
    most: int = 64

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"most must be at least 1; found {self.most}")

    def fit(self, images: Float[Tensor, "n c h w"], encoder: Encoder | None, rng: Rng) -> "RandomConvolutionExtractor":
        """The network of ``seed``, standardised on ``images``; encoder and rng are not used.

        Raises:
            BadImages: fewer than two images, or they are not finite images in [0, 1].
        """
        _checked.check_enough(images)
        weights = _random_weights(Rng(self.seed).child("random_convolutions").torch())
        with torch.no_grad():
            raw = _checked.in_chunks(lambda chunk: _raw(chunk, weights), images, _RAW).double()
            deviation = raw.std(0, correction=0)
            scale = torch.where(deviation > _LEAST_SPREAD, 1 / deviation.clamp_min(_LEAST_SPREAD), 0.0)
            mean, axes, deviations = principal_axes((raw - raw.mean(0)) * scale, self.most)
            size = deviations.square().mean().sqrt().clamp_min(1e-12)
        projection = scale[:, None] * axes / size
        offset = (raw.mean(0) @ projection) + mean @ axes / size
        return RandomConvolutionExtractor(weights, projection.float(), offset.float())

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> "RandomConvolutionExtractor":
        """What ``save_pretrained`` wrote; raises StudyDamaged where files are missing or broken."""
        names = [f"weight{depth}" for depth in range(len(_CHANNELS))]
        _, tensors = _saved.read(directory, (*names, "projection", "offset"))
        return RandomConvolutionExtractor([tensors[name] for name in names], tensors["projection"], tensors["offset"])


class RandomConvolutionExtractor(Extractor):
    """A frozen random network followed by a fixed linear map."""

    differentiable = True

    def __init__(
        self, weights: Sequence[Float[Tensor, "o i 3 3"]], projection: Float[Tensor, "r d"], offset: Float[Tensor, " d"]
    ):
        self._weights, self._projection, self._offset = list(weights), projection, offset
        self.groups = (Group("convolutions", 0, int(projection.shape[1])),)

    @property
    def hash(self) -> str:
        """Of the weights and the standardisation."""
        return _saved.content_hash(_KIND, {}, self._tensors)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features; raises BadImages where these are not finite images in [0, 1]."""
        return _checked.in_chunks(self._measure, images, self.width)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and safetensors, weights included."""
        _saved.save(directory, _KIND, {}, self._tensors)

    def _measure(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        raw = _raw(images, self._weights)
        return (raw @ self._projection.to(raw) - self._offset.to(raw)).float()

    @property
    def _tensors(self) -> dict[str, Tensor]:
        weights = {f"weight{depth}": weight for depth, weight in enumerate(self._weights)}
        return {**weights, "projection": self._projection, "offset": self._offset}


def _random_weights(generator: torch.Generator) -> list[Tensor]:
    """Gaussian weights of the variance of He et al. (2015), without biases."""
    weights: list[Tensor] = []
    inputs = 3
    for outputs in _CHANNELS:
        weights.append(torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5)
        inputs = outputs
    return weights


def _raw(images: Float[Tensor, "n c h w"], weights: Sequence[Tensor]) -> Float[Tensor, "n r"]:
    """Mean and standard deviation of every channel at every depth, and the last depth's means by quadrant."""
    side = min(MOST_PIXELS, *images.shape[-2:])
    if images.shape[-2:] != (side, side):
        images = F.adaptive_avg_pool2d(images, side)
    layer = (images.expand(-1, 3, -1, -1) - 0.5) * 4
    pooled: list[Tensor] = []
    for depth, weight in enumerate(weights):
        if depth > 0:
            layer = F.avg_pool2d(layer, 2)
        layer = F.leaky_relu(F.conv2d(F.pad(layer, (1, 1, 1, 1), mode="replicate"), weight.to(layer)), 0.2)
        pooled += [layer.mean((2, 3)), (variance(layer.flatten(2)) + 1e-6).sqrt()]
    pooled.append(F.adaptive_avg_pool2d(layer, 2).flatten(1))
    return torch.cat(pooled, 1)
