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
    codes: list[tuple[Tensor, Tensor, Tensor]] = []
    ties: list[bool] = []
    apart = unknown = 0
    one_prompt = _one_prompt(adapted, pairs.left.shape[1])
    for row in np.flatnonzero(answered).tolist():
        if made[row]:
            latents = torch.from_numpy(np.stack([pairs.left[row], pairs.right[row]]))
            told = adapted.conditions(latents)
            if not torch.equal(told[0], told[1]):
                apart += 1
                continue
            left, right = adapted.clean(latents, told)
        elif one_prompt is not None:
            images = np.stack([pairs.left_images[row], pairs.right_images[row]])
            told = one_prompt.expand(2, -1)
            left, right = adapted.encoded(torch.from_numpy(images))
        else:
            unknown += 1
            continue
        choice = pairs.choices[row]
        codes.append((right, left, told[0]) if choice is Choice.RIGHT else (left, right, told[0]))
        ties.append(choice is Choice.TIE)
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
    first, second, told = (torch.stack(part) for part in zip(*codes, strict=True))
    return PairCodes(first, second, told, torch.tensor(ties), f"left out: {note}" if note else "")


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


def _one_prompt(adapted: Adapted, width: int) -> Tensor | None:
    """The condition of all latents, where it is the same for all."""
    ends = torch.zeros(2, width)
    ends[:, -1] = torch.tensor([-9.0, 9.0])  # the last number picks the prompt, where there are several
    told = adapted.conditions(ends)
    return told[:1] if torch.equal(told[0], told[1]) else None
