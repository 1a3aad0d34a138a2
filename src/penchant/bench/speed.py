"""How many images a core learns from in a second, against a plain loop; and how long 64 images take to draw."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from penchant.bench._plain_loop import PlainLoop
from penchant.bench._running import Row
from penchant.core.contracts import GENERATORS, Budget, Generator, ImageSpec, Progress, Report, Workspace
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data import draw_pictures
from penchant.generators._adversaries import Discriminator, PlainGenerator
from penchant.generators._autoencoder import NegativeElbo
from penchant.generators._common import seeded
from penchant.generators._velocity import Velocity, VelocityMatching
from penchant.generators.flow import Flow
from penchant.generators.gan import GAN
from penchant.generators.vae import VAE
from penchant.training.loop import Settings, train
from penchant.training.objective import MuonAdam, Objective
from penchant.training.precision import bfloat16_pays

LADDER = {
    "plain loop": PlainLoop(),
    "rows gathered from bytes": PlainLoop(in_memory=True),
    "and AdamW fused": PlainLoop(in_memory=True, fused=True),
    "and bfloat16": PlainLoop(in_memory=True, fused=True, bfloat16=True),
    "and channels last": PlainLoop(in_memory=True, fused=True, bfloat16=True, channels_last=True),
}
"""From the loop as one would write it at first, one thing more a line; ours is the fourth and what it adds."""
OURS = "ours"
_BAR, _PAINFUL = "≥ 1.5", "≤ 100"


@dataclass(frozen=True)
class Speed:
    """Images a core-second in training, the same networks and losses in a plain loop and in ours; and drawing.

    The plain loop is a ``DataLoader`` over floats, float32 and AdamW as it comes; what was done about it is measured
    step by step. *Ours* is the family's own training: with its optimiser (Muon for ``vae`` and ``flow``), gradients
    clipped, weights averaged. All take turns, round after round, so that what else the machine does strikes all alike;
    figures are medians of the rounds in seconds of the process, ratios are of the same round, with the standard error
    of their mean. Run with ``OMP_NUM_THREADS=1``. The bar holds where bfloat16 pays, which is said.

    Attributes:
        families: which of ``vae`` (its autoencoder), ``flow`` and ``gan``.
        size: pixels a side.
        batch: images a step.
        steps: of each kind in a round.
        rounds: how many.
        drawn: families that draw 64 images, hardly trained.
    """

    families: tuple[str, ...] = ("vae", "flow", "gan")
    size: int = 32
    batch: int = 64
    steps: int = 8
    rounds: int = 5
    drawn: tuple[str, ...] = ("vae", "vae_gan", "gan", "style_gan", "progressive_gan", "dcgan")

    def __post_init__(self) -> None:
        unknown = sorted(set(self.families) - set(_OBJECTIVES))
        if unknown:
            raise BadConfiguration(f"families are of {', '.join(_OBJECTIVES)}; found {', '.join(unknown)}")
        if min(self.batch, self.steps) < 1 or self.rounds < 2:
            raise BadConfiguration("batch and steps must be at least 1, and rounds at least 2")

    def run(self, quick: bool, report: Report) -> list[Row]:
        """A row a family and kind of loop, and one a family that draws; ``quick``: two rounds."""
        rounds = 2 if quick else self.rounds
        images = draw_pictures(max(1000, 2 * self.batch), self.size, Rng(0)).images
        pays = bfloat16_pays("cpu")
        rows: list[Row] = []
        for family in self.families:
            taken: dict[str, list[float]] = {name: [] for name in (*LADDER, OURS)}
            for turn in range(rounds + 1):
                report(Progress(f"{family}, round {turn} of {rounds}", turn / (rounds + 1)))
                for name in taken:
                    seconds = self._seconds(family, name, images)
                    if turn:  # the first pays for kernels
                        taken[name].append(seconds / (self.steps * self.batch))
            rows += _told(f"{family}, {self.size} px", taken, pays)
        return rows + [self._drawing(family, images, rounds) for family in self.drawn]

    def _seconds(self, family: str, name: str, images: np.ndarray) -> float:
        objectives = _OBJECTIVES[family](ImageSpec(images.shape[1], self.size))
        start = time.process_time()
        if name == OURS:
            budget = Budget(images=self.steps * self.batch)
            train(objectives, [images], budget, Rng(0), settings=Settings(batch=self.batch))
        else:
            LADDER[name].run(objectives, torch.from_numpy(images), self.batch, self.steps)
        return time.process_time() - start

    def _drawing(self, family: str, images: np.ndarray, rounds: int) -> Row:
        with tempfile.TemporaryDirectory() as folder:
            fit = GENERATORS.make(family).fit
            generator: Generator = fit(images[:64], Budget(images=64), Rng(0), Workspace(Path(folder)))
        latents, taken = generator.latents(64, Rng(1)), list[float]()
        for _ in range(3 * rounds):
            start = time.process_time()
            with torch.no_grad():
                generator.decode(latents)
            taken.append(1000 * (time.process_time() - start))
        error = float(np.std(taken, ddof=1) / len(taken) ** 0.5)
        return Row.against(f"{family}: ms of a core for 64 images", float(np.median(taken)), _PAINFUL, error)


def _told(what: str, taken: dict[str, list[float]], pays: bool) -> list[Row]:
    """Images a second of each, and how many times the plain loop's."""
    found: list[Row] = []
    base = np.array(taken["plain loop"])
    for name, seconds in taken.items():
        speed: Float[np.ndarray, " r"] = 1 / np.array(seconds)
        found.append(Row(f"{what}, {name}: images a core-second", float(np.median(speed)), _error(speed)))
        if name != "plain loop":
            ratio = base / np.array(seconds)
            row = Row(f"{what}, {name}: times the plain loop", float(np.median(ratio)), _error(ratio))
            if name == OURS and pays:
                row = Row.against(row.what, float(np.median(ratio)), _BAR, row.error)
            elif name == OURS:
                row = Row(row.what, row.value, row.error, note="bfloat16 does not pay here, so there is no bar")
            found.append(row)
    return found


def _error(values: Float[np.ndarray, " r"]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _vae(image: ImageSpec) -> list[Objective]:
    settings = VAE()
    network = seeded(Rng(0), lambda: settings._network(image))
    loss = NegativeElbo(network, settings.beta, settings.free_bits)
    return [Objective("autoencoder", network, loss, MuonAdam(settings.learning_rate), half_life=10_000)]


def _flow(image: ImageSpec) -> list[Objective]:
    network = seeded(Rng(0), lambda: Velocity(image, Flow().widths, 0, 1.0))
    optimiser = MuonAdam(Flow().learning_rate)
    return [Objective("velocity", network, VelocityMatching(network), optimiser, half_life=20_000)]


def _gan(image: ImageSpec) -> list[Objective]:
    settings = GAN()
    network = seeded(Rng(0), lambda: PlainGenerator(image, settings.latent_dim, settings.widths, 0))
    judge = seeded(Rng(1), lambda: Discriminator(image, settings.judge_widths, False))
    game = settings._recipe().game(network, judge, 1000)
    return [
        Objective("discriminator", judge, game.judging, game.optimiser, half_life=None),
        Objective("generator", network, game.making, game.optimiser, half_life=game.half_life),
    ]


_OBJECTIVES: dict[str, Callable[[ImageSpec], list[Objective]]] = {"vae": _vae, "flow": _flow, "gan": _gan}
