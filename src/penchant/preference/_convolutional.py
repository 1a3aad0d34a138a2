"""The convolutional preference model: two images in, one score out, learned from pixels.

Its contract is its own (images and choices in, probabilities out), so it is no member of the family of
:class:`penchant.core.contracts.Posterior` components, whose beliefs are about features.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from penchant.core.config import build
from penchant.core.contracts import Budget, Choice, Workspace
from penchant.core.errors import BadVote, NotReady, StudyDamaged
from penchant.core.pretrained import read_config, write_config, write_tensors
from penchant.core.rng import Rng
from penchant.preference._augmentation import Augmentation
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Batch, Clock, Loss, Objective

_STATED = {Choice.LEFT: 1.0, Choice.RIGHT: 0.0, Choice.TIE: 0.5}


@dataclass(frozen=True)
class Convolutional:
    """f(a, b) = u(a) − u(b), u a small convolutional network: convolutions and pooling, then dense layers.

    The preference model of the source documents. Because both images go through the same network and the scores are
    subtracted, showing them the other way round negates the logit exactly. Use it to check the linear head, or where
    a taste lies in what no feature describes; it needs hundreds of votes for what the head with good features learns
    from 50, gives no uncertainty, and takes seconds instead of microseconds.

    Attributes:
        width: channels of the first convolution; the two after it have twice and four times as many.
        loss: ``bradley_terry`` (−log σ(±f), a tie counting half each way) or ``mean_squared`` ((f − y)², y = ±2 as
            stated and 0 for a tie).
        dropout: of the dense layers' inputs.
        l1: penalty on the sum of absolute weights (not biases).
        l2: decoupled weight decay.
        learning_rate: its top; it falls along half a cosine.
        augmentation: random flips, rotations and crops, drawn anew for every image and step.
        batch: pairs of one step.

    >>> rng = np.random.default_rng(0)
    >>> bright = rng.integers(128, 255, (8, 3, 16, 16), dtype=np.uint8)
    >>> dark = rng.integers(0, 128, (8, 3, 16, 16), dtype=np.uint8)
    >>> model = Convolutional(width=4).fit(bright, dark, [Choice.LEFT] * 8, Budget(images=400), Rng(0))
    >>> bool((model.predict(torch.tensor(bright) / 255, torch.tensor(dark) / 255) > 0.5).all())
    True
    """

    width: int = 16
    loss: Literal["bradley_terry", "mean_squared"] = "bradley_terry"
    dropout: float = 0.5
    l1: float = 1e-3
    l2: float = 0.1
    learning_rate: float = 2e-3
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch: int = 32

    def __post_init__(self) -> None:
        if self.width < 1 or self.batch < 1:
            raise ValueError(f"width and batch must be positive; found {self.width} and {self.batch}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1; found {self.dropout:g}")
        if not min(self.l1, self.l2) >= 0:
            raise ValueError(f"l1 and l2 must not be negative; found {self.l1:g} and {self.l2:g}")

    def fit(
        self,
        left: UInt8[np.ndarray, "t c h w"],
        right: UInt8[np.ndarray, "t c h w"],
        choices: Sequence[Choice],
        budget: Budget,
        rng: Rng,
        workspace: Workspace | None = None,
    ) -> "ConvolutionalModel":
        """Train on pairs of images (bytes) with what was chosen; ``both_bad`` and ``skip`` are left out.

        The budget counts pairs: ``Budget(images=1500)`` is 25 passes over 60 votes, two seconds at 32 px on a core.
        Many more passes learn the votes by heart and make it overconfident.

        Raises:
            NotReady: no vote says which of two images is better.
            BadVote: the numbers of images and choices differ, or the images' shapes do.
            Interrupted: Ctrl-C.
        """
        if left.shape != right.shape or len(left) != len(choices) or left.ndim != 4:
            raise BadVote(f"images {left.shape} and {right.shape} do not make pairs for {len(choices)} choices")
        telling = [index for index, choice in enumerate(choices) if choice in _STATED]
        if not telling:
            raise NotReady(f"none of the {len(choices)} votes says which image is better; the model needs some that do")
        stated = np.array([_STATED[choices[index]] for index in telling], dtype=np.float32)
        columns = np.asarray(left)[telling], np.asarray(right)[telling]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.child("initialisation").entropy % 2**63)
            network = _network(left.shape[1], self.width, self.dropout)
        pixels = np.concatenate(columns)
        mean, spread = float(pixels.mean()) / 255, max(float(pixels.std()) / 255, 1e-3)
        model = ConvolutionalModel(self, network, left.shape[1], mean, spread)
        loss = bradley_terry if self.loss == "bradley_terry" else mean_squared

        def loss_of(batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
            images = torch.cat(batch[:2]).float() / 255
            scores = model.scores(self.augmentation.apply(images, noise))
            first, second = scores.chunk(2)
            fit = loss(first - second, batch[2])
            size = sum(weight.abs().sum() for weight in network.parameters() if weight.ndim > 1)
            return Loss(fit + self.l1 * size, {"misfit": fit})

        adam = Adam(learning_rate=self.learning_rate, weight_decay=self.l2)
        settings = Settings(stage="convolutional", batch=self.batch, precision="float32", warm_up=0.05)
        network.train()
        train(
            [Objective("preference", network, loss_of, adam, half_life=8 * self.batch)],
            [*columns, stated], budget, rng.child("training"), workspace, settings,
        )  # fmt: skip
        network.eval()
        return model

    @staticmethod
    def load(directory: Path) -> "ConvolutionalModel":
        """Read back what :meth:`ConvolutionalModel.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file or a number in it is missing.
        """
        config = read_config(directory)
        try:
            component = build(Convolutional, config["component"], where=str(directory / "config.json"))
            network = _network(int(config["channels"]), component.width, component.dropout)
            network.load_state_dict(load_file(directory / "model.safetensors"))
            mean, spread = float(config["mean"]), float(config["spread"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise StudyDamaged(f"{directory} does not hold a whole convolutional model: {error}") from None
        return ConvolutionalModel(component, network.eval(), int(config["channels"]), mean, spread)


@dataclass(frozen=True, eq=False)
class ConvolutionalModel:
    """A trained utility of images; ``mean`` and ``spread`` are of the pixels it was trained on."""

    component: Convolutional
    network: nn.Sequential
    channels: int
    mean: float
    spread: float

    def utility(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
        """The score u of each image, in logits."""
        device = next(self.network.parameters()).device
        with torch.no_grad():
            parts = [self.scores(part.to(device)).cpu() for part in torch.split(images, 256)]
        return torch.cat(parts).double().numpy()

    def predict(self, left: Float[Tensor, "n c h w"], right: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
        """P(left is preferred) = σ(u(left) − u(right))."""
        return 1 / (1 + np.exp(-(self.utility(left) - self.utility(right))))

    def scores(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """As :meth:`utility`, differentiable and on the network's device.

        Raises:
            BadVote: images with another number of channels.
        """
        if images.shape[1] != self.channels:
            raise BadVote(f"images have {images.shape[1]} channels; this model was trained on {self.channels}")
        return self.network((images - self.mean) / self.spread)[:, 0]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``; :meth:`Convolutional.load` reads them back."""
        settings = {"channels": self.channels, "mean": self.mean, "spread": self.spread}
        write_config(directory, "preference/convolutional", {**settings, "component": asdict(self.component)})
        write_tensors(directory / "model.safetensors", self.network.state_dict())


def bradley_terry(logit: Float[Tensor, " n"], stated: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """−log-likelihood of the stated preferences: 1 left, 0 right, 0.5 a tie (half a vote each way)."""
    return F.binary_cross_entropy_with_logits(logit, stated)


def mean_squared(logit: Float[Tensor, " n"], stated: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Squared error of the score difference against the stated preference, which counts 2 logits (σ(2) = 88%)."""
    return F.mse_loss(logit, 4 * (stated - 0.5))


def _network(channels: int, width: int, dropout: float) -> nn.Sequential:
    """Three convolutions with pooling, the mean and the spread-out remainder, two dense layers."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.SiLU(), nn.AvgPool2d(2, ceil_mode=True)]
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout)]
    layers += [nn.Linear(16 * width, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, 1)]
    network = nn.Sequential(*layers)
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.weight[0].numel()))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
