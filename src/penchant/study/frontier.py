"""What each strength of one alignment brings and costs, told by a judge that the alignment never saw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import ndtr
from torch import Tensor

from penchant.alignment import at_strengths
from penchant.alignment.best_of_n import BestOfGenerator
from penchant.alignment.latent_tilt import TiltedGenerator
from penchant.core.contracts import Extractor, Generator, Posterior, Progress, Report, Reward, silent
from penchant.core.errors import BadFeatures
from penchant.core.rng import Rng
from penchant.data import to_float, to_uint8
from penchant.metrics import measure_all

STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1000)
"""Strengths of a frontier, as "like the best of N"."""

MOST = {TiltedGenerator: 1000, BestOfGenerator: 64}
"""How far a frontier goes; drawing the best of more would take minutes."""

SURE = 0.9
"""A step is taken where the judge holds it for better with this probability."""

LEAST_VARIETY, LEAST_COVERAGE = 0.9, 0.8
"""Shares of the original's Vendi score and coverage that must be left."""

_METRICS = ("vendi", "coverage", "kid")
_FEWER = 64
_SAME = 1e-6

Row = dict[str, Any]


@dataclass(frozen=True)
class Judge:
    """A taste learned from votes on other features than the reward's.

    The reward is the exact optimum of what it believes, so its own opinion of the images it made proves nothing. This
    one sees them otherwise, and says how sure it is: u(x) = wᵀφ(x) is linear in features, so that the mean utility of a
    set of images is that of its mean features, with the whole posterior of w behind it.
    """

    extractor: Extractor
    posterior: Posterior

    def see(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
        """The judge's features."""
        with torch.no_grad():
            return torch.cat([self.extractor(part) for part in images.split(256)]).numpy().astype(np.float64)

    def gain(self, before: Float[np.ndarray, "n d"], after: Float[np.ndarray, "n d"]) -> tuple[float, float]:
        """By how much the mean utility rose and the probability that it rose; both sets as features.

        In standard deviations of the mean utility over ``before``.
        """
        moved = (after.mean(axis=0) - before.mean(axis=0))[None]  # the utility is linear, and so is its difference
        rise, variance = float(self.posterior.mean(moved)[0]), float(self.posterior.covariance(moved)[0, 0])
        spread = float(self.posterior.mean(before).std())
        sure = float(ndtr(rise / np.sqrt(variance))) if variance > 0 else 0.5
        return rise / spread if spread > 1e-9 else 0.0, sure


@dataclass(frozen=True)
class Ground:
    """What a frontier is measured on: the reward and its features, the judge, real images as it sees them, and latents.

    ``gold`` is the hidden taste, where it is simulated. ``real`` and ``held_out`` may be empty: then nothing is said of
    coverage and fidelity.
    """

    reward: Reward
    features: Extractor
    judge: Judge
    real: Float[np.ndarray, "n d"]
    held_out: Float[np.ndarray, "m d"]
    latents: Float[Tensor, "k z"]
    gold: Callable[[Float[Tensor, "n c h w"]], Float[np.ndarray, " n"] | None] | None = None


def steps_of(full: Generator, own: float) -> tuple[float, ...]:
    """The strengths at which a generator that was aligned "like the best of ``own``" can be measured."""
    most = next((most for kind, most in MOST.items() if isinstance(full, kind)), None)
    if most is None:
        return (1.0, own) if own > 1 else (1.0,)
    below = [float(step) for step in STEPS if step < min(own, most)]
    return (*below, min(own, float(most))) if own > 1 else (1.0,)


def frontier(
    full: Generator, own: float, original: Generator, ground: Ground, rng: Rng, report: Report = silent
) -> list[Row]:
    """A row a strength, weakest first: the same latents at every strength of ``full``, from none to its ``own``.

    Strengths whose nats the aligner could not spend are left out, but for the first of them.

    Keys: like_best_of, kl_nats, reward (mean; standard deviations of the reference), judge (gain over the original, in
    standard deviations), sure (probability that this step is better than the one before), vendi, coverage, kid, gold
    (mean of the hidden taste) and gold_win (share of latents whose image it likes better), where they are known.

    Cost: ``len(ground.latents)`` images a strength; at most 64 where an image takes several passes.
    """
    rows: list[Row] = []
    steps = steps_of(full, own)
    slow = isinstance(full, BestOfGenerator) or not original.capabilities.one_step
    latents = ground.latents[:_FEWER] if slow else ground.latents
    first = last = None
    gold_before = None
    versions = at_strengths(full, steps[1:], rng.child("dial"))
    for place, (version, nats) in enumerate([(original, 0.0), *versions]):
        report(Progress("frontier", place / len(steps)))
        if place > 1 and nats <= rows[-1]["kl_nats"] + _SAME:
            break
        images = _shown(version, latents)
        seen = ground.judge.see(images)
        first = seen if first is None else first
        with torch.no_grad():
            rewards = torch.cat([ground.reward(part) for part in images.split(256)]).double()
        row: Row = {
            "like_best_of": steps[place],
            "kl_nats": nats,
            "reward": float(rewards.mean()),
            "judge": ground.judge.gain(first, seen)[0],
            "sure": None if last is None else ground.judge.gain(last, seen)[1],
            **_images(ground, seen, rng.child("images")),
            "gold": None,
            "gold_win": None,
        }
        gold = ground.gold(images) if ground.gold else None
        if gold is not None:
            gold_before = gold if gold_before is None else gold_before
            wins = (gold > gold_before) + 0.5 * (gold == gold_before)
            row |= {"gold": float(gold.mean()), "gold_win": float(wins.mean())}
        rows.append(row)
        last = seen
    return rows


def strongest_safe(rows: Sequence[Mapping[str, Any]], sure: float = SURE) -> tuple[float, str]:
    """The last strength up to which every step is better to the judge, surely, and variety is left; and why no further.

    >>> rows = [{"like_best_of": n, "sure": s, "reward": n, "vendi": 10.0, "coverage": None} for n, s in
    ...         ((1, None), (2, .99), (4, .97), (8, .6))]
    >>> strongest_safe(rows)
    (4, 'a judge with other features is not sure that 8 is better (60%)')
    """
    chosen = rows[0]
    for row in rows[1:]:
        asked = f"{row['like_best_of']:g}"
        if row["sure"] < sure:
            why = f"a judge with other features is not sure that {asked} is better ({row['sure']:.0%})"
            return chosen["like_best_of"], why
        if row["reward"] <= chosen["reward"]:
            return chosen["like_best_of"], f"at {asked} the reward itself no longer rises"
        for name, least, said in (
            ("vendi", LEAST_VARIETY, "variety (Vendi score)"),
            ("coverage", LEAST_COVERAGE, "coverage of the real images"),
        ):
            share = _share(row[name], rows[0][name])
            if share is not None and share < least:
                return chosen["like_best_of"], f"at {asked} only {share:.0%} of the {said} would be left"
        chosen = row
    return chosen["like_best_of"], "it was the strongest measured"


def _share(value: float | None, of: float | None) -> float | None:
    return None if value is None or not of else value / of


def _shown(generator: Generator, latents: Float[Tensor, "k z"]) -> Float[Tensor, "k c h w"]:
    """Images as they are shown, in bytes."""
    with torch.no_grad():
        return torch.cat([to_float(to_uint8(generator.decode(part))) for part in latents.split(128)])


def _images(ground: Ground, seen: Float[np.ndarray, "k d"], rng: Rng) -> Row:
    """Variety, coverage and fidelity, None where the sets are too small to tell."""
    names = _METRICS if len(ground.real) else _METRICS[:1]
    real = ground.real if len(ground.real) else seen
    found = measure_all(real, seen, ground.held_out, ground.judge.extractor.hash, rng, names)
    values = {name: None if isinstance(one, BadFeatures) else one.value for name, one in found.items()}
    return dict.fromkeys(_METRICS) | values
