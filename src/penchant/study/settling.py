"""At which strength an alignment is kept, and what the person should know of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.alignment import turned_down
from penchant.alignment.best_of_n import BestOfN
from penchant.alignment.latent_tilt import LARGEST_DIAL, LatentTilt, TiltedGenerator
from penchant.core.contracts import (
    Aligner,
    Alignment,
    Generator,
    PairAligner,
    Pairs,
    Posterior,
    Report,
    Reward,
    Strength,
    silent,
)
from penchant.core.errors import BadConfiguration, NotCapable
from penchant.core.rng import Rng
from penchant.study.frontier import MOST, Ground, Row, frontier, strongest_safe

AUTO = "auto"
Asked = float | Literal["auto"]
"""A strength, as "like the best of N", or the strongest that a judge with other features still holds for better."""

FEW_VOTES = 10
"""Answered choices below which no more than :data:`WEAK` is taken by itself, and a note is made of what was asked."""

WEAK = 2.0
PLAIN = 6.0
"""Strength where it is to be chosen, but the aligner knows no strength between none and its own."""

COUNT = 256
"""Images a strength."""

_CEILINGS = {LatentTilt: 64.0, BestOfN: 64.0}
"""What is trained for, where the strength is chosen afterwards. Measured: a tilt for the best of 64, turned down to 3
or up to 256, has .97 to .99 of the reward of the best of as many; one for the best of 1,000, turned down to 6, .78."""
_PARTED, _RISEN = 0.5, 0.2
_UNSURE = 1.5


@dataclass(frozen=True)
class Settled:
    """What is kept of an alignment; ``rows`` are its frontier, where one was measured."""

    alignment: Alignment
    like_best_of: float
    rows: Sequence[Row]
    figures: Mapping[str, Any]


def asked_strength(asked: Asked, aligner: Aligner, decided: int) -> tuple[Strength, str]:
    """What to train for, and a note; ``decided`` is how many votes chose a side.

    Raises:
        BadConfiguration: a strength that is not from 1 to 1,000,000.
    """
    if asked == AUTO:
        ceiling = next((most for kind, most in _CEILINGS.items() if isinstance(aligner, kind)), None)
        if ceiling is None:
            name = type(aligner).__module__.rpartition(".")[2]
            return Strength(min(PLAIN, WEAK if decided < FEW_VOTES else PLAIN)), (
                f"{name} knows no strength between none and its own, so none was chosen by looking; latent_tilt does"
            )
        return Strength(ceiling), ""
    try:
        strength = Strength(asked)
    except ValueError as error:
        raise BadConfiguration(f"{error}, or {AUTO}") from None
    if decided < FEW_VOTES and strength.like_best_of > WEAK:
        return strength, (
            f"only {decided} votes chose a side, which says little about a taste: what this is bent to may be chance. "
            f"After {FEW_VOTES} or more it means something; like the best of {WEAK:g} would risk less"
        )
    return strength, ""


def bent(
    aligner: Aligner,
    original: Generator,
    reward: Reward,
    strength: Strength,
    rng: Rng,
    report: Report,
    images: UInt8[np.ndarray, "n c h w"],
    conditions: Float[np.ndarray, "n k"] | None,
    pairs: Callable[[], Pairs],
) -> tuple[Alignment, Aligner, Strength, str]:
    """Align; where generator or reward have no gradients, by ``best_of_n`` in place of ``latent_tilt``, and say so.

    ``pairs`` are the votes, read for aligners that learn from them.

    Raises:
        NotCapable: an aligner that was chosen for what it does cannot do it.
    """
    if isinstance(aligner, PairAligner):
        return aligner.align_on_pairs(original, pairs(), reward, strength, rng, report), aligner, strength, ""
    try:
        aligned = aligner.align(original, reward, strength, rng, report, images, conditions)
        return aligned, aligner, strength, ""
    except NotCapable as refusal:
        if not isinstance(aligner, LatentTilt):
            raise
        fewer = Strength(max(1, min(round(strength.like_best_of), int(_CEILINGS[BestOfN]))))
        other = BestOfN()
        note = f"{refusal}: done, with the best of {fewer.like_best_of:g}, which takes that many passes an image"
        return other.align(original, reward, fewer, rng, report, images), other, fewer, note


def settled(
    asked: Asked,
    note: str,
    trained: Strength,
    result: Alignment,
    original: Generator,
    ground: Ground,
    posterior: Posterior,
    decided: int,
    rng: Rng,
    report: Report = silent,
) -> Settled:
    """Choose the strength where that is asked for; then look at the images with the judge's eyes.

    ``posterior`` is the taste behind the reward; its doubt about the images that were made is told too.
    """
    rows: list[Row] = []
    notes = [part for part in (note, result.note) if part]
    kept, strength = result, trained.like_best_of
    if asked == AUTO and turned_down(result.generator, 1.0, rng) is not None:
        full, most = turned_up(result.generator, strength)
        result = replace(result, generator=full)
        rows = frontier(full, most, original, ground, rng.child("frontier"), report)
        strength, why = strongest_safe(rows)
        if decided < FEW_VOTES:
            strength, why = WEAK, f"only {decided} votes chose a side; {FEW_VOTES} or more would tell how far to go"
        elif strength == 1:
            strength, why = WEAK, f"{why}, so it is bent as little as can be seen; more votes will make it surer"
        kept = _at(result, strength, rows, rng)
        notes = [part for part in (note, result.note if strength == trained.like_best_of else "") if part]
        notes.append(f"like the best of {strength:g} was chosen: {why}")
    opinion = _opinion(kept.generator, original, ground, posterior)
    if result.kl_nats > 0 and opinion["judge_sure"] < _PARTED and opinion["reward_gain_sd"] > _RISEN:
        notes.append(
            f"the reward rose by {opinion['reward_gain_sd']:.1f} sd, but a judge that learned from the same votes with "
            f"other features rather thinks that the images got worse ({opinion['judge_sure']:.0%} for better): "
            "compare them blind, or vote on the new images"
        )
    elif opinion["doubt_ratio"] > _UNSURE:
        notes.append(
            f"the taste is {opinion['doubt_ratio']:.1f} times as unsure about these images as about the ones before: "
            "votes on them tell most now"
        )
    return Settled(replace(kept, note="; ".join(notes)), strength, rows, opinion)


def turned_up(full: Generator, own: float) -> tuple[Generator, float]:
    """What can be looked at beyond its own strength, and how far: a tilt can be turned up as well as down."""
    if isinstance(full, TiltedGenerator):
        return TiltedGenerator(full.base, full.transport, LARGEST_DIAL), max(own, float(MOST[TiltedGenerator]))
    return full, own


def _at(result: Alignment, strength: float, rows: Sequence[Row], rng: Rng) -> Alignment:
    row = next((row for row in rows if row["like_best_of"] == strength), rows[-1])
    generator = turned_down(result.generator, strength, rng.child("dial")) or result.generator
    steps = tuple(
        {"kl_nats": one["kl_nats"], "reward": one["reward"]} for one in rows if one["kl_nats"] <= row["kl_nats"]
    )
    return replace(result, generator=generator, kl_nats=row["kl_nats"], frontier=steps)


def _opinion(aligned: Generator, original: Generator, ground: Ground, posterior: Posterior) -> dict[str, float]:
    """Gain by the reward and by the judge, and how unsure the taste is of the new images beside the old ones."""
    extractor, latents = ground.features, ground.latents
    seen: list[tuple[np.ndarray, float, np.ndarray]] = []
    with torch.no_grad():
        for generator in (original, aligned):
            images = torch.cat([generator.decode(part) for part in latents.split(128)])
            features = torch.cat([extractor(part) for part in images.split(256)]).numpy().astype(np.float64)
            reward = torch.cat([ground.reward(part) for part in images.split(256)]).double()
            seen.append((ground.judge.see(images), float(reward.mean()), features))
    (before, reward_before, old), (after, reward_after, new) = seen
    gain, sure = ground.judge.gain(before, after)
    centre = old.mean(axis=0)
    doubts = [float(posterior.utility(features - centre)[1].mean()) for features in (old, new)]
    return {
        "reward_gain_sd": reward_after - reward_before,
        "judge_gain_sd": gain,
        "judge_sure": sure,
        "doubt_ratio": doubts[1] / doubts[0] if doubts[0] > 0 else 1.0,
    }
