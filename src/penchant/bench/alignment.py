"""How far each aligner gets in a hidden taste, what it costs in variety, and whether anything goes past the peak."""

import tempfile
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from penchant.bench._alignment_line import LineReward, closed_forms
from penchant.bench._alignment_summary import Found, told
from penchant.bench._alignment_trial import Person, Stage, best_of_share, fell, shown
from penchant.bench._running import Row
from penchant.core.contracts import (
    ALIGNMENT,
    FEATURES,
    GENERATORS,
    Aligner,
    Budget,
    Generator,
    Progress,
    Report,
    Strength,
    Workspace,
)
from penchant.core.errors import NotReady, PenchantError, VoterFailed
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data import ImageSettings, open_images, to_float, to_uint8
from penchant.study.frontier import Ground, frontier, strongest_safe
from penchant.study.settling import WEAK, turned_up

CHECKPOINTS = (10, 20, 40, 60)
COMPARED = (6.0, 16.0, 64.0)
"""Strengths at which tilt and best of N are held against each other."""
LOOKED = (1, 2, 3, 4, 6, 8, 16, 32, 64, 128, 256, 512, 1000)
PLAIN = 6.0
TRAINED = 64.0
"""What an alignment is trained for, to be turned down and up, as a study does."""
TIMED = 512


PARTS = ("closed forms", "time", "votes", "made", "engines")


