"""An encoder trained on the images themselves, without labels: what tells these images from each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Budget, Encoder, Extractor, Group
from penchant.core.errors import StudyDamaged
from penchant.core.rng import Rng
from penchant.data import to_uint8
from penchant.features import _checked, _saved
from penchant.features._encoder import RAW, WIDTHS, Network, nt_xent, side_and_patch, statistics
from penchant.features._principal import leading_at_unit_scale
from penchant.features._views import Views
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Batch, Clock, Loss, MuonAdam, Objective
from penchant.training.processes import Processes

_KIND = "features/self_supervised"
_TENSORS = tuple(f"{part}{depth}" for depth in range(len(WIDTHS)) for part in ("kernel", "bias"))


@dataclass(frozen=True)
class SelfSupervised:
    """A small convolutional encoder that learns, on the images given, to know two views of one image from all others.

    SimCLR (Chen et al. 2020) on batches of 128, with views that keep what tastes care about: see
    :class:`~penchant.features._views.Views`. What it learned enters as the principal components of means, deviations
    and middles of all channels at all depths, scaled by one number as ``latents`` are. No name comes with them.

    Use it beside ``descriptors`` where images differ in ways that no descriptor sees, and where the generator cannot
    encode. It looks at the images given to ``fit``, in a study samples of the generator; with 20 of them there is
    little to learn. Cost: about a millisecond an image seen in training at 32 px on a core, so a minute
    with the default; 0.15 ms an image afterwards.

    Args:
        images: how many images (repeats counted) training sees.
        seconds: training ends after so long in any case; what is learned then depends on the machine's speed.
        most: at most so many principal components.
        batch: images of one step; a step has fewer where there are fewer.
        temperature: of the loss; smaller ones look at the hardest neighbours only.
        learning_rate: its top, of Muon; it falls along half a cosine.
        views: the random changes that do not matter.

    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(40, 3, 32, 32, generator=Rng(0).torch())
    >>> extractor = SelfSupervised(images=200, most=8).fit(images, None, Rng(0))
    >>> tuple(extractor(images).shape)
    (40, 8)
    """

    images: int = 60_000
    seconds: float | None = None
    most: int = 64
    batch: int = 128
    temperature: float = 0.2
    learning_rate: float = 0.02
    views: Views = field(default_factory=Views)

    def __post_init__(self) -> None:
        Budget(self.seconds, self.images)
        if self.most < 1 or self.batch < 2:
            raise ValueError(f"most must be at least 1 and batch at least 2; found {self.most} and {self.batch}")
        if not (self.temperature > 0 and self.learning_rate > 0):
            raise ValueError(
                f"temperature and learning_rate must be positive; found {self.temperature:g}, {self.learning_rate:g}"
            )

    def fit(self, images: Float[Tensor, "n c h w"], encoder: Encoder | None, rng: Rng) -> "SelfSupervisedExtractor":
        """Train on ``images``, which are kept as bytes meanwhile; the encoder given is not used.

        It trains in this process alone, whatever others ``accelerate launch`` started.

        Raises:
            BadImages: fewer than two images, or they are not finite images in [0, 1].
            Interrupted: Ctrl-C.
        """
        _checked.check_enough(images)
        side, patch = side_and_patch(int(images.shape[2]), int(images.shape[3]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.child("initialisation").entropy % 2**63)
            network = Network(side, patch)

        def loss(batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
            pictures = batch[0].float() / 255
            both = torch.cat([self.views.draw(pictures, noise), self.views.draw(pictures, noise)])
            first, second = network(both).chunk(2)
            total, found = nt_xent(first, second, self.temperature)
            return Loss(total, {"found": found})

        optimiser = MuonAdam(self.learning_rate, adam=Adam(learning_rate=2e-3))
        train(
            [Objective("encoder", network, loss, optimiser, half_life=2000)],
            [to_uint8(images)],
            Budget(self.seconds, self.images),
            rng.child("training"),
            settings=Settings("self-supervised", min(self.batch, len(images)), "float32", warm_up=0.05),
            processes=Processes.alone(),
        )
        layers = [(kernel.detach().cpu(), bias.detach().cpu()) for kernel, bias in network.layers]
        return _standardised(images, layers, side, patch, self.most)

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> "SelfSupervisedExtractor":
        """What ``save_pretrained`` wrote; raises StudyDamaged where files are missing or broken."""
        config, tensors = _saved.read(directory, (*_TENSORS, "projection", "offset"))
        try:
            side, patch = int(config["side"]), int(config["patch"])
        except (KeyError, TypeError, ValueError) as error:
            raise StudyDamaged(f"{directory / 'config.json'} does not say how images are cut up: {error}") from None
        layers = [(tensors[f"kernel{depth}"], tensors[f"bias{depth}"]) for depth in range(len(WIDTHS))]
        return SelfSupervisedExtractor(layers, side, patch, tensors["projection"], tensors["offset"])


class SelfSupervisedExtractor(Extractor):
    """A frozen encoder's statistics, projected to principal components."""

    differentiable = True

    def __init__(
        self,
        layers: Sequence[tuple[Tensor, Tensor]],
        side: int,
        patch: int,
        projection: Float[Tensor, "r d"],
        offset: Float[Tensor, " d"],
    ):
        self._layers, self._side, self._patch = list(layers), side, patch
        self._projection, self._offset = projection, offset
        self.groups = (Group("self_supervised", 0, int(projection.shape[1])),)

    @property
    def hash(self) -> str:
        """Of the encoder and the standardisation."""
        return _saved.content_hash(_KIND, self._settings, self._tensors)

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features; raises BadImages where these are not finite images in [0, 1]."""
        return _checked.in_chunks(self._measure, images, self.width)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and safetensors, the encoder included."""
        _saved.save(directory, _KIND, self._settings, self._tensors)

    def _measure(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        layers = [(kernel.to(images), bias.to(images)) for kernel, bias in self._layers]
        raw = statistics(images, layers, self._side, self._patch)
        return (raw @ self._projection.to(raw) - self._offset.to(raw)).float()

    @property
    def _settings(self) -> dict[str, int]:
        return {"side": self._side, "patch": self._patch}

    @property
    def _tensors(self) -> dict[str, Tensor]:
        parts = [part for layer in self._layers for part in layer]
        return {**dict(zip(_TENSORS, parts, strict=True)), "projection": self._projection, "offset": self._offset}


def _standardised(
    images: Float[Tensor, "n c h w"], layers: Sequence[tuple[Tensor, Tensor]], side: int, patch: int, most: int
) -> SelfSupervisedExtractor:
    """Every statistic at unit scale, then principal components, the leading one at unit scale."""
    here = [(kernel.to(images), bias.to(images)) for kernel, bias in layers]
    with torch.no_grad():
        raw = _checked.in_chunks(lambda chunk: statistics(chunk, here, side, patch), images, RAW)
    projection, offset = leading_at_unit_scale(raw, most)
    return SelfSupervisedExtractor(layers, side, patch, projection.float().cpu(), offset.float().cpu())
