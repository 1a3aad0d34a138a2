"""Can a classifier tell generated images from real ones?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from penchant.core.contracts import Measurement
from penchant.metrics._features import Features, matched
from penchant.metrics._intervals import normal_quantile
from penchant.metrics._roc import area_under_roc, shared_teaching


@dataclass(frozen=True)
class Classifier:
    """Classifier two-sample test (arXiv 1610.06545): area under the ROC curve of a logistic regression on features.

    One half where it cannot tell the sets apart, 1 where it always can; of images that it was not taught on (k folds).
    Below one half means the same as one half. It catches artefacts that distances miss, all kinds of them: files that
    were compressed or resized in another way are told apart too, so both sets must have come the same way. The floor
    is its value for held-out real images against real ones. The 95% interval is DeLong's, of the images tested,
    widened for folds that share what they were taught on (Nadeau & Bengio, Machine Learning 52, 2003).

    The p-value permutes which image is in which set and teaches anew each time; what is taught then is the first
    Newton step of the regression (ridge least squares), which is what makes it quick. Cost: about a second for
    2,000 × 64. It is a fresh classifier: never use the discriminator that the generator was trained against.

    Fields:
        folds: k.
        ridge: penalty on the squared coefficients of standardised features, in units of one image.
        permutations: for the p-value, which is at least 1 / (1 + permutations); 0 leaves it out.
    """

    folds: int = 5
    ridge: float = 10.0
    permutations: int = 199

    def __post_init__(self) -> None:
        if self.folds < 2 or self.permutations < 0 or not 0 < self.ridge < np.inf:
            raise ValueError(
                f"folds must be at least 2, permutations at least 0 and ridge above 0; found {self.folds}, "
                f"{self.permutations}, {self.ridge:g}"
            )

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """How well ``generated`` is told from ``real``, with interval, floor and p-value.

        Raises:
            BadFeatures: fewer than 2 images a fold in a set, numbers that are not finite, or different widths.
        """
        tables = {"real": real, "generated": generated, "held-out": holdout}
        reals, fakes, unseen = matched(tables, at_least=2 * self.folds, rng=rng)
        fold = rng.permutation(len(reals)) % self.folds
        value, variance = self.auc(reals, fakes, fold)
        floor, _ = self.auc(reals, unseen, fold)
        reach = normal_quantile(0.95) * float(np.sqrt(variance))
        p_value = self._p_value(reals, fakes, fold, rng) if self.permutations else None
        low, high = max(0.0, value - reach), min(1.0, value + reach)
        return Measurement(value, low, high, floor, len(reals), extractor, p_value)

    def auc(self, real: Features, generated: Features, fold: Int[np.ndarray, " n"]) -> tuple[float, float]:
        """Mean area over the folds and its variance; images i of both sets, equally many, are in ``fold[i]``."""
        both, label, folds = np.concatenate([real, generated]), _labels(len(real)), np.tile(fold, 2)
        areas: list[float] = []
        variances: list[float] = []
        for test in range(self.folds):
            taught = folds != test
            train, held = _standardised(both[taught], both[~taught])
            scores = held @ _logistic(train, label[taught], self.ridge)
            area, variance = area_under_roc(scores[label[~taught] == 1], scores[label[~taught] == 0])
            areas.append(area)
            variances.append(variance)
        return float(np.mean(areas)), float(np.mean(variances)) * shared_teaching(self.folds)

    def _p_value(
        self, real: Features, generated: Features, fold: Int[np.ndarray, " n"], rng: np.random.Generator
    ) -> float:
        """P(area ≥ seen | one distribution). Images of a fold change places with each other only."""
        both, folds = np.concatenate([real, generated]), np.tile(fold, 2)
        labels = np.repeat(_labels(len(real))[:, None], 1 + self.permutations, axis=1)
        for test in range(self.folds):
            rows = np.flatnonzero(folds == test)
            labels[rows, 1:] = rng.permuted(labels[rows, 1:], axis=0)
        areas = np.zeros(labels.shape[1])
        for test in range(self.folds):
            taught = folds != test
            train, held = _standardised(both[taught], both[~taught])
            # the first Newton step from 0, where every image has the weight 1/4
            curvature = train.T @ train / 4 + self.ridge * np.eye(train.shape[1])
            scores = held @ np.linalg.solve(curvature, train.T @ (labels[taught] - 0.5))
            ranks, positive = rankdata(scores, axis=0), labels[~taught]
            count = positive.sum(axis=0)
            areas += ((ranks * positive).sum(axis=0) - count * (count + 1) / 2) / (count * (len(positive) - count))
        return float((1 + (areas[1:] >= areas[0] - 1e-12).sum()) / len(areas))


def _labels(n: int) -> Float[np.ndarray, " m"]:
    return np.repeat([0.0, 1.0], n)


def _standardised(train: Features, held: Features) -> tuple[Features, Features]:
    """Both on the scale of ``train``; columns that say nothing there become 0."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    scale = np.where(deviation > 1e-12, 1 / np.where(deviation > 1e-12, deviation, 1.0), 0.0)
    return (train - mean) * scale, (held - mean) * scale


def _logistic(features: Features, label: Float[np.ndarray, " n"], ridge: float) -> Float[np.ndarray, " d"]:
    """Coefficients of ridge logistic regression; equally many of both labels and centred features need no intercept."""

    def loss(w: Float[np.ndarray, " d"]) -> tuple[float, Float[np.ndarray, " d"]]:
        logits = features @ w
        value = np.logaddexp(0, logits).sum() - label @ logits + ridge * (w @ w) / 2
        return float(value), features.T @ (expit(logits) - label) + ridge * w

    start = np.zeros(features.shape[1])
    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
