"""What each group of features is worth: accuracy of hidden tastes with it alone, with all, and with all but it."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from penchant.bench._running import Row
from penchant.bench.strategies import _error
from penchant.core.contracts import (
    FEATURES,
    GENERATORS,
    PREFERENCE,
    QUERIES,
    Budget,
    Candidates,
    Choice,
    Group,
    Progress,
    Report,
    Votes,
    Workspace,
)
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float
from penchant.features.joined import JoinedExtractor
from penchant.voters import load_voter

TASTES = ("mixture", "calm", "colourful", "moderate", "centred")
CHECKPOINTS = (20, 50, 100)
PARTS = ("descriptors", "latents", "self_supervised", "random_convolutions")
DEFAULT = ("descriptors", "latents")
WITH_NOISE = "all and noise"
NOISE = 64
"""How many columns of pure noise are added, to see whether useless features do harm."""


@dataclass(frozen=True)
class Features:
    """Accuracy on pairs of images nobody voted on, mean over hidden tastes with the standard error over seeds.

    Pairs are chosen by BALD, the preference model is the linear one with its default settings. Differences are
    paired: the same tastes and seeds with and without a part. ``latents`` are those of a VAE trained for a minute.
    """

    seeds: int = 10
    pool: int = 2000
    refit_every: int = 5

    def run(self, quick: bool, report: Report) -> list[Row]:
        """A row a set of features and number of votes, then the differences to all features."""
        seeds = 2 if quick else self.seeds
        pictures = draw_pictures(2 * self.pool, 32, Rng(2026)).images
        images = to_float(pictures)
        parts = _fitted_parts(pictures[: self.pool], images, quick, report)
        tastes = [_HiddenTaste(images, self.pool, name) for name in TASTES]
        accuracies: dict[str, np.ndarray] = {}
        rows: list[Row] = []
        for place, (name, chosen) in enumerate(_sets().items()):
            clock = time.monotonic()
            groups, features = _side_by_side([parts[part] for part in chosen])
            accuracy = np.zeros((seeds, len(tastes), len(CHECKPOINTS)))
            for seed in range(seeds):
                report(Progress(name, (place + seed / seeds) / len(_sets())))
                for index, taste in enumerate(tastes):
                    accuracy[seed, index] = taste.learn(features, groups, self.refit_every, Rng(seed).child(taste.name))
            accuracies[name] = accuracy
            rows += _rows(f"{name}: accuracy", accuracy, seconds=time.monotonic() - clock)
            rows += [
                Row(f"{name}: {taste.name} after {CHECKPOINTS[-1]} votes", float(part.mean()), _error(part[:, None]))
                for taste, part in zip(tastes, accuracy[:, :, -1].T, strict=True)
            ]
        for name, accuracy in accuracies.items():
            if name.startswith("all "):
                bar = "≥ -0.01" if name == WITH_NOISE else None
                rows += _rows(f"{name}: difference to all", accuracy - accuracies["all"], bar=bar)
        return rows


class _HiddenTaste:
    """One hidden taste, voted on by noisy votes on the pool and judged on images outside it."""

    def __init__(self, images: Float[torch.Tensor, "n c h w"], pool: int, name: str):
        self.images, self.pool, self.name = images, pool, name
        self.voter = load_voter(name, images[pool:])
        hidden = self.voter.utility(images)
        assert hidden is not None, "every taste of the benchmark is known"
        self.hidden = hidden

    def learn(
        self, features: Float[np.ndarray, "n d"], groups: Sequence[Group], refit_every: int, rng: Rng
    ) -> list[float]:
        """Accuracies after so many votes as the checkpoints say."""
        prior = PREFERENCE.make("linear").prior(groups)
        posterior, strategy = prior, QUERIES.make("bald")
        test = rng.child("test").numpy().permutation(np.arange(self.pool, len(features)))
        first, second = test[: len(test) // 2], test[len(test) // 2 :]
        shown = np.zeros(self.pool, dtype=np.int64)
        pairs: list[tuple[int, int]] = []
        choices: list[Choice] = []
        accuracies: list[float] = []
        for number in range(1, CHECKPOINTS[-1] + 1):
            step = rng.child(number).numpy()
            candidates = Candidates(features[: self.pool], shown)
            left, right = (int(row) for row in strategy.propose(candidates, posterior, 1, step).pairs[0])
            choices.append(self.voter.answer(self.images[left], self.images[right], step))
            pairs.append((left, right))
            shown[[left, right]] += 1
            if number % refit_every == 0:
                lefts, rights = (features[list(rows)].astype(np.float64) for rows in zip(*pairs, strict=True))
                posterior = prior.refit(Votes(lefts, rights, choices))
            else:
                shown_pair = features[[left, right]].astype(np.float64)
                posterior = posterior.update(shown_pair[0], shown_pair[1], choices[-1])
            if number in CHECKPOINTS:
                predicted = posterior.predict(features[first], features[second]) > 0.5
                accuracies.append(float((predicted == (self.hidden[first] > self.hidden[second])).mean()))
        return accuracies


def _sets() -> dict[str, tuple[str, ...]]:
    """Names of the sets of features, and their parts."""
    alone = {part: (part,) for part in PARTS}
    without = {f"all but {left_out}": tuple(part for part in PARTS if part != left_out) for left_out in PARTS}
    return {**alone, "default": DEFAULT, "all": PARTS, **without, WITH_NOISE: (*PARTS, "noise")}


_Part = tuple[str, tuple[Group, ...], Float[np.ndarray, "n d"]]


def _fitted_parts(
    pool: np.ndarray, images: Float[torch.Tensor, "n c h w"], quick: bool, report: Report
) -> Mapping[str, _Part]:
    """Each part's groups and values; fitted to the pool."""
    report(Progress("training the generator", 0))
    with tempfile.TemporaryDirectory() as folder:
        budget = Budget(seconds=5 if quick else 60)
        generator = GENERATORS.make("vae").fit(pool, budget, Rng(0), Workspace(Path(folder)))
    parts: dict[str, _Part] = {}
    for name in PARTS:
        report(Progress(f"fitting {name}", 0))
        spec = "self_supervised(images=2000)" if quick and name == "self_supervised" else name
        extractor = FEATURES.make(spec).fit(images[: len(pool)], generator.encode, Rng(0).child(name))
        with torch.no_grad():
            parts[name] = name, JoinedExtractor([name], [extractor]).groups, extractor(images).numpy()
    noise = Rng(0).child("noise").numpy().standard_normal((len(images), NOISE), dtype=np.float32)
    return {**parts, "noise": ("noise", (Group("noise", 0, NOISE),), noise)}


def _side_by_side(parts: Sequence[_Part]) -> tuple[tuple[Group, ...], Float[np.ndarray, "n d"]]:
    groups: list[Group] = []
    for _, own, _ in parts:
        start = groups[-1].stop if groups else 0
        groups += [Group(group.name, start + group.start, start + group.stop) for group in own]
    return tuple(groups), np.concatenate([values for _, _, values in parts], axis=1)


def _rows(
    what: str, values: Float[np.ndarray, "s t c"], seconds: float | None = None, bar: str | None = None
) -> list[Row]:
    rows: list[Row] = []
    for votes, part in zip(CHECKPOINTS, np.moveaxis(values, -1, 0), strict=True):
        name, mean, error = f"{what} after {votes} votes", float(part.mean()), _error(part)
        rows.append(Row(name, mean, error, seconds=seconds) if bar is None else Row.against(name, mean, bar, error))
    return rows
