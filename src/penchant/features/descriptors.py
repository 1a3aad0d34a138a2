"""Readable aesthetic descriptors: about ninety numbers a person can put a name to."""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Encoder, Extractor, Group
from penchant.core.errors import StudyDamaged, UnknownName
from penchant.core.rng import Rng
from penchant.features import _checked, _saved
from penchant.features._colour import COLOUR, HUES
from penchant.features._composition import COLOUR_LAYOUT, COMPOSITION, LIGHT_LAYOUT
from penchant.features._edges import EDGES
from penchant.features._light import CONTRAST, LIGHT
from penchant.features._planes import Dimension, Topic, planes
from penchant.features._symmetry import SYMMETRY
from penchant.features._texture import TEXTURE

TOPICS: Final[tuple[Topic, ...]] = (
    COLOUR,
    HUES,
    LIGHT,
    CONTRAST,
    SYMMETRY,
    EDGES,
    TEXTURE,
    COMPOSITION,
    LIGHT_LAYOUT,
    COLOUR_LAYOUT,
)
"""The groups of descriptors, in the order of their columns."""

_NAMES = tuple(dimension.name for topic in TOPICS for dimension in topic.dimensions)
_KIND = "features/descriptors"
_VERSION = 1
_LIMIT = 6.0
_LEAST_SPREAD = 1e-4


@dataclass(frozen=True)
class Descriptors:
    """What a person would say of an image: its colours, light, contrast, symmetry, edges, texture and composition.

    The formulas, each with its source, are in the modules ``_colour``, ``_light``, ``_symmetry``, ``_edges``,
    ``_texture`` and ``_composition`` of this folder. Every value is transformed (logarithms, square roots) so that
    tastes are about linear in it, standardised on the images given to ``fit`` and bent softly towards ±6 beyond, so
    that no image is off the scale. All are differentiable, with finite gradients for flat images too. A column that
    is the same for all images (colour, where the images are grey) is 0.

    The default beside ``latents``; alone, it needs nothing trained. Cost: about 0.5 ms an image at 32 px on a core,
    2 ms at 64 px; larger images are averaged down to 64 px.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(20, 3, 32, 32, generator=Rng(0).torch())
    >>> extractor = Descriptors().fit(images, None, Rng(0))
    >>> extractor(images).shape[1] == extractor.width
    True
    >>> words("warmth")
    ('cool', 'warm')
    """

    def fit(self, images: Float[Tensor, "n c h w"], encoder: Encoder | None, rng: Rng) -> "DescriptorExtractor":
        """Descriptors standardised on ``images``; encoder and rng are not used.

        Raises:
            BadImages: fewer than two images, or they are not finite images in [0, 1].
        """
        _checked.check_enough(images)
        with torch.no_grad():
            raw = _checked.in_chunks(describe, images, len(_NAMES)).double()
        return DescriptorExtractor(raw.mean(0).float(), raw.std(0, correction=0).float())

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> "DescriptorExtractor":
        """What ``save_pretrained`` wrote.

        Raises:
            StudyDamaged: files are missing or broken, or were written by a Penchant with other descriptors.
        """
        config, tensors = _saved.read(directory, ("mean", "deviation"))
        if config.get("names") != list(_NAMES) or config.get("version") != _VERSION:
            raise StudyDamaged(
                f"{directory} was written by a Penchant whose descriptors were others; fit the features anew"
            )
        return DescriptorExtractor(tensors["mean"], tensors["deviation"])


class DescriptorExtractor(Extractor):
    """Descriptors with the mean and standard deviation of the images they were fitted to."""

    differentiable = True

    def __init__(self, mean: Float[Tensor, " d"], deviation: Float[Tensor, " d"]):
        self._mean, self._deviation = mean, deviation
        self._scale = torch.where(deviation > _LEAST_SPREAD, 1 / deviation.clamp_min(_LEAST_SPREAD), 0.0)
        stops = list(accumulate(len(topic.dimensions) for topic in TOPICS))
        self.groups = tuple(
            Group(topic.name, stop - len(topic.dimensions), stop, tuple(each.name for each in topic.dimensions))
            for topic, stop in zip(TOPICS, stops, strict=True)
        )

    @property
    def hash(self) -> str:
        """Of the formulas' version and the standardisation."""
        return _saved.content_hash(_KIND, self._settings, self._tensors)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features; raises BadImages where these are not finite images in [0, 1]."""
        raw = _checked.in_chunks(describe, images, self.width)
        standard = (raw - self._mean.to(raw)) * self._scale.to(raw)
        return (_LIMIT * torch.tanh(standard / _LIMIT)).float()

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and safetensors."""
        _saved.save(directory, _KIND, self._settings, self._tensors)

    @property
    def _settings(self) -> dict[str, int | list[str]]:
        return {"version": _VERSION, "names": list(_NAMES)}

    @property
    def _tensors(self) -> dict[str, Tensor]:
        return {"mean": self._mean, "deviation": self._deviation}


def describe(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """The descriptors as they are measured, neither checked nor standardised, in the images' precision."""
    seen = planes(images)
    return torch.cat([topic.measure(seen) for topic in TOPICS], 1)


def words(dimension: str) -> tuple[str, str]:
    """What to say of an image with little and with much of ``dimension``: ``("cool", "warm")`` for ``"warmth"``.

    Raises:
        UnknownName: no descriptor is called that.
    """
    return _dimension(dimension).low, _dimension(dimension).high


def group_words(group: str) -> str:
    """What to call ``group`` in a sentence; the prefix of a joined extractor's groups does not matter.

    Groups that are not descriptors are called by their own name.
    """
    _, _, name = group.rpartition("/")
    return {topic.name: topic.words for topic in TOPICS}.get(name, name)


def _dimension(name: str) -> Dimension:
    named = {dimension.name: dimension for topic in TOPICS for dimension in topic.dimensions}
    if name not in named:
        raise UnknownName("descriptor", name, named)
    return named[name]
