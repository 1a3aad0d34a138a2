"""The honest baseline of every alignment: draw N images, keep the one with the highest reward."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.special import gammaln
from torch import Tensor

from penchant.alignment._best_of import BestOfGenerator
from penchant.alignment._original import original_of
from penchant.alignment._reference import is_flat, reference_rewards
from penchant.core.contracts import Alignment, Generator, Progress, Report, Reward, Strength, silent
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng

MOST = 4096
"""More candidates than this an image is refused: it would take minutes an image."""


@dataclass(frozen=True)
class BestOfN:
    """Draw N, keep the best: nearly the most reward that a nat can buy, at N times the cost of an image.

    Nothing is trained, generator and reward need no gradients, and the KL is log N − (N−1)/N nats: exactly where no
    two images have the same reward, and at most that otherwise (Beirami et al., arXiv 2401.01879). Use it to judge
    other aligners by, and where ``latent_tilt`` has no gradients to follow; use ``latent_tilt`` where many images
    are wanted.

    Fields:
        reference: images of the generator from which the frontier over all smaller N is estimated.
    """

    reference: int = 512

    def __post_init__(self) -> None:
        if self.reference < 1:
            raise ValueError(f"reference must be positive; found {self.reference}")

    def align(
        self,
        generator: Generator,
        reward: Reward,
        strength: Strength,
        rng: Rng,
        report: Report = silent,
        images: UInt8[np.ndarray, "n c h w"] | None = None,
        conditions: Float[np.ndarray, "n k"] | None = None,
    ) -> Alignment:
        """A :class:`BestOfGenerator` with N = ``strength.like_best_of``.

        Raises:
            BadConfiguration: N is not a whole number, or is above 4,096.
            TrainingDiverged: the reward is not finite.
        """
        started = time.monotonic()
        candidates = round(strength.like_best_of)
        if candidates != strength.like_best_of or candidates > MOST:
            raise BadConfiguration(
                f"best_of_n draws a whole number of images, at most {MOST:,}; asked for the best of "
                f"{strength.like_best_of:g}. The aligner latent_tilt takes any strength."
            )
        original = original_of(generator)
        count = max(self.reference, candidates)
        report(Progress("aligning", 0.0))
        rewards = reference_rewards(original, reward, count, rng.child("reference"))
        frontier = best_of_frontier(rewards, candidates)
        report(Progress("aligning", 1.0, 0.0, frontier[-1]))
        chosen = BestOfGenerator(original, reward, candidates, seed=rng.child("candidates").entropy % 2**63)
        estimator = "log N − (N−1)/N: exact where all rewards differ, else an upper bound"
        kl_nats, note = strength.target_kl, ""
        if is_flat(rewards) and candidates > 1:
            kl_nats, note = 0.0, "the reward is the same for every image, so the first of N is taken: nothing changes"
        return Alignment(chosen, kl_nats, estimator, frontier, time.monotonic() - started, note)

    @staticmethod
    def load(directory: Path) -> BestOfGenerator:
        """What ``save_pretrained`` of an aligned generator wrote, its original and its reward included."""
        return BestOfGenerator.load(directory)


def best_of_frontier(rewards: Float[Tensor, " m"], largest: int) -> tuple[Mapping[str, float], ...]:
    """Rows {best_of, kl_nats, reward} for N = 1, 2, 4, … and ``largest``, from rewards of independent images."""
    counts = sorted({*(2**power for power in range(largest.bit_length()) if 2**power <= largest), largest})
    return tuple(
        {"best_of": float(n), "kl_nats": Strength(n).target_kl, "reward": expected_best(rewards, n)} for n in counts
    )


def expected_best(rewards: Float[Tensor, " m"], n: int) -> float:
    """E[max of n rewards], without bias: the mean over all subsets of n of the m that there are.

    The i-th smallest is the largest of C(i−1, n−1) of the C(m, n) subsets.

    >>> round(expected_best(torch.tensor([1.0, 2.0, 3.0]), 2), 6)
    2.666667
    """
    ordered = rewards.sort().values.double().numpy()
    m = len(ordered)
    ranks = torch.arange(n, m + 1).double().numpy()
    log_share = (
        gammaln(ranks) - gammaln(n) - gammaln(ranks - n + 1) - (gammaln(m + 1) - gammaln(n + 1) - gammaln(m - n + 1))
    )
    return float((torch.from_numpy(log_share).exp() * torch.from_numpy(ordered[n - 1 :])).sum())
