"""K-centre: against a twin that measures every distance one by one."""

import numpy as np
from tests.queries.test_family import belief, pool, unordered

from penchant.core.contracts import Candidates
from penchant.queries.k_centre import KCentre


def naive(features: np.ndarray, shown: list[int], count: int) -> list[int]:
    """Algorithm 1 of Sener & Savarese: again and again the point whose nearest centre is farthest."""
    centres = list(shown)
    while len(centres) < len(shown) + count:
        rest = [row for row in range(len(features)) if row not in centres]
        nearest = [min(float(np.linalg.norm(features[row] - features[c])) for c in centres) for row in rest]
        centres.append(rest[int(np.argmax(nearest))])
    return centres[len(shown) :]


def test_pairs_are_those_of_the_naive_twin():
    features, shown = pool(50).features.astype(float), np.zeros(50, dtype=np.int64)
    shown[[3, 20, 41]] = (1, 2, 1)
    found = KCentre().propose(Candidates(features, shown), belief(), 3, np.random.default_rng(0))
    picked = naive(features, [3, 20, 41], 6)
    assert unordered(found) == {frozenset(picked[start : start + 2]) for start in (0, 2, 4)}
    centres = [3, 20, 41, *picked]
    for index, score in enumerate(found.scores):
        steps = [
            min(float(np.linalg.norm(features[centres[at]] - features[c])) for c in centres[:at])
            for at in (3 + 2 * index, 4 + 2 * index)
        ]
        np.testing.assert_allclose(score, sum(steps))


def test_the_first_image_is_the_most_central():
    candidates = pool(50)
    centre = int(np.linalg.norm(candidates.features - candidates.features.mean(0), axis=1).argmin())
    assert centre in KCentre().propose(candidates, belief(), 1, np.random.default_rng(0)).pairs


def test_the_space_is_covered_within_twice_the_best_possible():
    # Gonzalez 1985: no choice of k centres has less than half the greedy radius. Eight tight clusters, four pairs.
    rng = np.random.default_rng(2)
    features = np.repeat(rng.normal(size=(8, 6)) * 5, 20, axis=0) + rng.normal(size=(160, 6)) * 0.1
    found = KCentre().propose(Candidates(features, np.zeros(160, dtype=np.int64)), belief(), 4, rng)
    assert len(np.unique(found.pairs // 20)) == 8


def test_when_all_were_shown_it_begins_again():
    fresh = pool(30)
    again = Candidates(fresh.features, np.full(30, 3))
    found, expected = (
        unordered(KCentre().propose(candidates, belief(), 2, np.random.default_rng(0))) for candidates in (again, fresh)
    )
    assert found == expected
