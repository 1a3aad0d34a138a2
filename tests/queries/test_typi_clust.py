"""TypiClust: typical images of what was not shown; k-means against scikit-learn's."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from tests.queries.test_family import belief

from penchant.core.contracts import Candidates
from penchant.queries._space import clusters
from penchant.queries.typi_clust import TypiClust, _typicality


def blobs(sizes: tuple[int, ...]) -> Candidates:
    """Far apart, the largest first."""
    rng = np.random.default_rng(0)
    centres = np.eye(len(sizes), 6) * 40
    features = np.repeat(centres, sizes, axis=0) + rng.normal(size=(sum(sizes), 6))
    return Candidates(features, np.zeros(len(features), dtype=np.int64))


def blob_of(rows: np.ndarray, sizes: tuple[int, ...]) -> list[int]:
    return np.searchsorted(np.cumsum(sizes), rows, side="right").tolist()


def test_one_typical_image_of_every_kind_is_asked_about():
    sizes = (40, 30, 20, 10)
    candidates = blobs(sizes)
    found = TypiClust().propose(candidates, belief(), 2, np.random.default_rng(1))
    assert sorted(blob_of(found.pairs.ravel(), sizes)) == [0, 1, 2, 3]
    assert set(blob_of(found.pairs[0], sizes)) == {0, 1}
    for row in found.pairs.ravel():
        mates = candidates.features[np.array(blob_of(np.arange(100), sizes)) == blob_of(np.array([row]), sizes)[0]]
        typical = [1 / np.sort(np.linalg.norm(mates - mate, axis=1))[1:21].mean() for mate in mates]
        best = mates[int(np.argmax(typical))]
        np.testing.assert_array_equal(candidates.features[row], best)


def test_kinds_that_were_shown_wait():
    sizes = (40, 30, 20, 10)
    candidates = blobs(sizes)
    shown = candidates.shown.copy()
    shown[[5, 45]] = 1  # of the two largest
    for seed in range(5):
        found = TypiClust().propose(Candidates(candidates.features, shown), belief(), 1, np.random.default_rng(seed))
        assert set(blob_of(found.pairs[0], sizes)) == {2, 3}


def test_an_image_that_was_shown_is_the_last_of_its_kind():
    candidates, strategy = blobs((6, 4)), TypiClust(clusters=2)
    shown = np.zeros(10, dtype=np.int64)
    for _ in range(4):
        pair = strategy.propose(Candidates(candidates.features, shown), belief(), 1, np.random.default_rng(0)).pairs[0]
        assert sorted(blob_of(pair, (6, 4))) == [0, 1]
        shown[pair] += 1
    assert shown.max() == 1


def test_typicality_is_by_hand():
    features = np.array([[0.0], [1.0], [3.0], [100.0]])
    found = _typicality(features, np.array([0, 0, 0, 1]), 20)
    np.testing.assert_allclose(found, [1 / 2, 1 / 1.5, 1 / 2.5, 0])
    np.testing.assert_allclose(_typicality(features, np.array([0, 0, 0, 1]), 1), [1, 1, 1 / 2, 0])


def test_clusters_are_as_tight_as_those_of_scikit_learn():
    features = np.random.default_rng(0).normal(size=(300, 6))

    def spread(label: np.ndarray) -> float:
        return sum(
            float(((features[label == one] - features[label == one].mean(0)) ** 2).sum()) for one in np.unique(label)
        )

    peer = np.mean([spread(KMeans(12, random_state=seed).fit_predict(features)) for seed in range(5)])
    ours = np.mean([spread(clusters(features, 12, np.random.default_rng(seed))) for seed in range(5)])
    assert ours == pytest.approx(peer, rel=0.06)


def test_duplicates_give_fewer_clusters():
    assert len(np.unique(clusters(np.repeat([[0.0], [1.0]], 5, axis=0), 6, np.random.default_rng(0)))) == 2


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="clusters must be at least 2"):
        TypiClust(clusters=1)
