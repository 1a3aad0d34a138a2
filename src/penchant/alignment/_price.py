"""What a nat costs at the start, and whether there is anything to follow: asked before any gradient engine trains."""

from penchant.alignment._reference import is_flat, reference_rewards
from penchant.alignment._tilt_training import BudgetPrice, FixedPrice
from penchant.core.contracts import Generator, Reward, Strength
from penchant.core.errors import NotCapable
from penchant.core.rng import Rng

REFERENCE = 256
"""Images on which the reward's scale and the frontier are measured."""


def first_price(
    beta: float | None, generator: Generator, reward: Reward, strength: Strength, rng: Rng
) -> tuple[BudgetPrice | FixedPrice | None, str]:
    """The price of a nat, None where there is nothing to train; and what the person should know.

    Raises:
        TrainingDiverged: the reward is not finite on some of the generator's images.
    """
    rewards = reference_rewards(generator, reward, REFERENCE, rng)
    if beta is not None:
        return FixedPrice(beta), f"β was fixed at {beta:g}, so the asked strength was not used"
    if strength.target_kl == 0:
        return None, "like best of 1 asks for no change, and none was made"
    if is_flat(rewards):
        return None, f"the reward is the same for every image: none of {strength.target_kl:.2f} nats was spent"
    return BudgetPrice(strength.target_kl, float(rewards.std())), ""


def require_gradients(generator: Generator, reward: Reward, rng: Rng) -> None:
    """Raises NotCapable where the reward's gradient does not reach the latents, naming the aligner that needs none."""
    advice = "so nothing can follow it to the noise; use the aligner best_of_n, which needs no gradients"
    if not generator.capabilities.differentiable:
        raise NotCapable(f"{type(generator).__name__} has no gradients from image to latent, {advice}")
    images = generator.decode(generator.latents(2, rng).requires_grad_())
    if not images.requires_grad:
        raise NotCapable(f"{type(generator).__name__} says that it has gradients, but its images carry none, {advice}")
    if not reward(images).requires_grad:
        raise NotCapable(f"{type(reward).__name__} has no gradients from number to image, {advice}")
