"""Two people taking turns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Choice
from penchant.voters._answering import SimulatedVoter, taste_of
from penchant.voters._known import Chances, KnownVoter, Seen


@dataclass(frozen=True)
class Turns:
    """Two people with one account: each answers ``every`` questions, then the other does.

    What can be learned of them is their mean: :meth:`TwoPeople.chances` and ``utility`` are averages over both.

    Args:
        first, second: simulated tastes, as ``"name"`` or ``"name(setting=value)"``.
        every: answers in a row.

    >>> import torch
    >>> from penchant.core.rng import Rng
    >>> images = torch.rand(50, 3, 32, 32, generator=Rng(0).torch())
    >>> quarrel = Turns(first="calm", second="contrarian(of='calm')").meet(images)
    >>> bool(np.allclose(quarrel.utility(images), 0))
    True
    """

    first: str = "warm"
    second: str = "calm"
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every must be at least 1; found {self.every}")
        for spec in (self.first, self.second):
            taste_of(spec)

    def meet(self, reference: Float[Tensor, "n c h w"]) -> "TwoPeople":
        """Both, their tastes standardised on ``reference``; the first one answers first."""
        return TwoPeople(self.every, taste_of(self.first).meet(reference), taste_of(self.second).meet(reference))


@dataclass
class TwoPeople(KnownVoter):
    """Two voters and whose turn it is: ``answered`` counts the answers of both."""

    every: int
    first: SimulatedVoter
    second: SimulatedVoter
    answered: int = 0

    def see(self, images: Float[Tensor, "n c h w"]) -> Seen:
        """What each sees."""
        return np.concatenate([self.first.see(images), self.second.see(images)], axis=1)

    def merit(self, seen: Seen) -> Float[np.ndarray, " n"]:
        """The mean of both."""
        return seen.mean(axis=1)

    def chances(self, left: Seen, right: Seen) -> Chances:
        """Averages over both, since nobody knows who sits there."""
        both = [voter.chances(left[:, [i]], right[:, [i]]) for i, voter in enumerate((self.first, self.second))]
        return {choice: (both[0][choice] + both[1][choice]) / 2 for choice in both[0]}

    def decide(self, left: Float[np.ndarray, " k"], right: Float[np.ndarray, " k"], rng: np.random.Generator) -> Choice:
        """The answer of whose turn it is."""
        turn = self.answered // self.every % 2
        self.answered += 1
        return (self.first, self.second)[turn].decide(left[[turn]], right[[turn]], rng)
