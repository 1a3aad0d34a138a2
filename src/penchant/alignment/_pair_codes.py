"""Voted pairs as what a denoiser learns from: two codes and the prompt that both were made under."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from penchant.core.contracts import Adapted, Choice, Generator, Pairs, Reward
from penchant.core.errors import NotReady, TrainingDiverged
from penchant.core.rng import Rng

_AT_ONCE = 8


@dataclass(frozen=True)
class PairCodes:
    """``first`` won against ``second``, but for those ``tied``; ``note`` says which votes were left out."""

    first: Float[Tensor, "n k"]
    second: Float[Tensor, "n k"]
    conditions: Float[Tensor, "n c"]
    tied: Bool[Tensor, " n"]
    note: str


@torch.no_grad()
def pair_codes(adapted: Adapted, pairs: Pairs) -> PairCodes:
    """Codes of the pairs that say something of a taste under one prompt.

    Raises:
        NotReady: none of them was decided.
    """
    answered = np.array([choice in (Choice.LEFT, Choice.RIGHT, Choice.TIE) for choice in pairs.choices], dtype=bool)
    made = np.isfinite(np.concatenate([pairs.left, pairs.right], axis=1).sum(axis=1))
    one_prompt = _one_prompt(adapted, pairs.left.shape[1])
    known = np.flatnonzero(answered & made)
    told = [adapted.conditions(torch.from_numpy(np.stack([pairs.left[row], pairs.right[row]]))) for row in known]
    same = np.array([torch.equal(*pair) for pair in told], dtype=bool)
    others = np.flatnonzero(answered & ~made) if one_prompt is not None else np.zeros(0, dtype=np.int64)
    apart, unknown = int((~same).sum()), int((answered & ~made).sum()) - len(others)
    rows: list[int] = [*known[same].tolist(), *others.tolist()]
    conditions = [pair[0] for pair, one in zip(told, same, strict=True) if one]
    if one_prompt is not None:
        conditions += [one_prompt[0]] * len(others)
    sides = [
        [*_remade(adapted, noise[known[same]], conditions), *_encoded(adapted, images[others])]
        for noise, images in ((pairs.left, pairs.left_images), (pairs.right, pairs.right_images))
    ]
    choices = [pairs.choices[row] for row in rows]
    ties = [choice is Choice.TIE for choice in choices]
    left_out = [
        f"{apart} votes between images of different prompts" if apart else "",
        f"{unknown} on later versions' images, whose prompts are not known" if unknown else "",
    ]
    note = " and ".join(part for part in left_out if part)
    if not ties or all(ties):
        raise NotReady(
            f"diffusion_dpo learns from pairs of which one was chosen, and of {len(pairs)} votes none is left"
            f"{f' (left out: {note})' if note else ''}; give more, with one prompt for all of them"
        )
    left, right = (torch.stack(side) for side in sides)
    swapped = torch.tensor([[choice is Choice.RIGHT] for choice in choices], device=left.device)
    first, second = torch.where(swapped, right, left), torch.where(swapped, left, right)
    return PairCodes(first, second, torch.stack(conditions), torch.tensor(ties), f"left out: {note}" if note else "")


def judged_pairs(original: Generator, reward: Reward, count: int, rng: Rng) -> Pairs:
    """Pairs of the generator's images between which the reward chooses; equal ones are ties.

    Raises:
        TrainingDiverged: the reward is not finite on some image.
    """
    latents = original.latents(2 * count, rng)
    images: list[Tensor] = []
    with torch.no_grad():
        for z in latents.split(_AT_ONCE):
            images.append(original.decode(z).cpu())
        shown = torch.cat(images)
        values = torch.cat([reward(part).cpu() for part in shown.split(_AT_ONCE)])
    if not values.isfinite().all():
        raise TrainingDiverged("the reward is not finite on some of the generator's images; refit the preference model")
    shown_bytes = shown.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    choices = [
        Choice.TIE if left == right else Choice.LEFT if left > right else Choice.RIGHT
        for left, right in zip(values[:count].tolist(), values[count:].tolist(), strict=True)
    ]
    noise = latents.numpy()
    return Pairs(noise[:count], noise[count:], shown_bytes[:count], shown_bytes[count:], choices)


def _remade(adapted: Adapted, noise: np.ndarray, conditions: list[Tensor]) -> list[Tensor]:
    """Codes of latents, each under its condition."""
    starts = range(0, len(noise), _AT_ONCE)
    parts = ((torch.from_numpy(noise[at : at + _AT_ONCE]), at) for at in starts)
    return [code for z, at in parts for code in adapted.clean(z, torch.stack(conditions[at : at + len(z)]))]


def _encoded(adapted: Adapted, images: np.ndarray) -> list[Tensor]:
    parts = torch.from_numpy(images).split(_AT_ONCE) if len(images) else ()
    return [code for part in parts for code in adapted.encoded(part)]


def _one_prompt(adapted: Adapted, width: int) -> Tensor | None:
    """The condition of all latents, where it is the same for all."""
    ends = torch.zeros(2, width)
    ends[:, -1] = torch.tensor([-9.0, 9.0])  # the last number picks the prompt, where there are several
    told = adapted.conditions(ends)
    return told[:1] if torch.equal(told[0], told[1]) else None
