"""The area under the ROC curve, and how unsure it is."""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata


def area_under_roc(positive: Float[np.ndarray, " n"], negative: Float[np.ndarray, " m"]) -> tuple[float, float]:
    """P(a positive scores above a negative), ties being halves, and its variance (DeLong et al., Biometrics 44, 1988).

    >>> area_under_roc(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0]))[0]
    0.7777777777777778
    """
    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:n] - rankdata(positive)) / m
    below = 1 - (ranks[n:] - rankdata(negative)) / n
    return float(above.mean()), float(above.var(ddof=1) / n + below.var(ddof=1) / m)


def shared_teaching(folds: int) -> float:
    """What the mean variance of k folds is multiplied by, as folds share what they are taught on.

    1/k + tested / taught: Nadeau & Bengio, Machine Learning 52, 2003.
    """
    return 1 / folds + 1 / (folds - 1)
