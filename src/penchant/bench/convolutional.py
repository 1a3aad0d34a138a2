"""What a network taught by the votes adds: as features of the linear head, by itself, and as an ensemble."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from penchant.bench._running import Row
from penchant.bench._taste_scores import accuracy, calibration_error, log_loss
from penchant.bench._taste_sets import PictureSet, picture_set
from penchant.bench._taste_trial import Task
from penchant.bench.strategies import _error
from penchant.core.contracts import PREFERENCE, Budget, Choice, Group, Progress, Report, Votes
from penchant.core.rng import Rng
from penchant.data import to_uint8
from penchant.features.convolutional import ConvolutionalExtractor
from penchant.features.descriptors import Descriptors
from penchant.preference import Convolutional as Model
from penchant.preference import ConvolutionalModel

_IMAGES, _TEST_PAIRS = 4000, 4000
_LESSONS = Budget(images=1500)
_NOISE = 16

Scores = tuple[float, float, float]
"""Accuracy, log-loss, calibration error."""


@dataclass(frozen=True)
class Convolutional:
    """Heads with and without the penultimate layer, and single networks against ensembles, on the embedded pictures.

    Votes are on random pairs of 2,000 pictures, by voters with their default slips; a network sees the votes that the
    head learns from and no others, or, where it says *early*, the first half of them. Tested on pairs of 2,000 other
    pictures. Differences are paired: the same tastes, seeds and votes. Errors are over the seeds.

    Args:
        tastes: hidden tastes; of the default ones two are about linear in the descriptors and two are not.
        votes: after how many; each twice the one before for *early* to be measured.
        members: of the ensemble.
        seeds: repetitions.
    """

    tastes: tuple[str, ...] = ("warm", "centred", "moderate", "familiar")
    votes: tuple[int, ...] = (50, 100, 200)
    members: int = 5
    seeds: int = 10

    def run(self, quick: bool, report: Report) -> list[Row]:
        """A row a learner, taste and number of votes, then the differences over all tastes."""
        seeds = 2 if quick else self.seeds
        pictures = picture_set("embedded", "quadratic(of='descriptors')", _IMAGES, None)
        found: dict[tuple[str, int], np.ndarray] = {}
        for place, taste in enumerate(self.tastes):
            task = Task.meet(pictures, taste, _TEST_PAIRS)
            for seed in range(seeds):
                report(Progress(taste, (place + seed / seeds) / len(self.tastes)))
                for key, scores in self._trial(task, taste, seed):
                    found.setdefault(key, np.full((seeds, len(self.tastes), 3), np.nan))[seed, place] = scores
        return [*self._rows(found), *self._differences(found)]

    def _trial(self, task: Task, taste: str, seed: int) -> Iterator[tuple[tuple[str, int], Scores]]:
        """The scores of every learner after so many votes."""
        most = max(self.votes)
        rng = Rng(seed).child("votes", taste).numpy()
        left, right = rng.integers(0, task.pictures.pool, most), rng.integers(0, task.pictures.pool - 1, most)
        right = right + (right >= left)
        choices = [
            task.voter.decide(task.seen[one], task.seen[other], rng) for one, other in zip(left, right, strict=True)
        ]
        taught: dict[int, np.ndarray] = {}
        for votes in self.votes:
            rows = left[:votes], right[:votes]
            pixels = [to_uint8(task.pictures.images[torch.from_numpy(side)]) for side in rows]
            networks = Model(members=self.members)
            model = networks.fit(pixels[0], pixels[1], choices[:votes], _LESSONS, Rng(seed).child(taste))
            taught[votes] = _columns(model, task.pictures)
            for name, chances in _by_networks(model, task).items():
                yield (name, votes), _judged(chances, task)
            for name, (features, groups) in _sets(task.pictures, taught[votes], taught.get(votes // 2)).items():
                belief = PREFERENCE.make("linear").prior(groups)
                belief = belief.refit(Votes(features[rows[0]], features[rows[1]], choices[:votes]))
                yield (name, votes), _judged(belief.predict(features[task.first], features[task.second]), task)

    def _rows(self, found: Mapping[tuple[str, int], np.ndarray]) -> Iterator[Row]:
        for (name, votes), values in found.items():
            for figure, part in zip(_FIGURES, np.moveaxis(values, -1, 0), strict=True):
                yield Row(f"{name}: {figure} after {votes} votes", float(part.mean()), _error(part))
                for taste, own in zip(self.tastes, part.T, strict=True):
                    what = f"{name} · {taste}: {figure} after {votes} votes"
                    yield Row(what, float(own.mean()), _error(own[:, None]))

    def _differences(self, found: Mapping[tuple[str, int], np.ndarray]) -> Iterator[Row]:
        for (name, votes), values in found.items():
            against = "one network" if name == _ENSEMBLE else name.partition(" and ")[0]
            if against == name or (against, votes) not in found:
                continue
            for figure, part in zip(_FIGURES, np.moveaxis(values - found[against, votes], -1, 0), strict=True):
                what = f"{name}: difference to {against} in {figure} after {votes} votes"
                yield Row(what, float(part.mean()), _error(part))


_FIGURES = ("accuracy", "log-loss", "calibration error")
_ENSEMBLE = "ensemble"


def _by_networks(model: ConvolutionalModel, task: Task) -> Mapping[str, Float[np.ndarray, " p"]]:
    """P(left) of the first member alone, and of all."""
    scores = model.scores(task.pictures.images)
    chances = 0.5 + 0.5 * np.tanh((scores[:, task.first] - scores[:, task.second]) / 2)
    return {"one network": chances[0], _ENSEMBLE: chances.mean(0)}


def _columns(model: ConvolutionalModel, pictures: PictureSet) -> Float[np.ndarray, "n d"]:
    """The group of the first network, standardised on the pool, for all pictures."""
    scorer = model.scorer.first(1)
    pool = pictures.images[: pictures.pool]
    extractor = ConvolutionalExtractor.fitted(Descriptors().fit(pool[:100], None, Rng(0)), scorer, pool)
    with torch.no_grad():
        return extractor(pictures.images).numpy()[:, extractor.groups[-1].start :].astype(np.float64)


def _sets(
    pictures: PictureSet, taught: Float[np.ndarray, "n d"], early: Float[np.ndarray, "n d"] | None
) -> Mapping[str, tuple[Float[np.ndarray, "n k"], tuple[Group, ...]]]:
    """Features and groups, by name."""
    quadratic = pictures.features.astype(np.float64), tuple(pictures.groups)
    plain_groups = tuple(group for group in pictures.groups if not group.optional)
    plain = quadratic[0][:, : plain_groups[-1].stop], plain_groups
    noise = Rng(0).child("noise").numpy().standard_normal((len(pictures.images), _NOISE))
    sets = {"descriptors": plain, "quadratic": quadratic}
    for name, base in list(sets.items()):
        sets[f"{name} and network"] = _with(base, "convolutional", taught)
        sets[f"{name} and noise"] = _with(base, "noise", noise)
    if early is not None:
        sets["quadratic and early network"] = _with(quadratic, "convolutional", early)
    return {**sets, "network": (taught, (Group("convolutional", 0, taught.shape[1]),))}


def _with(
    base: tuple[Float[np.ndarray, "n k"], tuple[Group, ...]], name: str, columns: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, "n m"], tuple[Group, ...]]:
    """One more optional group, in a stage of its own."""
    features, groups = base
    start = groups[-1].stop
    own = Group(name, start, start + columns.shape[1], optional=groups[-1].optional + 1)
    return np.hstack([features, columns]), (*groups, own)


def _judged(chances: Float[np.ndarray, " p"], task: Task) -> Scores:
    answers = task.voter.chances(task.seen[task.first], task.seen[task.second])
    decided = answers[Choice.LEFT] + answers[Choice.RIGHT]
    answered = answers[Choice.LEFT] / np.maximum(decided, 1e-12)
    merit = task.voter.merit(task.seen)
    assert merit is not None, "every taste of the benchmark is known"
    right = accuracy(chances - 0.5, merit[task.first] > merit[task.second])
    return right, log_loss(chances, answered, decided), calibration_error(chances, answered, decided)
