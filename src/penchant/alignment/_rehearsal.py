"""The tilt trained on a stand-in of the reward, which is corrected by what the tilt itself makes."""

import time
from dataclasses import dataclass, replace

import torch

from penchant.alignment._stand_in import StandIn, look
from penchant.alignment._tilt_training import Price, Schedule, train
from penchant.alignment._transport import Transport
from penchant.core.contracts import Generator, Progress, Report, Reward
from penchant.core.rng import Rng

AGREES = 0.1
"""Mean cosine of gradients below which a stand-in is no guide, and is left aside."""

_FIRST, _ROUND = 0.25, 0.0625
"""Shares of the images that are looked at before the first round, and in each."""
_FITTING, _TRAINING, _BATCH = 2.0, 2.5, 128
"""Steps of the stand-in, and of the tilt on it, in a round, as multiples of the steps in all; twice at first."""
_HELD_BACK = 8
"""One in so many of the first images tells whether the stand-in is any good."""
_FEWEST = 32
_TOLD_FROM = 0.02
"""Share of the course before which the time left is told too low rather than wildly wrong."""


@dataclass(frozen=True)
class Rehearsal:
    """How much: ``steps`` of ``batch`` images in all, for rehearsing and for what follows; fields as of the tilt."""

    steps: int
    batch: int
    hidden: int
    learning_rate: float
    rounds: int


@dataclass(frozen=True)
class Course:
    """Reports of several trainings as those of one."""

    report: Report
    started: float

    def part(self, start: float, stop: float) -> Report:
        """A report for a training that takes the course from ``start`` to ``stop``."""

        def told(progress: Progress) -> None:
            fraction = start + (stop - start) * progress.fraction
            left = (time.monotonic() - self.started) * (1 - fraction) / max(fraction, _TOLD_FROM)
            self.report(replace(progress, fraction=fraction, seconds_left=left))

        return told


def rehearsed(
    transport: Transport,
    original: Generator,
    reward: Reward,
    price: Price,
    how: Rehearsal,
    rng: Rng,
    course: Course,
    share: float,
) -> tuple[Transport, int]:
    """The transport after ``how.rounds`` rounds, which take ``share`` of the course; and how many images they took.

    Where a stand-in cannot be had, for want of finite rewards or slopes, or is no guide, it is the very one given.

    Raises:
        TrainingDiverged: as :func:`~penchant.alignment._tilt_training.train`.
    """
    images = how.steps * how.batch
    first, more = max(_FEWEST, round(_FIRST * images)), max(_FEWEST, round(_ROUND * images))
    seen = look(original, reward, original.latents(first, rng.child("first")))
    kept = len(seen) - len(seen) // _HELD_BACK
    if len(seen) < _FEWEST or not seen.slopes.any():
        return transport, first
    stand_in = StandIn(reward, seen.part(0, kept), 2 * how.hidden, rng.child("network"))
    stand_in.fit(seen.part(0, kept), round(2 * _FITTING * how.steps), rng.child("fit"))
    if stand_in.agreement(seen.part(kept, len(seen))) < AGREES:
        return transport, first
    weights = [2.0] + [1.0] * how.rounds
    done = 0.0
    for number, weight in enumerate(weights):
        if number:
            with torch.no_grad():
                latents, _ = transport(original.latents(more, rng.child("more", number)))
            seen = seen.with_more(look(original, reward, latents))
            stand_in.fit(seen, round(_FITTING * how.steps), rng.child("fit", number))
            transport.requires_grad_(True)
        schedule = Schedule(
            round(weight * _TRAINING * how.steps), _BATCH, how.learning_rate * (1.0 if number == 0 else 0.5)
        )
        report = course.part(share * done / sum(weights), share * (done + weight) / sum(weights))
        transport = train(transport, stand_in, price, schedule, rng.child("steps", number), report)
        done += weight
    return transport, first + how.rounds * more
