"""Changes its mind."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Choice
from penchant.voters._answering import SimulatedVoter, taste_of
from penchant.voters._known import Chances, KnownVoter, Seen


@dataclass(frozen=True)
class Drifting:
    """A voter whose taste becomes another one, at once or slowly; it answers in the manner of the first throughout.

    It counts its answers: after ``at`` of them the taste begins to move, and ``over`` answers later it is the other.
    In between it is the mixture (1 − w)·before + w·after, whose spread is smaller than either's where the two do not
    agree: halfway between a taste and its opposite lies indifference.

    Args:
        before, after: simulated tastes, as ``"name"`` or ``"name(setting=value)"``.
        at: answers before the change begins.
        over: answers that it takes; 0 for a sudden change of mind.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> voter = Drifting(before="calm", after="contrarian(of='calm')", at=1).meet(images)
    >>> first = voter.utility(images)
    >>> _ = voter.answer(images[0], images[1], np.random.default_rng(0))
    >>> bool(np.allclose(voter.utility(images), -first))
    True
    """

    before: str = "warm"
    after: str = "contrarian(of='warm')"
    at: int = 50
    over: int = 0

    def __post_init__(self) -> None:
        if self.at < 0 or self.over < 0:
            raise ValueError(f"at and over must be at least 0; found {self.at} and {self.over}")
        for spec in (self.before, self.after):
            taste_of(spec)

    def meet(self, reference: Float[Tensor, "n c h w"]) -> "DriftingVoter":
        """The voter before its first answer, both tastes standardised on ``reference``."""
        return DriftingVoter(self, taste_of(self.before).meet(reference), taste_of(self.after).meet(reference))


@dataclass
class DriftingVoter(KnownVoter):
    """A voter somewhere on its way; ``answered`` counts what it was asked."""

    settings: Drifting
    before: SimulatedVoter
    after: SimulatedVoter
    answered: int = 0

    def see(self, images: Float[Tensor, "n c h w"]) -> Seen:
        """Both tastes."""
        return np.concatenate([self.before.see(images), self.after.see(images)], axis=1)

    def merit(self, seen: Seen) -> Float[np.ndarray, " n"]:
        """The taste that the next answer follows."""
        done = self.answered - self.settings.at
        share = float(np.clip((done + 1) / (self.settings.over + 1), 0, 1)) if done >= 0 else 0.0
        return (1 - share) * seen[:, 0] + share * seen[:, 1]

    def chances(self, left: Seen, right: Seen) -> Chances:
        """In the manner of the first taste."""
        return self.before.manner.probabilities(self.merit(left), self.merit(right))

    def decide(self, left: Float[np.ndarray, " k"], right: Float[np.ndarray, " k"], rng: np.random.Generator) -> Choice:
        """One vote, and a step on the way."""
        choice = super().decide(left, right, rng)
        self.answered += 1
        return choice
