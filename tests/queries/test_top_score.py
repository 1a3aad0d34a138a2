"""Top score: the best by the mean, best against second best."""

import numpy as np
from tests.queries.test_family import belief, pool, unordered

from penchant.core.contracts import Candidates
from penchant.queries.top_score import TopScore


def test_pairs_are_the_best_images_by_rank():
    candidates, posterior = pool(50), belief()
    order = np.argsort(-posterior.mean(candidates.features))
    found = TopScore().propose(candidates, posterior, 2, np.random.default_rng(0))
    assert unordered(found) == {frozenset(map(int, order[:2])), frozenset(map(int, order[2:4]))}
    means = posterior.mean(candidates.features)
    np.testing.assert_allclose(found.scores[0], means[order[0]] + means[order[1]], rtol=1e-6)


def test_the_same_pair_does_not_come_back_for_ever():
    candidates, posterior = pool(50), belief()
    shown = np.zeros(50, dtype=np.int64)
    seen: set[frozenset[int]] = set()
    for _ in range(6):
        found = TopScore().propose(Candidates(candidates.features, shown), posterior, 1, np.random.default_rng(0))
        shown[found.pairs[0]] += 1
        seen |= unordered(found)
    assert len(seen) >= 3
