"""The goal "find my favourites": mostly learn the taste, every third question look for the best image."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from penchant.core.contracts import QUERIES, Candidates, Posterior, Proposal, Strategy
from penchant.core.family import parse_spec


@dataclass(frozen=True)
class Favourites:
    """A coin decides between a strategy that knows and one that finds.

    ``eubo`` alone climbs the first hill it sees, ``bald`` alone has no eye for good images. Use it where the person
    wants favourites soon and the taste is wide. On four tastes of the embedded pictures it costs two points of accuracy
    after 20 votes and none after 100, and the image believed best is .26, .17 and .11 standard deviations below the
    best there is after 20, 50 and 100 votes, with ``bald`` .31, .17 and .12 (errors .01 to .03). For the goal "know my
    taste", and before alignment, plain ``bald`` is enough. Cost: that of the strategy the coin chooses.

    Attributes:
        knowing: the strategy for most questions, as a name or ``"name(setting=value)"``.
        finding: the strategy for one in ``every``.
        every: on average; by chance and not by turns, so that it holds however many questions are made ahead.
    """

    knowing: str | dict[str, Any] = "bald"
    finding: str | dict[str, Any] = "eubo"
    every: int = 3

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every must be at least 1; found {self.every}")
        _ = self._strategies

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """All pairs from one of the two strategies, which ``strategy`` names.

        The propensity is the coin's (1 / every, or the rest) times the strategy's own: a lower bound, since the other
        one could have asked the same pair.

        Raises:
            NotReady, BadImages: as the strategy chosen does.
        """
        find = bool(rng.random() < 1 / self.every)
        chance = 1 / self.every if find else 1 - 1 / self.every
        name, strategy = self._strategies[find]
        found = strategy.propose(candidates, posterior, count, rng)
        return replace(found, propensities=chance * found.propensities, strategy=found.strategy or name)

    @cached_property
    def _strategies(self) -> list[tuple[str, Strategy]]:
        return [(parse_spec(spec, QUERIES.kind)[0], QUERIES.make(spec)) for spec in (self.knowing, self.finding)]
