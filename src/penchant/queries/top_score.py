"""The source documents' strategy: ask about the images that score highest, x* = argmax p(x | y)."""

from dataclasses import dataclass

import numpy as np

from penchant.core.contracts import Candidates, Posterior, Proposal
from penchant.core.errors import NotReady
from penchant.queries._checks import checked_count, checked_finite, checked_settings
from penchant.queries._pairs import neighbours, proposal
from penchant.queries._shortlist import glance


@dataclass(frozen=True)
class TopScore:
    """The 2·count images with the largest posterior mean, the first against the second, and so on.

    Of a pool of more than 32,768 images, each question looks at a part by chance.

    The baseline that knows nothing of its own uncertainty: it keeps asking where it already believes to know, finds a
    good image quickly and learns little else. Prefer ``eubo`` or ``thompson`` for favourites, ``bald`` for the taste.

    Attributes:
        freshness: standard deviations of utility an image loses for every doubling of 1 + shown; without it the same
            pair comes back until the belief about it turns.
    """

    freshness: float = 0.5

    def __post_init__(self) -> None:
        checked_settings(2, self.freshness, 0.0)

    def propose(self, candidates: Candidates, posterior: Posterior, count: int, rng: np.random.Generator) -> Proposal:
        """Pairs by rank; the score is the sum of the two means and the propensity 1.

        Raises:
            NotReady: fewer than two candidates, or none that differ.
            BadImages: features that are not finite.
        """
        checked_count(count)
        if len(candidates) < 2:
            raise NotReady(f"a question needs two images; the pool has {len(candidates)}. Generate more candidates")
        runs = glance(len(candidates), rng)
        rows = np.concatenate([np.arange(run.start, run.stop) for run in runs])
        means = np.concatenate([posterior.mean(candidates.features[run]) for run in runs]).astype(np.float64)
        checked_finite(means, rows)
        wanted = means - self.freshness * float(means.std()) * np.log2(1 + candidates.shown[rows])
        order = np.argsort(-wanted, kind="stable")
        pairs = np.array(neighbours(rows[order], candidates.features, count))
        if not len(pairs):
            raise NotReady(f"all {len(rows)} images have equal features: no question tells anything")
        scores = means[np.searchsorted(rows, pairs)].sum(1)
        return proposal(pairs, scores, np.ones(len(pairs)), rng)
