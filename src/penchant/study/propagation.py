"""Label propagation: a few labels spread over a pool along a graph of likeness, with how sure each of them is."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array

from penchant.core.contracts import UNLABELLED
from penchant.core.errors import BadFeatures, NotReady

_BLOCK = 1024
_TOLERANCE = 1e-6
_MOST_ROUNDS = 500
_FOLDS = 5
_SHARPEST = 2.0 ** np.arange(-3, 5)
"""Exponents that are tried on the chances, so that they say how often they are right."""
_FEWEST_CHECKED = 2


@dataclass(frozen=True)
class Propagation:
    """Learning with local and global consistency (Zhou et al. 2004) on a graph of nearest neighbours.

    F = (1 − α)·(I − αS)⁻¹·Y with S = D^-½·W·D^-½, where Y are the labels and W joins each image with its nearest ones,
    exp(−½·d²/(d_i·d_j)) with d_i the distance to the last of them (Zelnik-Manor & Perona 2004), so that no width is to
    be chosen. Class masses are brought to those of the labels (Zhu et al. 2003), so a class that was asked for often
    does not run over the rest. ``chances`` are F's rows, raised to a power so that they say how often they are right:
    the power that foretells left-out labels best, where every class has two labels at least.

    For pools whose classes hang together in the features. Graphs are of at most ``most`` images, all labelled ones
    among them; the others get the mean of their nearest ones in it. Cost: most²·d + n·most·d operations in matrix
    products, and some 250 products with a sparse matrix a fold: 3 s for 10,000 images of 64 features.

    Args:
        neighbours: of an image in the graph.
        alpha: how much an image heeds its neighbours rather than its own label; below 1.
        most: images of the graph.
    """

    neighbours: int = 10
    alpha: float = 0.95
    most: int = 10_000

    def __post_init__(self) -> None:
        if self.neighbours < 1 or not 0 < self.alpha < 1 or self.most < 2:
            raise ValueError(
                f"neighbours must be at least 1, alpha between 0 and 1, most at least 2; found {self.neighbours}, "
                f"{self.alpha:g} and {self.most}"
            )

    def spread(
        self, features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], rng: np.random.Generator
    ) -> "Propagated":
        """The classes of all images, from the labels of some; ``UNLABELLED`` where there is none.

        Raises:
            NotReady: fewer than two classes are labelled, so nothing could be told apart.
            BadFeatures: features that are not finite.
        """
        known = np.flatnonzero(labels != UNLABELLED)
        classes = np.unique(labels[known])
        if len(classes) < 2:
            raise NotReady(
                f"labels of two kinds are needed to tell images apart; found {len(known)} labels of "
                f"{len(classes)} kind{'' if len(classes) == 1 else 's'}"
            )
        others = rng.permutation(np.flatnonzero(labels == UNLABELLED))[: max(0, self.most - len(known))]
        nodes = np.sort(np.concatenate([known, others]))
        points = _finite(features, nodes)
        graph = affinity(points, min(self.neighbours, len(nodes) - 1))
        own = np.where(labels[nodes] == UNLABELLED, -1, np.searchsorted(classes, labels[nodes]))
        power, checked, right = self._power(graph, own, len(classes), rng)
        chances = _sharpened(self._chances(graph, own, len(classes)), power)
        whole = np.empty((len(features), len(classes)))
        whole[nodes] = chances
        rest = np.setdiff1d(np.arange(len(features)), nodes)
        for start in range(0, len(rest), _BLOCK):
            rows = rest[start : start + _BLOCK]
            nearest, weights = _nearest(_finite(features, rows), points, min(self.neighbours, len(nodes)))
            whole[rows] = (chances[nearest] * (weights / weights.sum(1, keepdims=True))[..., None]).sum(1)
        whole[known] = np.eye(len(classes))[own[np.searchsorted(nodes, known)]]
        return Propagated(classes, whole, known, checked, right)

    def _chances(self, graph: csr_array, own: Int[np.ndarray, " n"], classes: int) -> Float[np.ndarray, "n k"]:
        """P(class) of every node."""
        given = np.zeros((len(own), classes))
        labelled = np.flatnonzero(own >= 0)
        given[labelled, own[labelled]] = 1
        found = consistent(graph, given, self.alpha)
        masses = found.sum(0)
        # A class nobody reached (its labels have no neighbours) keeps what it has.
        found *= np.where(masses > 0, given.sum(0) / np.where(masses > 0, masses, 1), 1)
        total = found.sum(1, keepdims=True)
        return np.where(total > 0, found / np.where(total > 0, total, 1), given.sum(0) / given.sum())

    def _power(
        self, graph: csr_array, own: Int[np.ndarray, " n"], classes: int, rng: np.random.Generator
    ) -> tuple[float, Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
        """The power that foretells left-out labels best; how sure it then was of each, and whether it was right."""
        labelled = np.flatnonzero(own >= 0)
        if np.bincount(own[labelled], minlength=classes).min() < _FEWEST_CHECKED:
            return 1.0, np.zeros(0), np.zeros(0)
        fold = np.empty(len(labelled), dtype=np.int64)
        for kind in range(classes):
            members = np.flatnonzero(own[labelled] == kind)
            fold[rng.permutation(members)] = np.arange(len(members)) % _FOLDS
        foretold = np.empty((len(labelled), classes))
        for number in range(min(_FOLDS, int(fold.max()) + 1)):
            left_out = labelled[fold == number]
            hidden = own.copy()
            hidden[left_out] = -1
            foretold[fold == number] = self._chances(graph, hidden, classes)[left_out]
        truth = own[labelled]
        rows = np.arange(len(truth))
        losses = [-np.log(_sharpened(foretold, power)[rows, truth]).mean() for power in _SHARPEST]
        power = float(_SHARPEST[int(np.argmin(losses))])
        chances = _sharpened(foretold, power)
        return power, chances.max(1), (chances.argmax(1) == truth).astype(np.float64)


@dataclass(frozen=True)
class Propagated:
    """What labels came to be: ``chances[i, k]`` is P(image i is of ``classes[k]``); that of a labelled one is 1.

    ``checked`` and ``right`` tell of labels that were left out once: how sure it was of each, and whether (1 or 0) it
    was right; both are empty where a class has a single label.
    """

    classes: Int[np.ndarray, " k"]
    chances: Float[np.ndarray, "n k"]
    known: Int[np.ndarray, " l"]
    checked: Float[np.ndarray, " c"]
    right: Float[np.ndarray, " c"]

    def labels(self, confidence: float) -> Int[np.ndarray, " n"]:
        """The likeliest class of each image that is surer than ``confidence``, else ``UNLABELLED``; given ones stay."""
        sure = self.chances.max(1) > confidence
        sure[self.known] = True
        return np.where(sure, self.classes[self.chances.argmax(1)], UNLABELLED)

    def chance(self, label: int) -> Float[np.ndarray, " n"]:
        """P(image is of this class); 0 for a class without labels."""
        place = np.flatnonzero(self.classes == label)
        return self.chances[:, place[0]] if len(place) else np.zeros(len(self.chances))

    def accuracy(self, confidence: float) -> tuple[float, int] | None:
        """Of the left-out labels it was surer of than ``confidence``, the share it got right, and how many they are."""
        sure = self.checked > confidence
        return (float(self.right[sure].mean()), int(sure.sum())) if sure.any() else None


def chance_of(
    features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], wanted: int, rng: np.random.Generator
) -> Float[np.ndarray, " n"] | None:
    """How likely each image has a label, from the first example on; None while there is none.

    Where nothing else is labelled yet, by the distance to the nearest example: below a half, since nothing is known.
    """
    examples = np.flatnonzero(labels == wanted)
    if not len(examples):
        return None
    if len(np.unique(labels[labels != UNLABELLED])) > 1:
        return Propagation().spread(features, labels, rng).chance(wanted)
    points = _finite(features, examples)
    apart = np.empty(len(features))
    for start in range(0, len(features), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(features)))
        apart[rows] = np.sqrt(_apart(_finite(features, rows), points).min(1))
    chances = 0.5 / (1 + apart)
    chances[examples] = 1
    return chances


def worth_asking(chances: Float[np.ndarray, " n"], free: Int[np.ndarray, " f"], count: int) -> Int[np.ndarray, " k"]:
    """Rows to label next where images of one name are wanted: evenly down the ranking by their chance.

    Down to twice the number that are likelier so than not, a tenth of the pool at least: the very best alone confirm
    what is known (measured: worse than chance), those at the edge and beyond tell where it ends.
    """
    reach = max(2 * int((chances > 0.5).sum()), len(chances) // 10, 2 * count)
    ranked = free[np.argsort(-chances[free], kind="stable")][:reach]
    return ranked[np.unique(np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(np.int64))]


def affinity(points: Float[np.ndarray, "n d"], neighbours: int) -> csr_array:
    """W: symmetric, nothing on the diagonal; joined are two images of which either is among the other's nearest."""
    count = len(points)
    ends, squares = np.empty((count, neighbours), dtype=np.int64), np.empty((count, neighbours))
    for start in range(0, count, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, count))
        apart = _apart(points[rows], points)
        apart[np.arange(len(rows)), rows] = np.inf
        ends[rows], squares[rows] = _smallest(apart, neighbours)
    reach = np.maximum(np.sqrt(squares.max(1)), 1e-12)
    begins = np.repeat(np.arange(count), neighbours)
    weights = np.exp(-0.5 * squares.ravel() / (reach[begins] * reach[ends.ravel()]))
    joined = coo_array((weights, (begins, ends.ravel())), shape=(count, count)).tocsr()
    return csr_array(joined.maximum(joined.T))


