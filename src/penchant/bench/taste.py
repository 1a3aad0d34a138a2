"""How much is learned of a hidden taste after so many votes: tastes × ways of answering × pictures × learners."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penchant.bench._running import Row
from penchant.bench._taste_cases import BLIND_TO_GREY, HONEST, LINEAR, MANNERS, NON_LINEAR, TASTES, voter_spec
from penchant.bench._taste_changes import CHANGING, Changing, change_rows
from penchant.bench._taste_gp import PairwiseGP
from penchant.bench._taste_learners import (
    COMMITTEE,
    LOGISTIC,
    PAIRWISE_GP,
    RANDOM,
    Committee,
    Learner,
    Logistic,
    ModelLearner,
)
from penchant.bench._taste_limits import Seconds, ceilings, seconds_a_vote
from penchant.bench._taste_people import PEOPLE
from penchant.bench._taste_persons import Setting, people_rows
from penchant.bench._taste_sets import SETS, PictureSet, picture_set
from penchant.bench._taste_summary import Cell, lead_rows, rows_of
from penchant.bench._taste_trial import Outcome, Task
from penchant.core.contracts import QUERIES, Progress, Report
from penchant.core.errors import BadImages, NotCapable
from penchant.core.rng import Rng

CHECKPOINTS = (10, 20, 50, 100, 200)
FEW = ("mixture", "symmetric", "twilight", "familiar")
"""Tastes, two linear and two not, for what is compared on fewer."""

SOME = ("warm", "calm", "symmetric", "mixture", "twilight", "moderate", "conditional", "familiar")
"""Tastes for the real pictures."""

TIMED = 50
"""Votes over which time is taken, and that the Gaussian process gets."""


@dataclass(frozen=True)
class Taste:
    """What is known of a taste after 20, 50 and 100 votes, and whether the model knows how well it knows.

    Every hidden taste is met with random pairs and with ``strategy``, beside random pairs and logistic regression, the
    real pictures with some; other strategies, peers and ways of answering on a few tastes and the embedded pictures.
    Tested on pairs of images that nobody was asked about. Then real people, where their ratings are at hand.

    Args:
        preference: the model, as ``"linear"`` or ``"linear(scale=0.5)"``.
        strategy: the one measured everywhere.
        strategies: those compared on the embedded pictures; all there are by default.
        sets: kinds of pictures, and of people; ``"changing"`` are tastes that change, on the embedded pictures.
        constant: ``preference`` without changes, to compare with where tastes change.
        tastes, manners: hidden tastes and ways of answering; all by default.
        features: what the model sees; the peers see the columns of it that are not optional.
        seeds: repetitions; for the Gaussian process, which is slow, ``gp_seeds`` with fewer votes.
        people: how many real people of each kind.
        images: the most images of a set, half of them to ask about and half to test on.
        pairs: uniformly random test pairs.
        refit_every: votes between fits.
        audit_share: of uniformly random questions among the strategy's, as in a study.
        packs: the folder of picture packs; that of the environment variable PENCHANT_DATA by default.
    """

    preference: str = "linear"
    strategy: str = "bald"
    strategies: tuple[str, ...] = ()
    sets: tuple[str, ...] = (*SETS, *PEOPLE, CHANGING)
    tastes: tuple[str, ...] = TASTES
    manners: tuple[str, ...] = tuple(MANNERS)
    features: str = "quadratic(of='descriptors')"
    seeds: int = 20
    gp_seeds: int = 5
    people: int = 80
    images: int = 4000
    pairs: int = 20_000
    refit_every: int = 5
    audit_share: float = 0.1
    packs: str | None = None
    constant: str = "linear(half_life=1e999, steady_votes=1e999)"

    def run(self, quick: bool, report: Report) -> list[Row]:
        """A row a figure; what could not be measured, for want of a pack or a package, is a row that says so."""
        rows: list[Row] = []
        trials: dict[Cell, list[Outcome]] = {}
        setting = Setting(self.preference, self.strategy, self.refit_every, 3 if quick else self.people, self.packs)
        for name in self.sets:
            try:
                if name in PEOPLE:
                    rows += people_rows(name, setting, report)
                elif name == CHANGING:
                    pictures = picture_set("embedded", self.features, self.images, self.packs)
                    rows += change_rows(self._changing(quick), pictures, report)
                else:
                    rows += self._on(picture_set(name, self.features, self.images, self.packs), trials, quick, report)
            except BadImages as missing:
                rows.append(Row.left_out(name, str(missing)))
        return [*rows_of(trials, self.strategy), *lead_rows(trials, self.strategy), *rows]

    def _on(
        self, pictures: PictureSet, trials: dict[Cell, list[Outcome]], quick: bool, report: Report
    ) -> Iterator[Row]:
        """Adds to ``trials`` what was learned on these pictures."""
        cells = list(self._cells(pictures.name, quick))
        tasks: dict[tuple[str, str], Task] = {}
        for index, cell in enumerate(cells):
            key = cell.manner, cell.taste
            if key not in tasks:
                tasks[key] = Task.meet(pictures, voter_spec(cell.manner, cell.taste), self.pairs)
            try:
                trials[cell] = list(self._trials(cell, tasks[key], quick))
            except NotCapable as missing:
                trials.pop(cell, None)
                yield Row.left_out(f"{pictures.name} · {cell.learner} · {cell.taste}", str(missing))
            report(Progress(f"{pictures.name}, {cell.manner}", (index + 1) / len(cells)))
        honest = {taste: task for (manner, taste), task in tasks.items() if manner == HONEST}
        yield from _ceiling_rows(pictures.name, honest)
        if pictures.name == "embedded" and honest:
            yield from self._time_rows(next(iter(honest.values())), 5 if quick else TIMED)

    def _changing(self, quick: bool) -> Changing:
        seeds = min(self.seeds, 2) if quick else self.seeds
        return Changing(
            self.preference, self.constant, self.strategy, self.refit_every, self.audit_share, seeds, self.pairs
        )

    def _trials(self, cell: Cell, task: Task, quick: bool) -> Iterator[Outcome]:
        seeds = self.gp_seeds if cell.learner == PAIRWISE_GP else self.seeds
        long = cell.learner in (RANDOM, LOGISTIC) and cell.manner == HONEST
        votes = TIMED if cell.learner == PAIRWISE_GP else CHECKPOINTS[-1] if long else 100
        for seed in range(min(seeds, 2) if quick else seeds):
            learner = self.learner(cell.learner, task.pictures)
            yield task.learn(learner, votes, CHECKPOINTS, Rng(seed).child(cell.taste))

    def _time_rows(self, task: Task, votes: int) -> Iterator[Row]:
        found: dict[str, Seconds] = {}
        for name in dict.fromkeys((self.strategy, RANDOM, LOGISTIC, COMMITTEE, PAIRWISE_GP)):
            try:
                seconds = found[name] = seconds_a_vote(
                    task, lambda name=name: self.learner(name, task.pictures), votes, self.refit_every
                )
            except NotCapable as missing:
                yield Row.left_out(f"seconds a vote · {name}", str(missing))
                continue
            yield Row(f"seconds a vote · {name}", *seconds.all)
            yield Row(f"seconds a vote · {name} · waited, fits left to idle time", *seconds.waited)
        if PAIRWISE_GP in found:
            ours, theirs = found[self.strategy], found[PAIRWISE_GP].all[0]
            share = f"seconds a vote · {self.strategy} as a share of {PAIRWISE_GP}"
            yield Row(f"{share}, all fits counted", ours.all[0] / theirs)
            yield Row.against(f"{share}, waited", ours.waited[0] / theirs, "≤ 0.01")

    def learner(self, name: str, pictures: PictureSet) -> Learner:
        """A fresh one."""
        pool, plain = pictures.features[: pictures.pool], pictures.plain[: pictures.pool]
        if name == LOGISTIC:
            return Logistic(plain)
        if name == COMMITTEE:
            return Committee(plain, self.refit_every)
        if name == PAIRWISE_GP:
            return PairwiseGP(plain)
        return ModelLearner(
            pool, pictures.groups, self.preference, name, self.refit_every, audit_share=self.audit_share
        )

    def _cells(self, pictures: str, quick: bool) -> Iterator[Cell]:
        tastes = [taste for taste in self.tastes if pictures != "fashion" or taste not in BLIND_TO_GREY]
        few = [taste for taste in tastes if taste in FEW] or tastes[:2]
        if quick:
            tastes = few
        elif pictures != "embedded":
            tastes = [taste for taste in tastes if taste in SOME] or tastes
        everywhere = tuple(dict.fromkeys((RANDOM, self.strategy)))
        if HONEST in self.manners:
            yield from (Cell(pictures, HONEST, who, taste) for taste in tastes for who in (LOGISTIC, *everywhere))
        if pictures != "embedded":
            return
        if HONEST in self.manners:
            compared = dict.fromkeys((*(self.strategies or QUERIES.names()), COMMITTEE, PAIRWISE_GP))
            yield from (
                Cell(pictures, HONEST, who, taste) for taste in few for who in compared if who not in everywhere
            )
        for manner in self.manners:
            if manner != HONEST:
                some = few[:1] if quick or manner == "coin" else few
                yield from (Cell(pictures, manner, who, taste) for taste in some for who in everywhere)


def _ceiling_rows(pictures: str, tasks: dict[str, Task]) -> Iterator[Row]:
    found = {taste: ceilings(task) for taste, task in tasks.items()}
    kinds = {"all tastes": TASTES, "linear tastes": tuple(LINEAR), "other tastes": tuple(NON_LINEAR)}
    for place, way in enumerate(("linear", "kernel")):
        values = {taste: pair[place] for taste, pair in found.items() if pair is not None}
        for kind, tastes in (*kinds.items(), *((taste, (taste,)) for taste in values)):
            known = [values[taste] for taste in tastes if taste in values]
            if known:
                yield Row(f"{pictures} · ceiling of {way} regression on all utilities · {kind}", float(np.mean(known)))
