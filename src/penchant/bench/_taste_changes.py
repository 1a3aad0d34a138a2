"""Tastes that change: how well they are followed, how soon that is noticed, and how often it is noticed wrongly."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from penchant.bench._running import Row
from penchant.bench._taste_learners import Learner, ModelLearner
from penchant.bench._taste_sets import PictureSet
from penchant.bench._taste_trial import ACCURACY, LOG_LOSS, Outcome, Task
from penchant.core.contracts import Progress, Report
from penchant.core.rng import Rng
from penchant.preference.linear import LinearPosterior

CHANGING = "changing"
"""The name of this part among the sets."""
CHANGES = (
    ("warm", "contrarian(of='warm')"),
    ("warm", "calm"),
    ("mixture", "warm"),
    ("symmetric", "high_contrast"),
    ("calm", "centred"),
)
"""Tastes before and after; repetitions take them in turn."""
AT, SINCE, OVER = 100, 100, 100
"""Votes before a sudden change and since; a slow one takes ``OVER`` votes in the middle of as many."""
STEADY = {"2%": 0.02, "10%": 0.1, "20%": 0.2}
"""Slips of those who do not change."""
KNOWS, CONSTANT = "the model", "knowing no change"


@dataclass(frozen=True)
class Changing:
    """The settings; ``constant`` is the same model that takes every taste for constant."""

    preference: str
    constant: str
    strategy: str
    refit_every: int
    audit_share: float
    seeds: int
    pairs: int

    def learner(self, pictures: PictureSet, preference: str) -> ModelLearner:
        """A fresh one."""
        pool = pictures.features[: pictures.pool]
        return ModelLearner(
            pool, pictures.groups, preference, self.strategy, self.refit_every, audit_share=self.audit_share
        )


@dataclass
class Watch:
    """Notes after every vote whether a change of mind is told, and whether the taste was ever thought to change."""

    told: dict[int, bool] = field(default_factory=dict[int, bool])
    moved: bool = False

    def __call__(self, number: int, learner: Learner) -> None:
        """After every vote."""
        belief = learner.posterior if isinstance(learner, ModelLearner) else None
        if isinstance(belief, LinearPosterior):
            self.told[number] = belief.change is not None
            self.moved |= self.told[number] or belief.half_life < np.inf

    def first(self, after: int) -> float:
        """Votes from ``after`` to the first alarm; infinite where there was none."""
        return next((float(number - after) for number, told in self.told.items() if told and number > after), np.inf)

    def alarms(self, until: int) -> int:
        """How often an alarm was raised, by the vote numbered ``until``; one that stays is one."""
        states = [False, *[told for number, told in self.told.items() if number <= until]]
        return sum(now and not before for before, now in pairwise(states))


def change_rows(setting: Changing, pictures: PictureSet, report: Report) -> Iterator[Row]:
    """Sudden changes, slow ones, and none."""
    yield from _sudden(setting, pictures, report)
    yield from _slow(setting, pictures, report)
    yield from _steady(setting, pictures, report)


def _sudden(setting: Changing, pictures: PictureSet, report: Report) -> Iterator[Row]:
    marks = [AT, *(AT + votes for votes in sorted({10, 20, 30, 50, SINCE}) if votes <= SINCE)]
    outcomes: dict[str, list[Outcome]] = {}
    delays: list[float] = []
    early = 0
    tasks = [
        (
            Task.meet(pictures, f"drifting(before='{before}', after=\"{after}\", at={AT})", setting.pairs),
            Task.meet(pictures, after, setting.pairs),
        )
        for before, after in CHANGES
    ]
    for seed in range(setting.seeds):
        before, after = CHANGES[seed % len(CHANGES)]
        rng = Rng(seed).child(f"{before} to {after}")
        turned, always = tasks[seed % len(CHANGES)]
        for name, preference in ((KNOWS, setting.preference), (CONSTANT, setting.constant)):
            watch = Watch()
            learner = setting.learner(pictures, preference)
            outcomes.setdefault(name, []).append(turned.learn(learner, AT + SINCE, marks, rng, watch))
            if name == KNOWS:
                delays.append(watch.first(AT))
                early += watch.alarms(AT)
        learner = setting.learner(pictures, setting.preference)
        outcomes.setdefault("undisturbed", []).append(always.learn(learner, AT + SINCE, marks, rng))
        report(Progress("sudden changes", (seed + 1) / setting.seeds))
    for name, found in outcomes.items():
        yield from _figures(f"sudden change after {AT} votes · {name}", found, marks)
    for name in (KNOWS, CONSTANT):
        shares = np.array(
            [
                ours[ACCURACY][AT + SINCE] / theirs[ACCURACY][AT + SINCE]
                for ours, theirs in zip(outcomes[name], outcomes["undisturbed"], strict=True)
            ]
        )
        what = f"sudden change after {AT} votes · {name} · share of the undisturbed accuracy {SINCE} votes later"
        row = Row.against(what, float(shares.mean()), "≥ 0.8", _error(shares))
        yield row if name == KNOWS else replace(row, bar=None, met=None)
    waited = np.array(delays)
    what = f"sudden change after {AT} votes · votes until the alarm, median"
    middle = float(np.median(waited))
    yield Row.against(what, middle, "≤ 30") if np.isfinite(middle) else Row(what, None, bar="≤ 30", met=False)
    for limit in (20, 30, 50, SINCE):
        noticed = waited <= limit
        yield Row(
            f"sudden change after {AT} votes · share noticed within {limit}", float(noticed.mean()), _error(noticed)
        )
    yield Row(
        f"sudden change after {AT} votes · alarms before it, per 1,000 votes", 1000 * early / (AT * setting.seeds)
    )


def _slow(setting: Changing, pictures: PictureSet, report: Report) -> Iterator[Row]:
    marks = (OVER // 2, OVER, 3 * OVER // 2, 2 * OVER)
    outcomes: dict[str, list[Outcome]] = {}
    tasks = [
        Task.meet(
            pictures, f"drifting(before='{before}', after=\"{after}\", at={OVER // 2}, over={OVER})", setting.pairs
        )
        for before, after in CHANGES
    ]
    for seed in range(setting.seeds):
        before, after = CHANGES[seed % len(CHANGES)]
        task, rng = tasks[seed % len(CHANGES)], Rng(seed).child(f"{before} slowly to {after}")
        for name, preference in ((KNOWS, setting.preference), (CONSTANT, setting.constant)):
            learner = setting.learner(pictures, preference)
            outcomes.setdefault(name, []).append(task.learn(learner, 2 * OVER, marks, rng))
        report(Progress("slow changes", (seed + 1) / setting.seeds))
    for name, found in outcomes.items():
        yield from _figures(f"slow change from vote {OVER // 2} to {3 * OVER // 2} · {name}", found, marks)


def _steady(setting: Changing, pictures: PictureSet, report: Report) -> Iterator[Row]:
    """Voters who stay, and who slip; the last row is what looking for changes costs them."""
    votes, tastes = 2 * AT, [before for before, _ in CHANGES[1:]]
    for slips, (name, lapse) in enumerate(STEADY.items()):
        tasks = [Task.meet(pictures, f"{taste}(lapse={lapse})", setting.pairs) for taste in tastes]
        alarms: list[int] = []
        outcomes: Mapping[str, list[Outcome]] = {KNOWS: [], CONSTANT: []}
        for seed in range(setting.seeds):
            taste = tastes[seed % len(tastes)]
            task = tasks[seed % len(tastes)]
            watch, rng, marks = Watch(), Rng(seed).child(f"{taste} stays"), (10, AT, votes)
            ours = task.learn(setting.learner(pictures, setting.preference), votes, marks, rng, watch)
            alarms.append(watch.alarms(votes))
            outcomes[KNOWS].append(ours)
            # The same votes give the same bits where no change is ever found.
            constant = setting.learner(pictures, setting.constant)
            outcomes[CONSTANT].append(task.learn(constant, votes, marks, rng) if watch.moved else ours)
            report(Progress("no changes", (slips + (seed + 1) / setting.seeds) / len(STEADY)))
        where, scale = f"no change, {name} slips", 1000 / votes
        yield Row.against(
            f"{where} · false alarms per 1,000 votes",
            scale * float(np.mean(alarms)),
            "≤ 1",
            _error(np.array(alarms), scale),
        )
        for figure in (ACCURACY, LOG_LOSS):
            for mark in (10, AT, votes):
                cost = np.array(
                    [
                        ours[figure][mark] - theirs[figure][mark]
                        for ours, theirs in zip(outcomes[KNOWS], outcomes[CONSTANT], strict=True)
                    ]
                )
                yield Row(
                    f"{where} · {figure} gained by looking for changes · {mark}", float(cost.mean()), _error(cost)
                )


def _figures(where: str, found: Sequence[Outcome], marks: Sequence[int]) -> Iterator[Row]:
    for figure in (ACCURACY, LOG_LOSS):
        for mark in marks:
            values = np.array([outcome[figure][mark] for outcome in found])
            yield Row(f"{where} · {figure} · {mark}", float(values.mean()), _error(values))


def _error(values: np.ndarray, scale: float = 1.0) -> float | None:
    return scale * float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