def consistent(graph: csr_array, given: Float[np.ndarray, "n k"], alpha: float) -> Float[np.ndarray, "n k"]:
    """F = (1 − α)·(I − αS)⁻¹·Y by the iteration F ← αSF + (1 − α)Y, which converges as αᵗ (Zhou et al. 2004, §2)."""
    root = 1 / np.sqrt(np.maximum(np.asarray(graph.sum(1)).ravel(), 1e-12))
    smooth = csr_array(graph * root[:, None] * root)
    found = given.copy()
    for _ in range(_MOST_ROUNDS):
        before = found
        found = alpha * (smooth @ found) + (1 - alpha) * given
        if np.abs(found - before).max() <= _TOLERANCE * found.max():
            break
    return found


def _sharpened(chances: Float[np.ndarray, "n k"], power: float) -> Float[np.ndarray, "n k"]:
    """p^power, brought back to sum 1; never quite 0, which nothing could be foretold with."""
    raised = np.maximum(chances, 1e-6) ** power
    return raised / raised.sum(1, keepdims=True)


def _finite(features: Float[np.ndarray, "n d"], rows: Int[np.ndarray, " r"]) -> Float[np.ndarray, "r d"]:
    found = np.asarray(features[rows], dtype=np.float32)
    if not np.isfinite(found).all():
        bad = rows[~np.isfinite(found).all(1)]
        raise BadFeatures(f"the features of {len(bad)} images are not finite, the first is image {bad[0]}")
    return found


def _apart(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    found = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    return np.maximum(found, 0, out=found)


def _smallest(apart: Float[np.ndarray, "n m"], count: int) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """Where the ``count`` smallest of each row are, and what they are."""
    places = np.argpartition(apart, count - 1, axis=1)[:, :count]
    return places, np.take_along_axis(apart, places, axis=1).astype(np.float64)


def _nearest(
    points: Float[np.ndarray, "n d"], nodes: Float[np.ndarray, "m d"], count: int
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The nearest nodes of points that are none, and their weights by the distance to the last of them."""
    places, squares = _smallest(_apart(points, nodes), count)
    return places, np.exp(-0.5 * squares / np.maximum(squares.max(1, keepdims=True), 1e-24))