@dataclass(frozen=True)
class Alignment:
    """Closed forms; votes against the oracle's gain; gold, variety and coverage of what is made; over-optimisation.

    The generator is trained once and shared by all seeds. Votes to gain are told by the best tilt there can be, weights
    exp(r/β) over images of the generator that nobody was asked about (exact, no training), as a share of what the same
    nats bring where r is the hidden taste itself. What is made is told by training ``aligner``, once a seed, at the
    best of 64 and turning it down and up.

    Attributes:
        source, size: images, as ``penchant new`` takes them.
        generator, train_images: what is trained, and how many images it sees.
        features, preference, strategy, caution, judge: as in a study.
        tastes, seeds: hidden tastes, and people of each.
        aligner: trained on ``tilt_tastes`` with ``tilt_seeds``.
        engines: others, trained on the first taste with one seed at three strengths, for the chart.
        images: of the generator; half may be asked about, half are for measuring.
        latents: images a strength.
        base: the folder of a generator that is trained already (``save_pretrained``), instead of training one.
        parts: what is measured; every part but the first needs a generator.
    """

    source: str = "pictures:4000"
    size: int = 32
    generator: str = "vae"
    train_images: int = 30_000
    features: str = "quadratic"
    preference: str = "linear"
    strategy: str = "bald"
    judge: str = "random_convolutions"
    caution: float = 0.5
    audit_share: float = 0.1
    tastes: tuple[str, ...] = ("warm", "calm", "symmetric", "mixture", "twilight", "moderate", "conditional")
    seeds: int = 10
    aligner: str = "latent_tilt"
    tilt_tastes: tuple[str, ...] = ("warm", "mixture", "moderate")
    tilt_seeds: int = 10
    engines: tuple[str, ...] = ("weighted", "joint", "noise_search")
    images: int = 4000
    latents: int = 256
    base: str | None = None
    parts: tuple[str, ...] = PARTS

    def run(self, quick: bool, report: Report) -> list[Row]:
        """A row a figure; ``quick`` takes two seeds, two tastes and a tenth of the images."""
        how = self if not quick else replace(
            self, seeds=2, tilt_seeds=2, tastes=self.tastes[:2], tilt_tastes=self.tilt_tastes[:1],
            train_images=self.train_images // 10, images=self.images // 10, latents=min(self.latents, 64), engines=(),
        )  # fmt: skip
        rows = list(closed_forms(report)) if "closed forms" in self.parts else []
        if self.parts == ("closed forms",):
            return rows
        stage = how._stage(report)
        if "time" in self.parts:
            rows += how._timed(stage)
        found: Found = defaultdict(list)
        for place, taste in enumerate(how.tastes if "votes" in self.parts else ()):
            report(Progress(f"votes about {taste}", place / len(how.tastes)))
            try:
                person = Person.meet(stage, taste)
            except VoterFailed as blind:
                rows.append(Row.left_out(taste, str(blind)))
                continue
            for seed in range(how.seeds):
                how._votes(person, seed, found)
        made: Found = defaultdict(list)
        for place, taste in enumerate(how.tilt_tastes if "made" in self.parts else ()):
            for seed in range(how.tilt_seeds):
                report(Progress(f"aligning to {taste}", (place + seed / how.tilt_seeds) / len(how.tilt_tastes)))
                how._made(Person.meet(stage, taste), seed, made)
        rows += told(found) + told(made)
        if "engines" in self.parts:
            rows += how._engines(Person.meet(stage, how.tilt_tastes[0]), report)
        return rows

    def _stage(self, report: Report) -> Stage:
        with tempfile.TemporaryDirectory() as temporary:
            settings = ImageSettings(size=self.size)
            images = open_images(self.source, settings, Path(temporary) / "images", report)
            train, held_out = np.asarray(images.train), np.asarray(images.holdout)
            if self.base is None:
                budget, workspace = Budget(images=self.train_images), Workspace(Path(temporary), report)
                base: Generator = GENERATORS.make(self.generator).fit(train, budget, Rng(0), workspace)
            else:
                base = load_generator(Path(self.base))
        reference = base.sample(1000, Rng(1))
        encoder = base.encode if base.capabilities.encodable else None
        extractor = FEATURES.make(self.features).fit(reference, encoder, Rng(2))
        judge = FEATURES.make(self.judge).fit(to_float(train[:2000]), None, Rng(3))
        made = to_float(to_uint8(base.sample(self.images, Rng(4))))
        count = min(self.latents, len(train), len(held_out))
        with torch.no_grad():
            real, unseen = (judge(to_float(part[:count])).numpy().astype(np.float64) for part in (train, held_out))
        return Stage(base, extractor, judge, made, reference, real, unseen)

    def _votes(self, person: Person, seed: int, found: Found) -> None:
        """Share of the oracle's gain after so many votes, active and random; and where gold is highest."""
        taste = person.taste
        for strategy in dict.fromkeys((self.strategy, "random")):
            learner = person.learner(self.preference, strategy, self.audit_share if strategy != "random" else 0.0)
            before, values = 0, None
            for votes in CHECKPOINTS:
                rng = Rng(seed).child(taste, strategy)
                person.vote(learner, before + 1, votes, rng)
                before = votes
                try:
                    values = person.rewarded(person.reward(learner, self.caution))
                except NotReady:
                    values = None
                share = (
                    0.0 if values is None else person.best_gain(values, PLAIN) / person.best_gain(person.gold, PLAIN)
                )
                for which in ("all tastes", taste):
                    found[f"votes to gain · {strategy} · {votes} votes · {which}"].append(share)
            if strategy == self.strategy and values is not None:
                _stops(person, values, found)

    def _made(self, person: Person, seed: int, found: Found) -> None:
        """What the aligner makes of 60 votes, at every strength."""
        stage = person.stage
        rng = Rng(seed).child("made", person.taste)
        learner = person.learner(self.preference, self.strategy, self.audit_share)
        person.vote(learner, 1, CHECKPOINTS[-1], Rng(seed).child(person.taste, self.strategy))
        try:
            reward = person.reward(learner, self.caution)
        except NotReady:
            return
        started = time.process_time()
        aligner: Aligner = ALIGNMENT.make(self.aligner)
        full = aligner.align(stage.base, reward, Strength(TRAINED), rng.child("align")).generator
        found[f"{self.aligner} · processor s of an alignment"].append(time.process_time() - started)
        judge = person.second_opinion(learner, self.preference)
        latents = stage.base.latents(self.latents, Rng(99))
        golds: list[np.ndarray] = []

        def gold(images: torch.Tensor) -> np.ndarray | None:
            values = person.voter.utility(images)
            assert values is not None
            golds.append(values)
            return values

        ground = Ground(reward, stage.extractor, judge, stage.real, stage.held_out, latents, gold)
        full, most = turned_up(full, TRAINED)
        rows = frontier(full, most, stage.base, ground, rng.child("frontier"))
        strengths = [row["like_best_of"] for row in rows]
        chosen, _ = strongest_safe(rows)
        chosen = max(chosen, WEAK)
        values = person.rewarded(reward)
        for name, strength in (("best of 6", PLAIN), ("auto", chosen), ("best of 64", 64.0)):
            place = bisect_right(strengths, strength) - 1  # the strongest that could be reached, where this could not
            row = rows[place]
            for which in ("all tastes", person.taste):
                at = f"{self.aligner} · 60 votes · {name} · {which}"
                found[f"{at} · gold win rate"].append(row["gold_win"])
                found[f"{at} · gold gain, sd"].append(row["gold"] - rows[0]["gold"])
                found[f"{at} · Vendi / base's"].append(row["vendi"] / rows[0]["vendi"])
                found[f"{at} · coverage / base's"].append(row["coverage"] / max(rows[0]["coverage"], 1e-9))
            found[f"over-optimisation · {self.aligner} · {name} past the peak (share of runs)"].append(
                float(fell(golds, place))
            )
        found[f"{self.aligner} · strength that auto takes"].append(chosen)
        best64 = person.best_of(values, 64)
        for which in ("all tastes", person.taste):
            found[f"best of 64 (64 images each) · 60 votes · gold gain, sd · {which}"].append(best64)
        base_reward = float(values.mean())
        for strength in COMPARED:
            if strength not in strengths:  # its nats could not be spent
                continue
            tilt = rows[strengths.index(strength)]["reward"] - rows[0]["reward"]
            best = float(_best_of(values, round(strength)) - base_reward)
            found[f"reward for the same nats · {self.aligner} / best of {strength:g}"].append(tilt / best)
        for row in rows:
            n = row["like_best_of"]
            nats = Strength(n).target_kl
            if abs(row["kl_nats"] - nats) < 0.05 * nats or n == 1:
                found[f"gold against nats · {self.aligner} · {nats:.2f}"].append(row["gold"] - rows[0]["gold"])
            if n <= 128:
                found[f"gold against nats · best_of_n · {nats:.2f}"].append(person.best_of(values, round(n)))
            if nats < np.log(len(values) / 16):
                found[f"gold against nats · best tilt there can be · {nats:.2f}"].append(person.best_gain(values, n))

    def _engines(self, person: Person, report: Report) -> Iterator[Row]:
        """Other aligners at three strengths, one seed, the first taste."""
        learner = person.learner(self.preference, self.strategy, self.audit_share)
        person.vote(learner, 1, CHECKPOINTS[-1], Rng(0).child(person.taste, self.strategy))
        reward = person.reward(learner, self.caution)
        latents = person.stage.base.latents(min(self.latents, 128), Rng(99))
        before = _gold(person, person.stage.base, latents)
        train = (person.stage.images[: person.stage.half] * 255).round().to(torch.uint8).numpy()
        for place, engine in enumerate(self.engines):
            for strength in (4.0, 16.0, 64.0):
                report(Progress(engine, place / len(self.engines)))
                try:
                    aligner: Aligner = ALIGNMENT.make(engine)
                    result = aligner.align(person.stage.base, reward, Strength(strength), Rng(0), images=train)
                except PenchantError as refusal:
                    yield Row.left_out(f"gold against nats · {engine}", str(refusal))
                    break
                gain = _gold(person, result.generator, latents) - before
                error = float(gain.std()) / np.sqrt(len(gain))
                yield Row(f"gold against nats · {engine} · {result.kl_nats:.2f}", float(gain.mean()), error)

    def _timed(self, stage: Stage) -> list[Row]:
        """Sampling time of a tilted generator as a multiple of the base's: the least of five turns each."""
        aligner: Aligner = ALIGNMENT.make("latent_tilt(steps=2, batch=2)")
        tilted = aligner.align(stage.base, LineReward(1.0), Strength(6), Rng(0)).generator
        latents = stage.base.latents(TIMED, Rng(5))
        times: dict[int, list[float]] = {0: [], 1: []}
        for _ in range(5):
            for which, generator in enumerate((stage.base, tilted)):
                started = time.process_time()
                shown(generator, latents)
                times[which].append(time.process_time() - started)
        return [Row.against("sampling time · latent_tilt / base", min(times[1]) / min(times[0]), "≤ 1.2")]


def _gold(person: Person, generator: Generator, latents: torch.Tensor) -> np.ndarray:
    gold = person.voter.utility(shown(generator, latents))
    assert gold is not None
    return gold


def _best_of(values: np.ndarray, n: int) -> float:
    return float(best_of_share(len(values), n) @ np.sort(values))


def _stops(person: Person, values: np.ndarray, found: Found) -> None:
    """Gold along the best tilts there can be, and whether the plain strength lies past its peak; nothing is trained."""
    most = np.log(len(values) / 16)
    golds = [person.best_gain(values, n) for n in LOOKED if Strength(n).target_kl < most]
    peak, own = int(np.argmax(golds)), LOOKED.index(PLAIN)
    found["over-optimisation · best tilts · best of 6 past the peak (share of runs)"].append(
        float(own > peak and golds[own] < golds[peak] - 0.02)
    )
    found["over-optimisation · best tilts · strength at which gold is highest (median)"].append(LOOKED[peak])
