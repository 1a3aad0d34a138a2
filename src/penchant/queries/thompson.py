"""Two draws of the taste, the best image under each: favourites by chance in proportion to belief."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Candidates, Posterior, Proposal
from penchant.core.errors import NotReady
from penchant.queries._checks import checked_count, checked_settings, checked_share
from penchant.queries._draws import pick, rivals, shares
from penchant.queries._pairs import proposal
from penchant.queries._shortlist import shortlist


@dataclass(frozen=True)
class Thompson:
    """Double Thompson sampling (Wu & Liu 2016): a duel between the favourites of two tastes that may be the true one.

    Use it to find the best image and stay curious: unlike ``eubo`` it never locks on, its regret falls below all
    others after about 50 votes, and it knows more of the taste besides. It is also the one informative strategy with
    propensities between 0 and 1, which off-policy estimates need.

    Attributes:
        shortlist: images among which the favourites are sought.
        favourites: share of the shortlist that is best by the mean or by a draw, of what is looked at of the pool.
        draws: joint draws of utility over the shortlist, of which two are picked for a pair.
        freshness: standard deviations of utility an image loses for every doubling of 1 + shown.
    """

    shortlist: int = 128
    favourites: float = 0.75
    draws: int = 128
    freshness: float = 0.1

    def __post_init__(self) -> None:
        checked_settings(self.shortlist, self.freshness, 0.0)
        checked_share(self.favourites)
        if self.draws < 1:
            raise ValueError(f"draws must be positive; found {self.draws}")

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """``count`` pairs; a score is the pair's probability, which is its propensity.

        The propensity of {a, b} is q(a)·q(b | a) + q(b)·q(a | b): q(a) the share of draws whose best image is a, and
        q(· | a) the same among the images that differ from a. Given are the shortlist, the draws and earlier pairs.

        Raises:
            NotReady: fewer than two candidates, or none that differ.
            BadImages: features that are not finite.
        """
        checked_count(count)
        chosen = shortlist(candidates, posterior, self.shortlist, self.favourites, rng)
        utilities = np.array(posterior.draw(chosen.features, self.draws, rng))
        utilities -= self.freshness * utilities.std() * np.log2(1 + chosen.shown)
        pairs: list[tuple[int, int]] = []
        chances: list[float] = []
        for _ in range(min(count, len(chosen) // 2)):
            a = pick(shares(utilities), rng)
            if a is None:
                break
            b = pick(shares(rivals(utilities, chosen.features, a)), rng)
            if b is None:
                break
            pairs.append((a, b))
            chances.append(_ordered(utilities, chosen.features, a, b) + _ordered(utilities, chosen.features, b, a))
            utilities[:, [a, b]] = -np.inf
        if not pairs:
            raise NotReady(f"all {len(chosen)} images have equal features: no question tells anything")
        return proposal(chosen.rows[np.array(pairs)], np.array(chances), np.array(chances), rng)


def _ordered(utilities: Float[np.ndarray, "k m"], features: Float[np.ndarray, "m d"], a: int, b: int) -> float:
    """P(a is drawn first and b second)."""
    return float(shares(utilities)[a] * shares(rivals(utilities, features, a))[b])
