"""The convolutional preference model: two images in, one score out, learned from pixels.

Its contract is its own (images and choices in, probabilities out), so it is no member of the family of
:class:`penchant.core.contracts.Posterior` components, whose beliefs are about features.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from scipy.special import entr, expit
from torch import Tensor, nn

from penchant.core.config import build
from penchant.core.contracts import Budget, Choice, Workspace
from penchant.core.errors import BadVote, NotReady, StudyDamaged
from penchant.core.pretrained import read_config, write_config, write_tensors
from penchant.core.rng import Rng
from penchant.core.scorer import SAVED_AS, Scorer, network_of
from penchant.preference._augmentation import Augmentation
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Batch, Clock, Loss, Objective

_STATED = {Choice.LEFT: 1.0, Choice.RIGHT: 0.0, Choice.TIE: 0.5}
_AT_ONCE = 256

LossOfBatch = Callable[[Batch, torch.Generator, Clock], Loss]


@dataclass(frozen=True)
class Convolutional:
    """f(a, b) = u(a) − u(b), u a small convolutional network: convolutions and pooling, then dense layers.

    The preference model of the source documents, as a deep ensemble (Lakshminarayanan et al. 2017): ``members``
    networks that differ in their random start, the order of votes and their augmentation; where they disagree, little
    is known. Because both images go through the same network and the scores are subtracted, showing them the other
    way round negates the logit exactly. Use it to check the linear head, or where a taste lies in what no feature
    describes; it needs hundreds of votes for what the head with good features learns from 50, and takes seconds
    instead of microseconds.

    Attributes:
        width: channels of the first convolution; the two after it have twice and four times as many.
        members: how many networks; the cost is in proportion. Five are right about .6 ± .1 points more pairs than one
            of them, at a log-loss .003 lower (after 100 votes); one is enough for a rough comparison.
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
    members: int = 5
    loss: Literal["bradley_terry", "mean_squared"] = "bradley_terry"
    dropout: float = 0.5
    l1: float = 1e-3
    l2: float = 0.1
    learning_rate: float = 2e-3
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch: int = 32

    def __post_init__(self) -> None:
        if min(self.width, self.members, self.batch) < 1:
            raise ValueError(
                f"width, members and batch must be positive; found {self.width}, {self.members} and {self.batch}"
            )
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

        The budget counts the pairs that each member sees: ``Budget(images=1500)`` is 25 passes over 60 votes, two
        seconds a member at 32 px on a core. Many more passes learn the votes by heart and make it overconfident.
        A member is the same to the bit however many others are trained beside it.

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
        pixels = np.concatenate(columns)
        mean, spread = float(pixels.mean()) / 255, max(float(pixels.std()) / 255, 1e-3)
        networks = [self._started(left.shape[1], rng.child("initialisation", place)) for place in range(self.members)]
        adam = Adam(learning_rate=self.learning_rate, weight_decay=self.l2)
        settings = Settings(stage="convolutional", batch=self.batch, precision="float32", warm_up=0.05)
        objectives = [
            Objective(f"member {place}", network, self._loss(network, mean, spread), adam, half_life=8 * self.batch)
            for place, network in enumerate(networks)
        ]
        train(objectives, [*columns, stated], budget, rng.child("training"), workspace, settings)
        model = ConvolutionalModel(self, Scorer(left.shape[1], self.width, mean, spread, networks))
        model.centre(torch.from_numpy(pixels))
        return model

    def _started(self, channels: int, rng: Rng) -> nn.Sequential:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.entropy % 2**63)
            return network_of(channels, self.width, self.dropout).train()

    def _loss(self, network: nn.Sequential, mean: float, spread: float) -> LossOfBatch:
        loss = bradley_terry if self.loss == "bradley_terry" else mean_squared

        def loss_of(batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
            images = self.augmentation.apply(torch.cat(batch[:2]).float() / 255, noise)
            first, second = network((images - mean) / spread)[:, 0].chunk(2)
            fit = loss(first - second, batch[2])
            size = sum(weight.abs().sum() for weight in network.parameters() if weight.ndim > 1)
            return Loss(fit + self.l1 * size, {"misfit": fit})

        return loss_of

    @staticmethod
    def load(directory: Path) -> "ConvolutionalModel":
        """Read back what :meth:`ConvolutionalModel.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file or a number in it is missing.
        """
        config = read_config(directory)
        try:
            component = build(Convolutional, config["component"], where=str(directory / "config.json"))
            scorer = Scorer.restored(config, load_file(directory / "model.safetensors"))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise StudyDamaged(f"{directory} does not hold a whole convolutional model: {error}") from None
        return ConvolutionalModel(component, scorer)


@dataclass(frozen=True, eq=False)
class ConvolutionalModel:
    """A trained utility of images, in logits; each member's is 0 on average over the images it was trained on.

    What the members make of an image is a sample of the belief about it: a model of one member is sure of everything.
    """

    component: Convolutional
    scorer: Scorer

    def utility(self, images: Float[Tensor, "n c h w"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean and standard deviation of u over the members."""
        scores = self.scores(images)
        return scores.mean(0), scores.std(0)

    def predict(self, left: Float[Tensor, "n c h w"], right: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
        """P(left is preferred): the mean of the members' σ(u(left) − u(right))."""
        differences = self.scores(left) - self.scores(right)
        return 0.5 + 0.5 * np.tanh(differences / 2).mean(0)

    def information(self, left: Float[Tensor, "n c h w"], right: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
        """What a vote on each pair would tell, in nats: entropy of the mean less mean of the entropies (BALD).

        Houlsby et al. 2011, over the members; 0 for a single one.
        """
        chances = expit(self.scores(left) - self.scores(right))
        return np.maximum(_entropy(chances.mean(0)) - _entropy(chances).mean(0), 0.0)

    def draw(self, images: Float[Tensor, "n c h w"], count: int, rng: np.random.Generator) -> Float[np.ndarray, "k n"]:
        """``count`` joint draws of u: members, each as likely as the others (Thompson sampling)."""
        scores = self.scores(images)
        return scores[rng.integers(len(scores), size=count)]

    def scores(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "m n"]:
        """The utility of each image by each member.

        Raises:
            BadVote: images with another number of channels.
        """
        if images.shape[1] != self.scorer.channels:
            raise BadVote(f"images have {images.shape[1]} channels; this model was trained on {self.scorer.channels}")
        with torch.no_grad():
            parts = [self.scorer.scores(part).cpu() for part in torch.split(images, _AT_ONCE)]
        return torch.cat(parts, 1).double().numpy()

    def centre(self, pixels: UInt8[Tensor, "n c h w"]) -> None:
        """Move each member's utility, which is known up to a constant, to mean 0 on these images."""
        with torch.no_grad():
            parts = [self.scorer.scores(part.float() / 255) for part in torch.split(pixels, _AT_ONCE)]
            for network, mean in zip(self.scorer.networks, torch.cat(parts, 1).mean(1), strict=True):
                network.get_parameter(f"{len(network) - 1}.bias").sub_(mean)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``; :meth:`Convolutional.load` reads them back."""
        write_config(directory, SAVED_AS, {**self.scorer.settings(), "component": asdict(self.component)})
        write_tensors(directory / "model.safetensors", self.scorer.tensors())


def _entropy(chances: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return entr(chances) + entr(1 - chances)


def bradley_terry(logit: Float[Tensor, " n"], stated: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """−log-likelihood of the stated preferences: 1 left, 0 right, 0.5 a tie (half a vote each way)."""
    return F.binary_cross_entropy_with_logits(logit, stated)


def mean_squared(logit: Float[Tensor, " n"], stated: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Squared error of the score difference against the stated preference, which counts 2 logits (σ(2) = 88%)."""
    return F.mse_loss(logit, 4 * (stated - 0.5))
