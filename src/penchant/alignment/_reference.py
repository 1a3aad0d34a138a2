"""The rewards of a generator's own images, before anything is bent."""

import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Generator, Reward
from penchant.core.errors import TrainingDiverged
from penchant.core.rng import Rng

BATCH = 256


@torch.no_grad()
def reference_rewards(generator: Generator, reward: Reward, count: int, rng: Rng) -> Float[Tensor, " n"]:
    """Rewards of ``count`` fresh images, float64.

    Raises:
        TrainingDiverged: some are not finite.
    """
    batches = torch.split(generator.latents(count, rng), BATCH)
    rewards = torch.cat([reward(generator.decode(batch)).cpu().double() for batch in batches])
    wrong = int((~torch.isfinite(rewards)).sum())
    if wrong:
        raise TrainingDiverged(
            f"the reward is not finite on {wrong} of {count} of the generator's images, so there is nothing to "
            "optimise for; refit the preference model"
        )
    return rewards


def is_flat(rewards: Float[Tensor, " n"]) -> bool:
    """Whether they are all the same, up to rounding: nothing can be followed or chosen then."""
    return float(rewards.std()) <= 1e-6 * max(1e-6, float(rewards.abs().max()))
