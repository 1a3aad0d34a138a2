"""Label propagation against scikit-learn's, its confidence, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from sklearn.semi_supervised import LabelSpreading

from penchant.core.contracts import UNLABELLED
from penchant.core.errors import BadFeatures, NotReady
from penchant.study.propagation import Propagation, affinity, chance_of, consistent


def moons(count: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles about each other, which no Gaussian tells apart."""
    rng = np.random.default_rng(seed)
    angle, kind = rng.uniform(0, np.pi, count), rng.integers(0, 2, count)
    points = np.stack([np.cos(angle) + kind, np.sin(angle) * (1 - 2 * kind) + 0.5 * kind], 1)
    return (points + noise * rng.standard_normal((count, 2))).astype(np.float32), kind


def some_labels(kind: np.ndarray, each: int, seed: int = 1) -> np.ndarray:
    rng, labels = np.random.default_rng(seed), np.full(len(kind), UNLABELLED)
    for one in np.unique(kind):
        labels[rng.choice(np.flatnonzero(kind == one), each, replace=False)] = one
    return labels


def test_the_solution_is_that_of_scikit_learn():
    points, kind = moons(150, 0.2)
    labels = some_labels(kind, 4)
    graph = affinity(points, 8)
    assert abs(graph - graph.T).max() == 0
    assert graph.diagonal().max() == 0

    def kernel(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return graph.toarray()

    settings: Any = {"kernel": kernel, "alpha": 0.9, "max_iter": 3000, "tol": 1e-14}
    theirs = LabelSpreading(**settings).fit(points, labels)
    ours = consistent(graph, np.eye(2)[labels] * (labels != UNLABELLED)[:, None], 0.9)
    assert ours / ours.sum(1, keepdims=True) == pytest.approx(theirs.label_distributions_, abs=1e-4)


def test_few_labels_reach_along_a_shape_that_no_gaussian_tells():
    points, kind = moons(600, 0.08)
    found = Propagation().spread(points, some_labels(kind, 3), np.random.default_rng(0))
    assert (found.chances.argmax(1) == kind).mean() > 0.97


def test_surer_labels_are_more_often_right_and_left_out_ones_say_how_often():
    points, kind = moons(900, 0.25)
    labels = some_labels(kind, 25)
    found = Propagation().spread(points, labels, np.random.default_rng(0))
    right = found.chances.argmax(1) == kind
    unknown = labels == UNLABELLED
    certainty = found.chances.max(1)
    sure = unknown & (certainty > 0.9)
    assert 50 < sure.sum() < unknown.sum()
    assert right[sure].mean() > 0.95 > right[unknown].mean()
    assert 0 < right[unknown].mean() - certainty[unknown].mean() < 0.1, "chances are about what comes true, or cautious"
    told = found.accuracy(0.5)
    assert told is not None
    assert told[1] == 50
    assert abs(told[0] - right[unknown].mean()) < 0.15
    taken = found.labels(0.9)
    assert (taken[sure] != UNLABELLED).all()
    assert (taken[unknown & ~sure] == UNLABELLED).all()
    assert (taken[~unknown] == labels[~unknown]).all()


def test_a_pool_larger_than_the_graph_is_told_by_its_nearest_nodes():
    points, kind = moons(900, 0.08)
    labels = some_labels(kind, 10)
    found = Propagation(most=300).spread(points, labels, np.random.default_rng(0))
    assert (found.chances.argmax(1) == kind).mean() > 0.95
    assert found.chances.sum(1) == pytest.approx(1)


def test_classes_asked_about_more_often_do_not_run_over_the_rest():
    points, kind = moons(600, 0.08)
    labels = some_labels(kind, 2)
    labels[np.flatnonzero(kind == 0)[:100]] = 0
    assert (Propagation().spread(points, labels, np.random.default_rng(0)).chances.argmax(1) == kind).mean() > 0.9


def test_images_that_are_all_alike_have_the_chances_of_the_labels():
    labels = np.array([0, 1, *[UNLABELLED] * 30])
    found = Propagation().spread(np.zeros((32, 3)), labels, np.random.default_rng(0))
    assert found.chances[2:] == pytest.approx(0.5, abs=0.05)
    assert found.accuracy(0.5) is None, "one label a kind leaves none to leave out"
    assert (found.labels(0.9)[2:] == UNLABELLED).all()


def test_one_example_alone_says_who_is_near_but_nothing_surely():
    points, kind = moons(200, 0.08)
    labels = np.full(200, UNLABELLED)
    assert chance_of(points, labels, 1, np.random.default_rng(0)) is None
    labels[np.flatnonzero(kind == 1)[0]] = 1
    chances = chance_of(points, labels, 1, np.random.default_rng(0))
    assert chances is not None
    assert (chances > 0.5).sum() == 1
    assert kind[np.argsort(-chances)[:20]].mean() > 0.9


def test_what_cannot_be_spread_is_refused():
    points, _ = moons(40, 0.1)
    one_kind = np.where(np.arange(40) < 3, 1, UNLABELLED)
    with pytest.raises(NotReady, match="3 labels of 1 kind"):
        Propagation().spread(points, one_kind, np.random.default_rng(0))
    broken = points.copy()
    broken[7, 0] = np.nan
    with pytest.raises(BadFeatures, match="image 7"):
        Propagation().spread(broken, np.where(np.arange(40) < 3, np.arange(40), UNLABELLED), np.random.default_rng(0))
    with pytest.raises(ValueError, match="alpha"):
        Propagation(alpha=1)
