"""Cover the space: the images farthest from everything shown so far."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from penchant.core.contracts import Candidates, Posterior, Proposal
from penchant.core.errors import NotReady
from penchant.queries._checks import checked_count, checked_settings
from penchant.queries._pairs import proposal
from penchant.queries._shortlist import fresh_sample
from penchant.queries._space import distances, some_seen


@dataclass(frozen=True)
class KCentre:
    """Greedy k-centre (Gonzalez 1985; Sener & Savarese 2018, algorithm 1): no image stays far from a shown one.

    A cold start that needs no votes and asks nothing of the preference model. It goes for the edges of the pool,
    outliers and failures of the generator included; ``typi_clust`` goes for what is common. Use it to see what a pool
    holds, or where the features are too many or too poor for a belief to guide the first questions. With a prior that
    fits, ``bald`` needs no such start: on the embedded pictures this knows no more than random pairs do after 20
    votes (.79 ± .01 and .81 ± .01), ``bald`` .83.

    Attributes:
        sample: images among which the farthest are sought, and most shown ones they are compared with; the cost is
            its square times the number of features (1,000: about 10 ms).
    """

    sample: int = 1000

    def __post_init__(self) -> None:
        checked_settings(self.sample, 0.0, 0.0)

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """The farthest image from all that were shown, and the farthest from those and the first; and so on.

        The very first is the most central image. A score is the sum of the two distances when each was taken (0 for
        the first); the propensity is 1 given the sample.

        Raises:
            NotReady: fewer than two candidates, or none that differ.
            BadImages: features that are not finite.
        """
        checked_count(count)
        chosen = fresh_sample(candidates, self.sample, rng)
        features = chosen.features
        covered = distances(features, some_seen(candidates, self.sample, rng)).min(1, initial=np.inf)
        free = np.ones(len(features), dtype=bool)
        pairs: list[tuple[int, int]] = []
        scores: list[float] = []
        for _ in range(min(count, len(features) // 2)):
            a = _farthest(covered, free) if np.isfinite(covered).all() else _most_central(features, free)
            reach = float(covered[a]) if np.isfinite(covered[a]) else 0.0
            apart = ((features - features[a]) ** 2).sum(1)
            covered = np.minimum(covered, apart)
            # Where the others lie on images that were shown, the one farthest from the first will do.
            b = _farthest(covered if (covered * free).any() else apart, free)
            if apart[b] == 0:
                break
            pairs.append((a, b))
            scores.append(float(np.sqrt(reach) + np.sqrt(covered[b])))
            covered = np.minimum(covered, ((features - features[b]) ** 2).sum(1))
            free[[a, b]] = False
        if not pairs:
            raise NotReady(f"all {len(features)} images have equal features: no question tells anything")
        return proposal(chosen.rows[np.array(pairs)], np.array(scores), np.ones(len(pairs)), rng)


def _farthest(covered: Float[np.ndarray, " m"], free: Bool[np.ndarray, " m"]) -> int:
    return int(np.where(free, covered, -1.0).argmax())


def _most_central(features: Float[np.ndarray, "m d"], free: Bool[np.ndarray, " m"]) -> int:
    return int(np.where(free, ((features - features.mean(0)) ** 2).sum(1), np.inf).argmin())
