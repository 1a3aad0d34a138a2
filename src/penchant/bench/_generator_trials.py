"""Trainings of equal time, each judged against held-out images and kept in a file as soon as it is."""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.bench._peers import PEERS, Sampler, fit_peer
from penchant.bench._running import Row
from penchant.core.contracts import FEATURES, GENERATORS, METRICS, Budget, Extractor, Measurement, Report, Workspace
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data import to_float

Bytes = UInt8[np.ndarray, "n c h w"]
FIGURES = ("kid", "recall", "coverage", "memorisation")


@dataclass(frozen=True)
class Trial:
    """One training: what makes it this one, the figures, each with its error from sampling images, and what it took."""

    ground: str
    generator: str
    core_seconds: float
    seed: int
    used: float
    sampling: float
    figures: Mapping[str, float]
    errors: Mapping[str, float]

    @property
    def key(self) -> tuple[str | float, ...]:
        """What makes it this one."""
        return self.ground, self.generator, self.core_seconds, self.seed


class Kept:
    """Trials that are done, in a file of one JSON object a line where there is a path; none is done twice.

    Raises:
        BadConfiguration: the file is there and holds something else.
    """

    def __init__(self, path: str | None):
        self._path = None if path is None else Path(path)
        self._known: dict[tuple[str | float, ...], Trial] = {}
        if self._path is not None and self._path.exists():
            try:
                found = [Trial(**json.loads(line)) for line in self._path.read_text().splitlines()]
            except (TypeError, ValueError) as error:
                raise BadConfiguration(f"{path} holds no trials of this benchmark: {error}") from None
            self._known = {one.key: one for one in found}

    def find(self, *key: str | float) -> Trial | None:
        """The trial of this key, if it is done."""
        return self._known.get(key)

    def add(self, trial: Trial) -> Trial:
        """Keep one."""
        self._known[trial.key] = trial
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(trial)) + "\n")
        return trial


@dataclass(frozen=True)
class Ground:
    """Images to learn from and held-out ones, as a judge sees them."""

    name: str
    train: Bytes
    judge: Extractor
    real: Float[np.ndarray, "n d"]
    learned: Float[np.ndarray, "n d"]

    @staticmethod
    def of(name: str, train: Bytes, held_out: Bytes) -> "Ground":
        """The judge is fitted to training images; as many of them as are held out are what copies would be near to."""
        judge = FEATURES.make("random_convolutions").fit(to_float(train[:5000]), None, Rng(0))
        with torch.no_grad():
            real, learned = (judge(to_float(part)).numpy() for part in (held_out, train[: len(held_out)]))
        return Ground(name, train, judge, real, learned)

    def floors(self) -> dict[str, float]:
        """What real images score."""
        return {name: found.floor for name, found in self._measured(self.real).items() if found.floor is not None}

    def trial(self, spec: str, seconds: float, seed: int, report: Report) -> tuple[Trial, Bytes]:
        """Train, sample, judge; and the images that were made.

        Raises:
            NotCapable: a peer that is not installed, or not made for such images.
        """
        start = time.process_time()
        sampler = self._fitted(spec, seconds, seed, report)
        trained = time.process_time()
        made = sampler(len(self.real)).clamp(0, 1)
        sampled = time.process_time()
        with torch.no_grad():
            found = self._measured(self.judge(made).numpy())
        errors = {
            name: (one.high - one.low) / 3.92
            for name, one in found.items()
            if one.low is not None and one.high is not None
        }
        figures = {name: float(one.value) for name, one in found.items()}
        used = trained - start
        trial = Trial(self.name, spec, seconds, seed, used, sampled - trained, figures, errors)
        return trial, (made * 255).round().to(torch.uint8).numpy()

    def _measured(self, made: Float[np.ndarray, "m d"]) -> dict[str, Measurement]:
        numbers = np.random.default_rng(0)
        sides = dict.fromkeys(FIGURES, (self.real, made, self.learned))
        sides["memorisation"] = (self.learned, made, self.real)
        return {
            name: METRICS.make(name).measure(*three, "random_convolutions", numbers) for name, three in sides.items()
        }

    def _fitted(self, spec: str, seconds: float, seed: int, report: Report) -> Sampler:
        if spec in PEERS:
            return fit_peer(spec, self.train, seconds, seed)
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace(Path(folder), report, clock=time.process_time)
            rng = Rng(seed).child("train")
            generator = GENERATORS.make(spec).fit(self.train, Budget(seconds=seconds), rng, workspace)
        return lambda count: generator.sample(count, Rng(seed).child("samples"))


def rows(ground: str, trials: Sequence[Trial], floors: Mapping[str, float]) -> list[Row]:
    """Means over the seeds, with their standard errors; of a single one, with that of sampling images."""
    found: list[Row] = []
    for spec in dict.fromkeys(one.generator for one in trials):
        own = [one for one in trials if one.generator == spec]
        used, sampling = (float(np.mean([getattr(one, name) for one in own])) for name in ("used", "sampling"))
        for name in FIGURES:
            values = np.array([one.figures[name] for one in own])
            error = own[0].errors.get(name) if len(own) == 1 else float(values.std(ddof=1) / np.sqrt(len(own)))
            note = f"{len(own)} trainings, sampling {sampling:.2g} core-seconds"
            note += f"; real images: {floors[name]:.3g}" if name in floors else ""
            found.append(Row(f"{ground}, {spec}: {name}", float(values.mean()), error, seconds=used, note=note))
    return found
