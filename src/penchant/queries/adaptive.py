"""Learn which strategy to use: a bandit that is paid by the audit, never by the votes a strategy chose itself."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from penchant.core.contracts import QUERIES, Candidates, Posterior, Proposal, Strategy
from penchant.core.exp3 import Exp3
from penchant.core.family import parse_spec
from penchant.queries._exp3 import replay


@dataclass(frozen=True)
class Adaptive:
    """Discounted Exp3 over strategies (Auer et al. 2002): the step "update the query strategy from the evaluation".

    From one audit to the next, one arm asks; what it earns is how much less the next audit's answer surprised the
    model than the one before. Audits are random pairs, so no arm can choose what it is judged on, and everything comes
    from the answered pairs, so a replay gives the same. The memory fades and every arm keeps a share, so that it
    comes round when another arm becomes the better one.

    Use it for long studies where it is in doubt whether choosing pairs helps at all, or with arms of your own. One
    answer to one pair is a very noisy judge: with an audit in ten questions it takes many hundreds of votes to tell
    arms apart. After 200 it had not (measured on the embedded pictures: a third of ``random`` kept it about one point
    of accuracy behind ``bald``, which was the better arm even where 40% of the votes were coin tosses). For fewer
    votes, or a known goal, choose yourself: ``bald`` or ``favourites``. Without audits it plays all arms equally.
    Cost: that of the arm, and 1 ms for a history of 1,000.

    Attributes:
        arms: strategies, each as a name or ``"name(setting=value)"``. ``eubo`` and ``thompson`` are no defaults: they
            serve another goal than the one that audits measure.
        exploration: share of turns in which all arms are equally likely.
        rate: how much a gain of one nat raises an arm's logarithmic weight.
        discount: share of the weights kept from one audit to the next (.95: a memory of about 20 audits).
    """

    arms: tuple[str, ...] = ("bald", "d_optimal", "random")
    exploration: float = 0.2
    rate: float = 0.2
    discount: float = 0.95

    def __post_init__(self) -> None:
        if len(self.arms) < 2 or len(self._strategies) < len(self.arms):
            raise ValueError(f"arms must be at least two strategies of different names; found {', '.join(self.arms)}")
        if not (0 < self.exploration <= 1 and 0 < self.discount <= 1 and 0 <= self.rate < np.inf):
            raise ValueError(
                "exploration and discount must be above 0 and at most 1, rate not negative; found "
                f"{self.exploration:g}, {self.discount:g} and {self.rate:g}"
            )

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """All pairs from one arm, which ``strategy`` names: the arm whose turn it is, or a new one by chance.

        The propensity is the probability with which the arm is drawn for a turn times the arm's own: a lower bound,
        since other arms could have asked the same pair.

        Raises:
            NotReady, BadImages: as the arm does.
        """
        names, bandit = list(self._strategies), Exp3(self.exploration, self.rate, self.discount)
        weights, playing = replay(bandit, candidates.history, names)
        chances = bandit.probabilities(weights)
        arm = int(rng.choice(len(names), p=chances)) if playing is None else names.index(playing)
        found = self._strategies[names[arm]].propose(candidates, posterior, count, rng)
        return replace(found, propensities=chances[arm] * found.propensities, strategy=names[arm])

    @cached_property
    def _strategies(self) -> dict[str, Strategy]:
        return {parse_spec(spec, QUERIES.kind)[0]: QUERIES.make(spec) for spec in self.arms}
