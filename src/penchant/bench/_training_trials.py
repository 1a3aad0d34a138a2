"""Trainings on some images of a pool, one after the other, each kept in a file as soon as it is measured."""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from penchant.core.contracts import (
    FEATURES,
    GENERATORS,
    METRICS,
    SELECTION,
    Budget,
    Extractor,
    Generator,
    PoolView,
    Selector,
    Turn,
    Workspace,
)
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data import to_float

Bytes = UInt8[np.ndarray, "n c h w"]
_KID, _COVERAGE = "kid(repeats=2, permutations=0)", "coverage(repeats=2)"


@dataclass(frozen=True)
class Trial:
    """What was trained on what: a key, and the figures that came out (those of the test images)."""

    part: str
    source: str
    generator: str
    strategy: str
    share: float
    seed: int
    figures: Mapping[str, float]

    @property
    def key(self) -> tuple[str | float, ...]:
        """What makes it this one."""
        return self.part, self.source, self.generator, self.strategy, self.share, self.seed


class Kept:
    """Trials that are done, in a file of one JSON object a line where there is a path; none is done twice.

    Raises:
        BadConfiguration: the file is there and holds something else.
    """

    def __init__(self, path: str | None):
        self._path = None if path is None else Path(path)
        self.trials: list[Trial] = []
        if self._path is not None and self._path.exists():
            try:
                self.trials = [Trial(**json.loads(line)) for line in self._path.read_text().splitlines()]
            except (TypeError, ValueError) as error:
                raise BadConfiguration(f"{path} holds no trials of this benchmark: {error}") from None
        self._known = {one.key: one for one in self.trials}

    def find(self, *key: str | float) -> Trial | None:
        """The trial of this key, if it is done."""
        return self._known.get(key)

    def add(self, trial: Trial) -> Trial:
        """Keep one."""
        self.trials.append(trial)
        self._known[trial.key] = trial
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(trial)) + "\n")
        return trial


@dataclass(frozen=True)
class Ground:
    """A pool to choose from, what strategies see of it, and two sets of images that nobody can choose.

    Strategies that learn are paid by ``valid``, of which ``held`` is what they see; figures are of ``test``; ``judge``
    is fitted to the pool.
    """

    pool: Bytes
    seen: Float[np.ndarray, "n d"]
    judge: Extractor
    valid: Float[np.ndarray, "v d"]
    test: Float[np.ndarray, "t d"]
    held: Float[np.ndarray, "v e"]
    labels: Int[np.ndarray, " n"] | None = None

    @staticmethod
    def of(pool: Bytes, held: Bytes, clean: Bytes, labels: Int[np.ndarray, " n"] | None = None) -> "Ground":
        """Half of the held-out images are for each purpose; the judge is fitted to ``clean``."""
        half = len(held) // 2
        judge = FEATURES.make("random_convolutions").fit(to_float(clean), None, Rng(0))
        eyes = FEATURES.make("random_convolutions(seed=1)").fit(to_float(pool), None, Rng(0))
        valid, test = judged(judge, held[:half]), judged(judge, held[half:])
        return Ground(pool, judged(eyes, pool), judge, valid, test, judged(eyes, held[:half]), labels)

    def measured(self, generator: Generator, seed: int) -> tuple[dict[str, float], dict[str, float]]:
        """KID and coverage against the test images, and against those that pay strategies."""
        made = generator.sample(len(self.test), Rng(seed).child("samples"))
        with torch.no_grad():
            features = self.judge(made).double().numpy()
        return figures_of(self.test, features), figures_of(self.valid, features)


def judged(extractor: Extractor, images: Bytes) -> Float[np.ndarray, "n d"]:
    """The features of images in bytes."""
    with torch.no_grad():
        return extractor(to_float(images)).double().numpy()


def figures_of(real: Float[np.ndarray, "n d"], made: Float[np.ndarray, "m d"]) -> dict[str, float]:
    """KID and coverage."""
    numbers = np.random.default_rng(0)
    size = min(len(real), len(made))
    found = {
        name: METRICS.make(spec).measure(real[:size], made[:size], real[:size], "", numbers).value
        for name, spec in (("kid", _KID), ("coverage", _COVERAGE))
    }
    return {name: float(value) for name, value in found.items()}


def trained(spec: str, images: Bytes, seen: int, seed: int) -> tuple[Generator, float]:
    """A generator that saw so many images, repeats counted, and its processor seconds."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        rng = Rng(seed).child("train")
        generator = GENERATORS.make(spec).fit(images, Budget(images=seen), rng, Workspace(Path(folder)))
    return generator, time.process_time() - started


@dataclass(frozen=True)
class Course:
    """One strategy's trainings on growing shares of a pool, each afresh on all that was chosen so far.

    ``made_by`` is what is trained, where the generator that trials are kept under is varied.
    """

    part: str
    source: str
    generator: str
    images_seen: int
    seed: int
    made_by: str | None = None

    def run(self, ground: Ground, strategy: str, shares: Sequence[float], kept: Kept, grow: bool) -> None:
        """Train and keep; ``grow`` adds to what was chosen, as rounds of active training do, else each share is new.

        A strategy that learns gets the gain on the validation images of each share over the one before.
        """
        if all(self._find(kept, strategy, share) for share in shares):
            return
        selector: Selector = SELECTION.make(strategy)
        before: Mapping[str, float] = {}
        taken, history = np.zeros(0, dtype=np.int64), list[Turn]()
        for number, share in enumerate(shares):
            numbers = Rng(self.seed).child("select", number).numpy()
            count = round(share * len(ground.pool)) - len(taken)
            view = PoolView(ground.seen, taken=taken, labels=ground.labels, history=history, held=ground.held)
            chosen = selector.select(view, count, numbers)
            rows = np.sort(np.concatenate([taken, chosen.rows]))
            valid = self.trial(ground, strategy, share, rows, kept)
            if before:
                gain = max(-1.0, min(1.0, 1 - valid["kid"] / max(before["kid"], 1e-6)))
                history.append(Turn(chosen.strategy or strategy, (gain + valid["coverage"] - before["coverage"]) / 2))
            before, taken = valid, rows if grow else taken

    def trial(
        self, ground: Ground, strategy: str, share: float, rows: Int[np.ndarray, " k"], kept: Kept
    ) -> Mapping[str, float]:
        """Train on rows and keep what came out of it; gives the figures that pay strategies."""
        done = self._find(kept, strategy, share)
        if done is not None:
            return {name: done.figures[f"valid {name}"] for name in ("kid", "coverage")}
        generator, seconds = trained(self.made_by or self.generator, ground.pool[rows], self.images_seen, self.seed)
        test, valid = ground.measured(generator, self.seed)
        figures = {**test, **{f"valid {name}": value for name, value in valid.items()}, "seconds": seconds}
        kept.add(replace(self._key(strategy, share), figures={**figures, "images": float(len(rows))}))
        return valid

    def _find(self, kept: Kept, strategy: str, share: float) -> Trial | None:
        return kept.find(*self._key(strategy, share).key)

    def _key(self, strategy: str, share: float) -> Trial:
        return Trial(self.part, self.source, self.generator, strategy, share, self.seed, {})
