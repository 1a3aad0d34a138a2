"""Learn which strategy to use: a bandit that is paid by held-out images, never by the set that an arm chose."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import SELECTION, PoolView, Selected, Selector
from penchant.core.errors import NotReady
from penchant.core.exp3 import Exp3
from penchant.core.family import parse_spec


@dataclass(frozen=True)
class Adaptive:
    """Discounted Exp3 over strategies (Auer et al. 2002): the step "update the query strategy from the evaluation".

    One arm chooses each round. What it earns is the share of the distance to held-out images that the generator then
    made up, as the caller measured it: images that no arm can choose. With few rounds it is
    a fair rotation rather than a learner: telling arms apart takes tens of rounds. Use it where rounds are many or
    where no arm is known to be right; else ``typicality`` for small budgets and ``density`` for dirty pools.
    An arm that cannot choose yet (no generator, no votes) lets another have its turn. Cost: that of the arm.

    Attributes:
        arms: strategies, each as a name or ``"name(setting=value)"``.
        exploration: share of rounds in which all arms are equally likely.
        rate: how much a gain of 1 raises an arm's logarithmic weight.
        discount: share of the weights kept from one round to the next.
    """

    arms: tuple[str, ...] = ("random", "density", "typicality", "k_centre")
    exploration: float = 0.2
    rate: float = 0.5
    discount: float = 0.95

    def __post_init__(self) -> None:
        if len(self.arms) < 2 or len(self._selectors) < len(self.arms):
            raise ValueError(f"arms must be at least two strategies of different names; found {', '.join(self.arms)}")
        if not (0 < self.exploration <= 1 and 0 < self.discount <= 1 and 0 <= self.rate < np.inf):
            raise ValueError(
                "exploration and discount must be above 0 and at most 1, rate not negative; found "
                f"{self.exploration:g}, {self.discount:g} and {self.rate:g}"
            )

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
        names, reason = list(self._selectors), ""
        for arm in rng.choice(len(names), len(names), replace=False, p=self.probabilities(pool)):
            try:
                return replace(self._selectors[names[arm]].select(pool, count, rng), strategy=names[arm])
            except NotReady as error:
                reason = str(error)
        raise NotReady(f"none of the strategies {', '.join(names)} can choose: {reason}")

    @cached_property
    def _selectors(self) -> dict[str, Selector]:
        return {parse_spec(spec, SELECTION.kind)[0]: SELECTION.make(spec) for spec in self.arms}
