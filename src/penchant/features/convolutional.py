"""What a convolutional model learned to look for while it learned the taste: its penultimate layer."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from penchant.core.contracts import FEATURES, Encoder, Extractor, Group
from penchant.core.errors import BadConfiguration, BadImages, StudyDamaged
from penchant.core.family import parse_spec
from penchant.core.pretrained import load_extractor, read_config
from penchant.core.rng import Rng
from penchant.core.scorer import SAVED_AS, Scorer
from penchant.features import _checked, _saved
from penchant.features._principal import leading_at_unit_scale

_KIND = "features/convolutional"


@dataclass(frozen=True)
class Convolutional:
    """The columns of another extractor; after them, switched off until votes ask for them, what a network learned.

    The network is a trained :class:`penchant.preference.Convolutional` model, or the members of an ensemble side by
    side: principal components of its last hidden layer, not whitened but divided by one number, so that the scale over
    all of them is 1. The group is :attr:`~penchant.core.contracts.Group.optional`, and comes after the other optional
    ones. The weights are copied into the extractor, so the folder may go afterwards.

    The network has seen the votes that it was taught, and its features fit them better than any others: judge it by
    later votes only.

    Args:
        model: the folder to which the model was saved.
        of: the other extractor, as ``"name"`` or ``"name(setting=value)"``.
        most: at most so many principal components.

    >>> import tempfile
    >>> import numpy as np
    >>> from penchant.core.contracts import Budget, Choice
    >>> from penchant.preference import Convolutional as Model
    >>> pixels = np.random.default_rng(0).integers(0, 255, (40, 3, 32, 32), dtype=np.uint8)
    >>> folder = Path(tempfile.mkdtemp())
    >>> model = Model(width=4).fit(pixels[:20], pixels[20:], [Choice.LEFT] * 20, Budget(images=64), Rng(0))
    >>> model.save_pretrained(folder)
    >>> images = torch.from_numpy(pixels).float() / 255
    >>> features = Convolutional(str(folder), of="descriptors", most=3).fit(images, None, Rng(0))
    >>> features.groups[-1].name, features.width - features.groups[-1].start
    ('convolutional', 3)
    """

    model: str
    of: str = "quadratic"
    most: int = 16

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("model needs the folder of a saved convolutional preference model")
        if self.most < 1:
            raise ValueError(f"most must be at least 1; found {self.most}")
        if parse_spec(self.of, FEATURES.kind)[0] == "convolutional":
            raise BadConfiguration("convolutional features of convolutional features are not offered; name other ones")
        FEATURES.make(self.of)

    def fit(self, images: Float[Tensor, "n c h w"], encoder: Encoder | None, rng: Rng) -> "ConvolutionalExtractor":
        """The other extractor fitted to the images, then the principal components of the network's layer.

        Raises:
            BadConfiguration: there is no trained model in the folder.
            StudyDamaged: there is one, but it is broken.
            NotCapable, BadImages: as the other extractor does, or a network for grey images is given colour.
        """
        scorer = _trained(Path(self.model))
        return ConvolutionalExtractor.fitted(
            FEATURES.make(self.of).fit(images, encoder, rng), scorer, images, self.most
        )

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> "ConvolutionalExtractor":
        """What ``save_pretrained`` wrote; raises StudyDamaged where it is broken, NotCapable without its encoder."""
        config, tensors = _saved.read(directory, ("projection", "offset"))
        return ConvolutionalExtractor(
            load_extractor(directory / "base", encoder),
            _restored(config, tensors, directory),
            tensors["projection"],
            tensors["offset"],
        )


class ConvolutionalExtractor(Extractor):
    """Columns of ``base``, then the networks' penultimate layers, projected to principal components."""

    def __init__(self, base: Extractor, scorer: Scorer, projection: Float[Tensor, "k d"], offset: Float[Tensor, " d"]):
        self._base, self._scorer, self._projection, self._offset = base, scorer, projection, offset
        self.differentiable = base.differentiable
        stage = 1 + max(int(group.optional) for group in base.groups)
        own = Group("convolutional", base.width, base.width + int(projection.shape[1]), optional=stage)
        self.groups = (*base.groups, own)

    @staticmethod
    def fitted(
        base: Extractor, scorer: Scorer, images: Float[Tensor, "n c h w"], most: int = 16
    ) -> "ConvolutionalExtractor":
        """After a base that is fitted already; raises BadImages as :meth:`Convolutional.fit` does."""
        _checked.check_enough(images)
        with torch.no_grad():
            layers = _checked.in_chunks(lambda chunk: _penultimate(scorer, chunk), images, 0)
        projection, offset = leading_at_unit_scale(layers, most)
        # Most of what the network knows is in one component. At unit scale over all, the group's prior scale is the
        # spread of the utility that it can make, as it is for columns of unit scale.
        size = (layers.double() @ projection - offset).square().mean().sqrt().clamp_min(1e-12)
        return ConvolutionalExtractor(base, scorer, (projection / size).float().cpu(), (offset / size).float().cpu())

    @property
    def hash(self) -> str:
        """Of the base's hash, the networks' weights and the components."""
        return _saved.content_hash(_KIND, {**self._scorer.settings(), "base": self._base.hash}, self._tensors)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features; raises what the base raises."""
        own = _checked.in_chunks(self._measure, images, self.width - self._base.width)
        return torch.cat([self._base(images), own], 1)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json``, the networks and the components, and the base under ``base/``."""
        _saved.save(directory, _KIND, self._scorer.settings(), self._tensors)
        self._base.save_pretrained(directory / "base")

    def _measure(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        layers = _penultimate(self._scorer, images)
        return (layers @ self._projection.to(layers) - self._offset.to(layers)).float()

    @property
    def _tensors(self) -> dict[str, Tensor]:
        return {**self._scorer.tensors(), "projection": self._projection, "offset": self._offset}


def _penultimate(scorer: Scorer, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
    """Grey images are shown to a network for colour as grey in colour."""
    if images.shape[1] == scorer.channels:
        return scorer.penultimate(images)
    if images.shape[1] == 1:
        return scorer.penultimate(images.expand(-1, scorer.channels, -1, -1))
    raise BadImages(f"the network was taught grey images; found images with {images.shape[1]} channels")


def _trained(directory: Path) -> Scorer:
    """The scorer in the folder of a preference model."""
    wanted = "; give the folder to which ConvolutionalModel.save_pretrained wrote one"
    if not (directory / "config.json").is_file():
        raise BadConfiguration(f"there is no convolutional preference model in '{directory}'{wanted}")
    config = read_config(directory)
    if config["penchant"] != SAVED_AS:
        raise BadConfiguration(f"'{directory}' holds {config['penchant']}, not {SAVED_AS}{wanted}")
    path = directory / "model.safetensors"
    try:
        return _restored(config, load_file(path), directory)
    except (OSError, SafetensorError) as error:
        raise StudyDamaged(f"{path} cannot be read: {error}") from None


def _restored(settings: dict[str, object], tensors: dict[str, Tensor], directory: Path) -> Scorer:
    try:
        return Scorer.restored(settings, tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StudyDamaged(f"{directory} does not hold a whole network: {error}") from None
