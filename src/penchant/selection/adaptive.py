"""Learn which strategy to use: a bandit that is paid by held-out images, never by the set that an arm chose."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import SELECTION, PoolView, Selected, Selector
from penchant.core.errors import NotReady
from penchant.core.exp3 import Exp3
from penchant.core.family import parse_spec
from penchant.selection._likeness import likeness
from penchant.selection._rows import read, some

_LOOKED_AT = 2_000
_FEWEST = 16
"""Images from which on a KID says something."""


@dataclass(frozen=True)
class Adaptive:
    """Discounted Exp3 over strategies (Auer et al. 2002): the step "update the query strategy from the evaluation".

    One arm chooses each round. What it earns is the share of the distance to held-out images that the generator then
    made up, as the caller measured it: images that no arm can choose. Telling arms apart by that takes tens of rounds,
    so where held-out images can be looked at, every arm first says what it would take, and those sit the round out
    whose images, with what was taken before, are less like the held-out ones than the best arm's: a KID larger by more
    than ``doubt`` standard errors. That costs no training, and none of the held-out images is ever chosen. Measured on
    clothes and flowers: ``density`` and ``k_centre``, which harm there, lie 2 to 10 errors off from 100 images on, 1 to
    3.6 with 20 images; ``random`` and ``typicality`` within 1.6.

    Use it where no arm is known to be right; else ``typicality`` for small budgets and ``density`` for dirty pools.
    An arm that cannot choose yet (no generator, no votes) lets another have its turn. Cost: that of the arm, of all
    arms where they are looked at, and a KID of at most 2,000 images each.

    Attributes:
        arms: strategies, each as a name or ``"name(setting=value)"``.
        exploration: share of rounds in which all arms are equally likely.
        rate: how much a gain of 1 raises an arm's logarithmic weight.
        discount: share of the weights kept from one round to the next.
        doubt: standard errors by which an arm's images must be less like held-out ones for it to sit out; infinite
            lets all arms take part in every round.
    """

    arms: tuple[str, ...] = ("random", "density", "typicality", "k_centre")
    exploration: float = 0.2
    rate: float = 0.5
    discount: float = 0.95
    doubt: float = 1.0

    def __post_init__(self) -> None:
        if len(self.arms) < 2 or len(self._selectors) < len(self.arms):
            raise ValueError(f"arms must be at least two strategies of different names; found {', '.join(self.arms)}")
        if not (0 < self.exploration <= 1 and 0 < self.discount <= 1 and 0 <= self.rate < np.inf):
            raise ValueError(
                "exploration and discount must be above 0 and at most 1, rate not negative; found "
                f"{self.exploration:g}, {self.discount:g} and {self.rate:g}"
            )
        if not self.doubt >= 0:
            raise ValueError(f"doubt must be at least 0 standard errors; found {self.doubt:g}")

    def probabilities(self, pool: PoolView) -> Float[np.ndarray, " k"]:
        """Of the arms, after the rounds in the pool's history; gains count from −1 to 1."""
        names, bandit = list(self._selectors), Exp3(self.exploration, self.rate, self.discount)
        weights = np.zeros(len(names))
        for turn in pool.history:
            if turn.strategy in names:
                share = np.array([float(name == turn.strategy) for name in names])
                weights = bandit.updated(weights, share, max(-1.0, min(1.0, turn.gain)))
        return bandit.probabilities(weights)

    def select(self, pool: PoolView, count: int, rng: np.random.Generator) -> Selected:
        """The rows of one arm, which ``strategy`` names.

        Raises:
            NotReady: no arm can choose.
            BadFeatures: as the arm says.
        """
        names, reason, proposed = list(self._selectors), "", dict[str, Selected]()
        chances = self.probabilities(pool)
        for arm in rng.choice(len(names), len(names), replace=False, p=chances):
            try:
                proposed[names[arm]] = self._selectors[names[arm]].select(pool, count, rng)
            except NotReady as error:
                reason = str(error)
            if proposed and (pool.held is None or len(pool.held) < _FEWEST or np.isinf(self.doubt)):
                break
        if not proposed:
            raise NotReady(f"none of the strategies {', '.join(names)} can choose: {reason}")
        # In the order of the draw, so that among those that take part the chances are Exp3's.
        name = next(name for name in proposed if name in self._taking_part(pool, proposed, rng))
        return replace(proposed[name], strategy=name)

    def _taking_part(self, pool: PoolView, proposed: Mapping[str, Selected], rng: np.random.Generator) -> set[str]:
        """The arms whose images are not surely less like the held-out ones than the best arm's."""
        if len(proposed) == 1 or pool.held is None:
            return set(proposed)
        measured: dict[str, tuple[float, float]] = {}
        held = read(pool.held, some(np.arange(len(pool.held)), _LOOKED_AT, rng))
        for name, one in proposed.items():
            rows = some(np.concatenate([pool.taken, one.rows]), _LOOKED_AT, rng)
            if len(rows) < _FEWEST:
                return set(proposed)
            measured[name] = likeness(read(pool.features, rows), held)
        best, error = min(measured.values())
        return {
            name
            for name, (value, own) in measured.items()
            if value - best <= self.doubt * float(np.hypot(own, error)) or value == best
        }

    @cached_property
    def _selectors(self) -> dict[str, Selector]:
        return {parse_spec(spec, SELECTION.kind)[0]: SELECTION.make(spec) for spec in self.arms}
