"""How simulated voters answer: from two hidden utilities to left, right, tie, both bad or skip."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit
from torch import Tensor

from penchant.core.contracts import VOTERS, Choice
from penchant.core.errors import BadConfiguration, BadImages, VoterFailed
from penchant.voters._known import Chances, KnownVoter, Seen
from penchant.voters._tastes import LEAST_SPREAD, Taste

Utilities = float | Float[np.ndarray, "*n"]


@dataclass(frozen=True)
class Answering(ABC):
    """A hidden taste and a way of answering; each component of this family adds the taste.

    With utilities u in standard deviations of the reference images, for a pair with difference δ = u(left) − u(right):

    1. With probability ``lapse`` the voter does not look and answers left or right, each half of the time.
    2. Otherwise *skip* where both u < ``skip_under`` (nothing there to judge) or |δ| < ``skip_within``, *both bad*
       where both u < ``both_bad_under``, *tie* where |δ| < ``tie_within``; tried in this order.
    3. Otherwise left with probability σ(κ·(δ + b)), κ = ``consistency``, b = ``side_bias`` (Bradley-Terry).

    The kinds of teachers of B-Pref (Lee et al. 2021): noisy, mistaken, skipping, equal.

    Args:
        consistency: κ; 4 orders a pair one standard deviation apart rightly in 98% of cases, 1 in 73%.
        lapse: share of answers given without looking.
        side_bias: how many standard deviations the left side has for itself.
        tie_within, skip_within: thresholds on |δ|; 0 for never.
        both_bad_under, skip_under: thresholds on u; absent for never.
    """

    consistency: float = 4.0
    lapse: float = 0.02
    side_bias: float = 0.0
    tie_within: float = 0.0
    both_bad_under: float | None = None
    skip_within: float = 0.0
    skip_under: float | None = None

    def __post_init__(self) -> None:
        if not self.consistency >= 0:
            raise ValueError(f"consistency must be at least 0; found {self.consistency}")
        if not 0 <= self.lapse <= 1:
            raise ValueError(f"lapse must be from 0 to 1; found {self.lapse}")
        if not (self.tie_within >= 0 and self.skip_within >= 0):
            raise ValueError(
                f"tie_within and skip_within must be at least 0; found {self.tie_within} and {self.skip_within}"
            )

    @abstractmethod
    def taste(self, reference: Float[Tensor, "n c h w"]) -> Taste:
        """The hidden utility, on any scale; ``reference`` shows what images of this study look like."""

    def meet(self, reference: Float[Tensor, "n c h w"]) -> "SimulatedVoter":
        """The voter, its taste standardised on ``reference``.

        Raises:
            VoterFailed: the taste sees no difference between these images, as ``warm`` sees none between grey ones.
            BadImages: fewer than two images, or they are not finite.
        """
        if len(reference) < 2 or not bool(reference.isfinite().all()):
            raise BadImages(
                f"a simulated voter needs at least two images without NaN to fix its scale; found {len(reference)}"
            )
        taste = self.taste(reference)
        values = taste(reference).astype(np.float64)
        if not values.std() > LEAST_SPREAD:
            raise VoterFailed(
                f"the voter '{type(self).__module__.rpartition('.')[2]}' finds all {len(reference)} images equally "
                "good and cannot choose; for grey images use symmetric, high_contrast or calm"
            )
        return SimulatedVoter(self, taste, float(values.mean()), float(values.std()))

    def probabilities(self, left: Utilities, right: Utilities) -> Mapping[Choice, Float[np.ndarray, "*n"]]:
        """How probable each answer is for two utilities, or for arrays of them; they sum to 1."""
        left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
        difference, better = left - right, np.maximum(left, right)
        skipped = np.abs(difference) < self.skip_within
        if self.skip_under is not None:
            skipped = skipped | (better < self.skip_under)
        rejected = np.zeros_like(skipped) if self.both_bad_under is None else ~skipped & (better < self.both_bad_under)
        tied = ~skipped & ~rejected & (np.abs(difference) < self.tie_within)
        chosen = ~(skipped | rejected | tied)
        looked = 1 - self.lapse
        chance = expit(self.consistency * (difference + self.side_bias))
        return {
            Choice.LEFT: self.lapse / 2 + looked * chosen * chance,
            Choice.RIGHT: self.lapse / 2 + looked * chosen * (1 - chance),
            Choice.TIE: looked * tied,
            Choice.BOTH_BAD: looked * rejected,
            Choice.SKIP: looked * skipped,
        }


@dataclass(frozen=True)
class SimulatedVoter(KnownVoter):
    """A voter whose hidden utility is known, so that what was learned of it can be checked."""

    manner: Answering
    taste: Taste
    mean: float
    deviation: float

    def see(self, images: Float[Tensor, "n c h w"]) -> Seen:
        """The hidden taste in standard deviations of the reference images, without noise, as one column."""
        return (self.taste(images).astype(np.float64)[:, None] - self.mean) / self.deviation

    def merit(self, seen: Seen) -> Float[np.ndarray, " n"]:
        """The column."""
        return seen[:, 0]

    def utility(self, images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
        """The hidden taste in standard deviations of the reference images, without noise."""
        return self.merit(self.see(images))

    def chances(self, left: Seen, right: Seen) -> Chances:
        """As :meth:`Answering.probabilities` says."""
        return self.manner.probabilities(left[:, 0], right[:, 0])


def taste_of(spec: str) -> Answering:
    """The simulated taste that ``spec`` names; raises BadConfiguration where it names a voter without one taste."""
    component = VOTERS.make(spec)
    if not isinstance(component, Answering):
        raise BadConfiguration(f"'{spec}' is no single simulated taste; name one such as calm or warm(consistency=3)")
    return component
