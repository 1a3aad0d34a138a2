"""Every contract of the system in one file: what each family takes and gives.

Images are float tensors, count × channels × height × width, in [0, 1] at every public boundary; channels are 1 or 3.
Randomness is always the argument ``rng``. Components are frozen dataclasses (settings only); what they fit or train
is a separate object that carries state.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Generator as TorchGenerator
from torch import Tensor

from penchant.core.errors import NotCapable
from penchant.core.family import Family
from penchant.core.rng import Rng

# ---------------------------------------------------------------------------------------------------------- votes


class Choice(StrEnum):
    """What a voter answered to a pair: three different ways of not choosing are kept apart.

    ``tie``: equally good. ``both_bad``: neither deserves a vote. ``skip``: no information about the taste.
    """

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"

    @property
    def swapped(self) -> "Choice":
        """The same opinion with the two images shown the other way round."""
        return {Choice.LEFT: Choice.RIGHT, Choice.RIGHT: Choice.LEFT}.get(self, self)


# ------------------------------------------------------------------------------------------------------- progress


@dataclass(frozen=True)
class Progress:
    """How far a stage is: ``fraction`` in [0, 1], ``seconds_left`` where it can be told, and a few figures.

    With ``message`` nothing goes on: ``stage`` is a sentence for the person, to be shown whole.
    """

    stage: str
    fraction: float
    seconds_left: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    message: bool = False


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Budget:
    """When training stops: after so many seconds, or so many images seen, whichever comes first."""

    seconds: float | None = None
    images: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is None and self.images is None:
            raise ValueError("a budget needs seconds or images")
        if (self.seconds is not None and self.seconds <= 0) or (self.images is not None and self.images <= 0):
            raise ValueError(f"a budget must be positive; found seconds={self.seconds}, images={self.images}")


# ----------------------------------------------------------------------------------------------------- generators


@dataclass(frozen=True)
class ImageSpec:
    """Square images of ``size`` pixels with ``channels`` 1 (grey) or 3 (colour)."""

    channels: int
    size: int


@dataclass(frozen=True)
class Capabilities:
    """What a generator can do: gradients through ``decode``, ``encode``, a condition, one network pass a sample, and
    make a condition of words by itself (``prompted``)."""

    differentiable: bool = True
    encodable: bool = False
    conditional: bool = False
    one_step: bool = True
    prompts: bool = False


class Generator(ABC):
    """A map G from latent noise z ~ N(0, I) (and perhaps a condition) to images."""

    latent_dim: int
    image: ImageSpec
    capabilities: Capabilities
    condition_dim: int = 0

    @abstractmethod
    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """Images of the latents; differentiable where ``capabilities`` says so.

        A ``condition`` is n × ``condition_dim``, one row an image as in :class:`Annotations`, for generators that are
        ``capabilities.conditional``; without one they draw from all that they have seen.
        """

    def encode(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Codes that describe images (not necessarily latents); needs ``capabilities.encodable``."""
        raise NotImplementedError

    def prompted(self, text: str) -> Float[Tensor, "1 c"]:
        """The condition for words, of generators that bring their own text encoder (``capabilities.prompts``)."""
        raise NotImplementedError

    def reconstruct(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """What is given back of images after encoding and decoding; needs ``capabilities.encodable``."""
        raise NotImplementedError

    def sample(self, count: int, rng: Rng, condition: Float[Tensor, "1 c"] | None = None) -> Float[Tensor, "n c h w"]:
        """``count`` images of fresh latents, without gradients; all under one ``condition``, where there is one."""
        import torch

        with torch.no_grad():
            batches = torch.split(self.latents(count, rng), 256)
            told = [None if condition is None else condition.expand(len(batch), -1) for batch in batches]
            return torch.cat([self.decode(batch, row) for batch, row in zip(batches, told, strict=True)])

    def latents(self, count: int, rng: Rng) -> Float[Tensor, "n z"]:
        """``count`` fresh latents z ~ N(0, I); the same rng gives the same ones, however many more are asked for."""
        import torch

        return torch.from_numpy(rng.numpy().standard_normal((count, self.latent_dim), dtype=np.float32))

    def continued(self) -> "Continued":
        """A copy whose training can go on.

        Raises:
            NotCapable: this family cannot go on training.
        """
        raise NotCapable(f"{type(self).__name__} cannot go on training; latent_tilt and best_of_n leave it as it is")

    def adapted(self, rank: int, rng: Rng) -> "Adapted":
        """A copy that denoises, with an untrained low-rank adapter (LoRA) that changes nothing yet.

        Raises:
            NotCapable: this family does not denoise under an adapter.
        """
        raise NotCapable(
            f"{type(self).__name__} takes no LoRA, so diffusion_dpo cannot tune it: that is for generators that are a "
            "diffusers_pipeline of Stable Diffusion or SDXL; latent_tilt and best_of_n work with any"
        )

    @abstractmethod
    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` (with ``"penchant": "<family>/<name>"``) and safetensors to ``directory``."""


class Continued(ABC):
    """A copy of a generator that goes on training; the original stays as it is.

    ``generator`` is the copy: gradients of its images reach ``parameters``, which :meth:`loss` trains too.
    """

    generator: Generator
    parameters: Sequence[Tensor]

    @abstractmethod
    def loss(
        self, images: UInt8[Tensor, "n c h w"], noise: TorchGenerator, conditions: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, ""]:
        """The family's own training loss on a batch, to be lowered; ``noise`` is the source of its draws.

        ``conditions`` are one row an image, NaN where none is known; families without any leave them aside.
        """

    def error(self, images: UInt8[Tensor, "n c h w"]) -> float:
        """σ of the likelihood N(x; G(z), σ²): the root mean squared error of a pixel value in [0, 1].

        Raises:
            NotCapable: this family has no such likelihood.
        """
        name = type(self.generator).__name__
        raise NotCapable(f"{name} has no likelihood of images, so joint cannot count its nats; latent_tilt can")


class Adapted(ABC):
    """A copy of a denoising generator whose ``parameters``, a low-rank adapter, are trained; all else is frozen.

    It works on *clean* codes, n × k: what its denoiser is to recover from noise. ``times`` are noise levels, counted
    from 0 (least noise); with the adapter off it is the original, to the bit.
    """

    parameters: Sequence[Tensor]
    times: int
    unconditional: Float[Tensor, "1 c"]
    """The condition that stands for no words."""

    @abstractmethod
    def conditions(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c"]:
        """What the generator makes each latent under when it is told nothing."""

    @abstractmethod
    def clean(
        self, latents: Float[Tensor, "n z"], conditions: Float[Tensor, "n c"], on: bool = False
    ) -> Float[Tensor, "n k"]:
        """The codes of the images of latents, by the original or with the adapter ``on``; no gradients."""

    @abstractmethod
    def encoded(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Codes of images that something else made: brought to the size it works at, so less sharp."""

    @abstractmethod
    def errors(
        self,
        clean: Float[Tensor, "n k"],
        noise: Float[Tensor, "n k"],
        times: Int[Tensor, " n"],
        conditions: Float[Tensor, "n c"],
        on: bool,
    ) -> Float[Tensor, " n"]:
        """Mean squared error a number of what the denoiser says; gradients reach the adapter where it is ``on``."""

    @abstractmethod
    def path_nats(
        self,
        clean: Float[Tensor, "n k"],
        noise: Float[Tensor, "n k"],
        times: Int[Tensor, " n"],
        conditions: Float[Tensor, "n c"],
    ) -> Float[Tensor, " n"]:
        """KL between the denoising steps with the adapter and without, one draw of the time a row: its mean over codes
        that the adapted one makes, and over times from 1, is the KL of the whole path."""

    @abstractmethod
    def set_share(self, share: float) -> None:
        """Let the adapter count ``share`` as much; 1 is as it was trained."""

    @abstractmethod
    def finished(self) -> Generator:
        """A generator that wears the adapter, at its share, and saves it as a LoRA file."""


@runtime_checkable
class Styled(Protocol):
    """A generator that draws from a space of styles between noise and image: G(z) = synthesis(mapping(z)).

    Styles have no density that is known, unlike z, so a KL in them cannot be told; they are for mixing, averaging and
    moving along a direction.
    """

    style_dim: int

    def mapping(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n w"]:
        """The styles of latents, under a condition as in ``Generator.decode``; differentiable."""
        ...

    def synthesis(self, styles: Float[Tensor, "n w"]) -> Float[Tensor, "n c h w"]:
        """The images of styles; differentiable."""
        ...


@runtime_checkable
class Discerning(Protocol):
    """A generator that kept the discriminator it was trained against."""

    @property
    def discerns(self) -> bool:
        """Whether there is one (a generator that was read from an old file may have none)."""
        ...

    def realness(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """How surely the discriminator takes each image for real, as a score that only compares."""
        ...


@dataclass(frozen=True)
class Examined:
    """What a look at a generator's samples found: ``score``, the lower the better, its standard error, and figures."""

    score: float
    error: float
    figures: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Workspace:
    """Where a long fit keeps its checkpoints and sample sheets, so that it can be resumed, and who is told of it.

    ``examine`` judges samples of the generator now and then, against images that are never trained on; the fit then
    keeps the best state that it saw, and ends early where nothing better comes. ``clock`` counts the seconds of a
    budget: those on the wall, or with ``time.process_time`` those of the process, where a busy machine should not
    matter.
    """

    directory: Path
    report: Report = silent
    examine: Callable[[Generator], Examined] | None = None
    clock: Callable[[], float] = perf_counter


@dataclass(frozen=True)
class Annotations:
    """What is known of each training image beside its pixels.

    ``weights``: how often it is seen, relative to the others (at least 0, not all 0); all alike without.
    ``conditions``: what it was made under, as a vector: a class as one-hot row, a text as its embedding. A generator
    that is not conditional leaves them aside.
    """

    weights: Float[np.ndarray, " n"] | None = None
    conditions: Float[np.ndarray, "n c"] | None = None


NO_ANNOTATIONS = Annotations()


class GeneratorComponent(Protocol):
    """``fit`` trains; the static method ``load(directory)`` reads back what ``save_pretrained`` wrote."""

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> Generator:
        """Train on images stored as bytes (memory-mapped is fine). Resumes from ``workspace`` where it can."""
        ...


# ---------------------------------------------------------------------------------------------------------- texts


class TextEncoder(ABC):
    """Words in, vectors out: what a conditional generator is told of an image."""

    width: int

    @abstractmethod
    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n c"]:
        """One row a text, float32, about unit scale in every column over the texts it was fitted to."""

    def unfamiliar(self, text: str) -> tuple[str, ...]:
        """Words of a text that no image was called by, for encoders that keep count; so a typing error is noticed."""
        return ()

    @abstractmethod
    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` (``"texts/<name>"``) and safetensors; large pretrained weights stay where they are."""


class TextComponent(Protocol):
    """``fit`` looks at the texts there are; the static method ``load(directory)`` reads back."""

    def fit(self, texts: Sequence[str]) -> TextEncoder:
        """An encoder standardised on ``texts``."""
        ...


# ------------------------------------------------------------------------------------------------------- features


@dataclass(frozen=True)
class Group:
    """Columns ``start:stop`` of the features, sharing one prior scale; ``names`` where people can read them.

    ``optional`` columns are left out by a preference model until the votes speak for them; they come last. Those that
    are 2 may come in only with those that are 1 (or True), and so on.
    """

    name: str
    start: int
    stop: int
    names: tuple[str, ...] = ()
    optional: int = 0


Encoder = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n k"]]


class Extractor(ABC):
    """Images in, standardised features out: every column about unit scale or below on the images it was fitted to."""

    groups: tuple[Group, ...]
    differentiable: bool

    @property
    def width(self) -> int:
        """How many features there are."""
        return self.groups[-1].stop

    @property
    @abstractmethod
    def hash(self) -> str:
        """Sixteen hexadecimal digits of everything that decides the features' values."""

    @abstractmethod
    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """The features, n × width, float32."""

    @abstractmethod
    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` and safetensors; encoders are not written, they are given again on loading."""


class FeatureComponent(Protocol):
    """``fit`` looks at images (and an encoder, where it uses one); ``load(directory, encoder)`` reads back."""

    def fit(self, images: Float[Tensor, "n c h w"], encoder: Encoder | None, rng: Rng) -> Extractor:
        """An extractor standardised on ``images``; raises NotCapable when it needs an encoder and has none."""
        ...


# ----------------------------------------------------------------------------------------------------- preference


LIKE = "like"
"""The channel of likes and dislikes, of keeping and rejecting."""


@dataclass(frozen=True)
class Singles:
    """What was done with one image at a time: row s of ``images`` was answered or treated positively, or not.

    The channel ``like`` is an answer; any other name is an implicit signal (``download``, ``zoom``, ``dwell``), which
    is believed only as far as it agrees with the answers. ``exposure`` is the probability that the person saw the
    image at all; it matters for what was not done. ``after`` says how many votes came before it; all are new without.
    """

    images: Float[np.ndarray, "s d"]
    positive: Sequence[bool]
    channels: Sequence[str]
    exposure: Sequence[float]
    after: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class PriorTaste:
    """What is known of a taste before its first vote: what others like, or what was learned elsewhere.

    The utility of ``weights`` over the features (the first so many of them) is expected to count ``trust`` times in the
    new taste, give or take ``doubt``; votes decide how much it does.
    """

    weights: Float[np.ndarray, " d"]
    trust: float = 0.7
    doubt: float = 0.7


NO_SINGLES = Singles(np.zeros((0, 0)), (), (), ())


@dataclass(frozen=True)
class Votes:
    """Answered pairs as features: row t of ``left`` and ``right`` are the two images of vote t; and single images."""

    left: Float[np.ndarray, "t d"]
    right: Float[np.ndarray, "t d"]
    choices: Sequence[Choice]
    singles: Singles = NO_SINGLES

    def __len__(self) -> int:
        return len(self.choices)


class Reward(ABC):
    """A cautious utility: lower bound mean − caution·sd, standardised on the reference generator's images."""

    @abstractmethod
    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """One number an image; differentiable where the extractor is."""

    @abstractmethod
    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` (``"preference/<name>"``), safetensors and the extractor (in ``extractor/``)."""


class FeatureReward(Reward):
    """A reward that is a function of features, and tells them; what learns from it may learn the features instead."""

    extractor: Extractor

    @abstractmethod
    def of_features(self, features: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The same from features that were extracted already; differentiable."""


@dataclass(frozen=True)
class Change:
    """A change of mind that the votes tell of; of several, the last.

    ``at`` is the number, from 0, of the first vote after it, ``ago`` the votes since (all are counted), and
    ``probability`` that of a change, as rare as changes are held to be.
    """

    at: int
    ago: int
    probability: float


class Posterior(ABC):
    """A belief about the utility u(x) = wᵀφ(x). Immutable: an update gives a new one.

    ``change`` is the change of mind that the last refit noticed, for models that look for one.
    """

    change: Change | None = None

    @abstractmethod
    def update(self, left: Float[np.ndarray, " d"], right: Float[np.ndarray, " d"], choice: Choice) -> "Posterior":
        """The belief after one more vote, in well under a millisecond."""

    def update_single(self, image: Float[np.ndarray, " d"], positive: bool, channel: str = LIKE) -> "Posterior":
        """The belief after one more like or dislike, or an implicit signal; models without such channels stay as is."""
        return self

    @abstractmethod
    def refit(self, votes: Votes) -> "Posterior":
        """The belief from all votes at once, hyperparameters included; independent of their order, unless they tell
        of a taste that changed on the way."""

    @abstractmethod
    def predict(self, left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """P(left is preferred), given that one of the two is chosen, uncertainty included; swapping gives 1 − P."""

    def foretell(self, left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """P(the left one is chosen | one is) as they are shown: :meth:`predict` with the voter's pull to a side."""
        return self.predict(left, right)

    @abstractmethod
    def utility(self, features: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean and standard deviation of u."""

    def mean(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The mean of u alone, which a large pool gives far more cheaply than its standard deviation."""
        return self.utility(features)[0]

    @abstractmethod
    def covariance(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
        """Posterior covariance of u between images (for a shortlist, not for a pool)."""

    @abstractmethod
    def information(
        self, difference: Float[np.ndarray, " p"], variance: Float[np.ndarray, " p"]
    ) -> Float[np.ndarray, " p"]:
        """Mutual information, in nats, between a vote on a pair and the utility difference u(a) − u(b) ~
        N(difference, variance), over all outcomes, slips included: at least 0, 0 where the variance is 0."""

    @abstractmethod
    def draw(
        self, features: Float[np.ndarray, "n d"], count: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "k n"]:
        """``count`` joint draws of u for the images (Thompson sampling)."""

    @abstractmethod
    def weights(self) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Mean and standard deviation of w, of the first k features; those beyond are not in use."""

    @abstractmethod
    def reward(self, extractor: Extractor, reference: Float[Tensor, "n c h w"], caution: float) -> Reward:
        """The reward for alignment; ``reference`` are images of the generator it is standardised on."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Everything that decides the predictions, as arrays; equal arrays mean equal beliefs."""


class PreferenceComponent(Protocol):
    """The prior belief, before any vote."""

    def prior(self, groups: Sequence[Group], known: PriorTaste | None = None) -> Posterior:
        """A posterior without votes over features in these groups, starting from what is ``known`` already."""
        ...


# -------------------------------------------------------------------------------------------------------- queries


@dataclass(frozen=True)
class Asked:
    """A pair answered earlier: who chose it, whether it was an audit, and how surprising the answer was.

    ``surprise`` is −log of the probability predicted for the answer before it was given; None where nothing was chosen.
    """

    strategy: str
    audit: bool
    surprise: float | None


@dataclass(frozen=True)
class Skippability:
    """How likely a pair is to be skipped: σ(level + imagesᵀ(φ(a) + φ(b)) + sure·s + apart·r).

    s = |2p − 1|, p being the probability that a is preferred, and r the distance of the features over √d. ``images``
    are weights of the first so many features: what kind of image is skipped.
    """

    level: float
    images: Float[np.ndarray, " k"]
    sure: float
    apart: float

    def chance(
        self,
        features: Float[np.ndarray, "n d"],
        first: Int[np.ndarray, " p"],
        second: Int[np.ndarray, " p"],
        preferred: Float[np.ndarray, " p"],
    ) -> Float[np.ndarray, " p"]:
        """P(skip) of pairs of rows of ``features``, given the probability that the first one is preferred."""
        seen = features[:, : len(self.images)]
        own, squares = seen @ self.images, (seen**2).sum(1)
        squared = squares[:, None] + squares - 2 * seen @ seen.T
        apart = np.sqrt(np.maximum(squared[first, second], 0) / len(self.images))
        called = self.level + own[first] + own[second] + self.sure * np.abs(2 * preferred - 1) + self.apart * apart
        return 1 / (1 + np.exp(-np.clip(called, -30, 30)))


@dataclass(frozen=True)
class Candidates:
    """A pool of images that may be asked about; ``shown[i]`` counts how often image i was shown already.

    ``previous_winner`` is the row preferred in the last vote, where it is one of this pool; ``history`` are the
    answered pairs, oldest first, for strategies that learn from how they fared. ``skips`` says which pairs are likely
    to be skipped, where that is known.
    """

    features: Float[np.ndarray, "n d"]
    shown: Int[np.ndarray, " n"]
    previous_winner: int | None = None
    history: Sequence[Asked] = ()
    skips: Skippability | None = None

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Proposal:
    """Pairs (indices into the candidates) to ask, best first.

    A propensity is the probability, in (0, 1], that these two images were asked about (on whichever side), given what
    the strategy had already fixed: its shortlist of the pool and the pairs before it. It is 1 where the best pair of
    the shortlist is taken without chance, and count / (n(n−1)/2) for uniformly random pairs. Sides are a fair coin.
    ``strategy`` names who chose, where a strategy leaves the choice to others.
    """

    pairs: Int[np.ndarray, "k 2"]
    scores: Float[np.ndarray, " k"]
    propensities: Float[np.ndarray, " k"]
    strategy: str | None = None


class Strategy(Protocol):
    """Scores possible queries and picks."""

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """``count`` pairs, or as many as there are (n // 2): no image twice, no two images with equal features.

        Raises:
            NotReady: no two candidates differ, so there is nothing to ask.
        """
        ...


# ------------------------------------------------------------------------------------------------------ selection


UNLABELLED = -1
"""The label of an image that nobody labelled."""


@dataclass(frozen=True)
class Turn:
    """A round of selecting that was judged: who chose, and by how much the generator then came nearer to held-out
    images (1: all of the distance that there was, 0: nothing, below 0: farther away)."""

    strategy: str
    gain: float


@dataclass(frozen=True)
class PoolView:
    """Real images that may be trained on, as a strategy sees them; row i of everything is image i.

    ``features`` may be memory-mapped and in half precision: they are read in blocks. ``taken`` are rows chosen in
    earlier rounds and ``barred`` rows that must never be (rejected by a person); neither is chosen again. ``errors``
    are the current generator's reconstruction errors, ``utilities`` what the person thinks of the images, ``labels``
    their classes (:data:`UNLABELLED` where unknown); None where there are none. ``history`` are the rounds before.
    ``held`` are features of images that nobody can choose, of which a good choice would give the same picture.
    ``realness`` is how surely the current generator's discriminator takes each for real. ``names[i]`` is what label i
    is called, and ``chances[i]`` how likely each image has it, where labels were spread.
    """

    features: Float[np.ndarray, "n d"]
    taken: Int[np.ndarray, " t"] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    barred: Int[np.ndarray, " b"] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    errors: Float[np.ndarray, " n"] | None = None
    realness: Float[np.ndarray, " n"] | None = None
    utilities: Float[np.ndarray, " n"] | None = None
    labels: Int[np.ndarray, " n"] | None = None
    history: Sequence[Turn] = ()
    held: Float[np.ndarray, "h d"] | None = None
    names: Sequence[str] = ()
    chances: Mapping[int, Float[np.ndarray, " n"]] = field(default_factory=dict[int, Float[np.ndarray, " n"]])

    def __len__(self) -> int:
        return len(self.features)

    @property
    def free(self) -> Int[np.ndarray, " f"]:
        """The rows that may still be chosen, in order."""
        allowed = np.ones(len(self), dtype=bool)
        allowed[self.taken] = False
        allowed[self.barred] = False
        return np.flatnonzero(allowed)


@dataclass(frozen=True)
class Selected:
    """Rows of the pool to train on, no row twice, best first, with what the strategy thought of each.

    ``strategy`` names who chose, where a strategy leaves the choice to others.
    """

    rows: Int[np.ndarray, " k"]
    scores: Float[np.ndarray, " k"]
    strategy: str | None = None


class Selector(Protocol):
    """Chooses which real images are worth training on."""

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """``count`` free rows, or all of them where there are fewer.

        Raises:
            NotReady: no row is free, or what the strategy looks at is not known yet.
            BadFeatures: features that are not finite.
        """
        ...


# ------------------------------------------------------------------------------------------------------ alignment


@dataclass(frozen=True)
class Strength:
    """How far to go, as people say it: like keeping the best of N. ``target_kl`` (nats) is log N − (N−1)/N."""

    like_best_of: float = 6

    def __post_init__(self) -> None:
        if not 1 <= self.like_best_of <= 1e6:
            raise ValueError(f"like_best_of must be from 1 to 1,000,000; found {self.like_best_of:g}")

    @property
    def target_kl(self) -> float:
        """The budget in nats; 0 for N = 1."""
        return float(np.log(self.like_best_of) - (self.like_best_of - 1) / self.like_best_of)


@dataclass(frozen=True)
class Alignment:
    """An aligned generator with what it cost; ``frontier`` has rows {kl_nats, reward} along the way.

    ``note`` is for the person, where something did not go as asked: for example a budget that could not be spent.
    """

    generator: Generator
    kl_nats: float
    kl_estimator: str
    frontier: tuple[Mapping[str, float], ...]
    seconds: float
    note: str = ""


class Aligner(Protocol):
    """Bends a generator towards a reward within a KL budget; ``load(directory)`` reads an aligned one back."""

    def align(
        self,
        generator: Generator,
        reward: Reward,
        strength: Strength,
        rng: Rng,
        report: Report = silent,
        images: UInt8[np.ndarray, "n c h w"] | None = None,
        conditions: Float[np.ndarray, "n k"] | None = None,
    ) -> Alignment:
        """The given generator is never changed; of one that is aligned already, its original is aligned afresh.

        ``images`` are the person's, for aligners that go on training on them, and ``conditions`` what each of them was
        learned under, for a conditional generator; the others leave them aside.
        """
        ...


@dataclass(frozen=True)
class Pairs:
    """Images as they were shown in pairs, and what was chosen; row i of everything is vote i.

    ``left`` and ``right`` are the latents that the original made them of, NaN where another version made them.
    """

    left: Float[np.ndarray, "n z"]
    right: Float[np.ndarray, "n z"]
    left_images: UInt8[np.ndarray, "n c h w"]
    right_images: UInt8[np.ndarray, "n c h w"]
    choices: Sequence[Choice]

    def __len__(self) -> int:
        return len(self.choices)


@runtime_checkable
class PairAligner(Aligner, Protocol):
    """An aligner that learns from the votes themselves; the reward only tells how far it came.

    ``align``, without votes, makes pairs of the generator's own images and lets the reward choose.
    """

    def align_on_pairs(
        self, generator: Generator, pairs: Pairs, reward: Reward, strength: Strength, rng: Rng, report: Report = silent
    ) -> Alignment:
        """As :meth:`Aligner.align`, from what was chosen; ties stay ties.

        Raises:
            NotReady: no pair was decided.
        """
        ...


# -------------------------------------------------------------------------------------------------------- metrics


@dataclass(frozen=True)
class Measurement:
    """A figure with all that makes it honest: interval, floor (real against real), sizes, extractor hash.

    ``p_value`` is that of a test whether both sets come from one distribution, where the metric is one.
    """

    value: float
    low: float | None
    high: float | None
    floor: float | None
    n: int
    extractor: str
    p_value: float | None = None


class Metric(Protocol):
    """Compares feature sets; ``holdout`` are real images not trained on, which give the floor."""

    def measure(
        self,
        real: Float[np.ndarray, "n d"],
        generated: Float[np.ndarray, "m d"],
        holdout: Float[np.ndarray, "k d"],
        extractor: str,
        rng: np.random.Generator,
    ) -> Measurement:
        """Value with interval and floor at matched n."""
        ...


# --------------------------------------------------------------------------------------------------------- voters


@runtime_checkable
class Voter(Protocol):
    """Who answers."""

    def answer(self, left: Float[Tensor, "c h w"], right: Float[Tensor, "c h w"], rng: np.random.Generator) -> Choice:
        """One vote; raises VoterFailed where it cannot give one."""
        ...

    def utility(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"] | None:
        """The hidden taste, noise-free, where the voter is simulated; None where nobody can know it."""
        ...


@runtime_checkable
class Labeller(Protocol):
    """A voter that can also name single images; others tell keep from reject by comparing with a middling image."""

    def label(self, image: Float[Tensor, "c h w"], names: Sequence[str], rng: np.random.Generator) -> str | None:
        """One of ``names``, or None for no answer; raises VoterFailed where it cannot give one."""
        ...


class VoterComponent(Protocol):
    """A simulated voter's settings; ``meet`` shows it what images of this study look like, to fix its scale."""

    def meet(self, reference: Float[Tensor, "n c h w"]) -> Voter:
        """The voter, its taste standardised on ``reference``."""
        ...


GENERATORS = Family("generator", "penchant.generators", "fit")
TEXTS = Family("text encoder", "penchant.texts", "fit")
FEATURES = Family("feature extractor", "penchant.features", "fit")
PREFERENCE = Family("preference model", "penchant.preference", "prior")
QUERIES = Family("strategy", "penchant.queries", "propose")
SELECTION = Family("selection strategy", "penchant.selection", "select")
ALIGNMENT = Family("aligner", "penchant.alignment", "align")
METRICS = Family("metric", "penchant.metrics", "measure")
VOTERS = Family("voter", "penchant.voters", "meet")
