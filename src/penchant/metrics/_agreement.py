"""How far several people agree on the same things, beyond what chance would give: Krippendorff's α."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng

Level = Literal["nominal", "interval"]
"""What a difference between two answers counts: all alike, or its square."""

_RESAMPLES = 1000


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's α with the 95% interval of resampled things; None where it is not defined.

    ``things`` are those that at least two people answered, ``answers`` how many they gave about them.
    """

    alpha: float | None
    low: float | None
    high: float | None
    things: int
    answers: int


def agreement(answers: Float[np.ndarray, "voters things"], rng: Rng, level: Level = "interval") -> Agreement:
    """α = 1 − observed over expected disagreement (Krippendorff 2011), NaN where somebody gave no answer.

    1 is agreement in everything, 0 what people who answer at random with the same habits would reach, below 0 is
    systematic disagreement. Not every person has to answer everything; things that only one answered are left out.
    Undefined where all answers are the same, since nothing could differ. Cost: answers² at most, for the values that
    differ.

    >>> found = agreement(np.array([[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]), Rng(0))
    >>> found.alpha, found.things
    (1.0, 4)

    Raises:
        BadConfiguration: answers that are not a table, or infinite.
    """
    if answers.ndim != 2 or np.isinf(answers).any():
        raise BadConfiguration("agreement needs a table of answers, people × things, NaN where there is none")
    table = answers[:, (~np.isnan(answers)).sum(axis=0) >= 2]
    things, given = table.shape[1], int((~np.isnan(table)).sum())
    values = np.unique(table[~np.isnan(table)])
    counts = np.stack([(table == value).sum(axis=0) for value in values], axis=1) if things else np.zeros((0, 0))
    alpha = krippendorff_alpha(counts, values, level)
    if alpha is None:
        return Agreement(None, None, None, things, given)
    numbers = rng.numpy()
    drawn = [
        krippendorff_alpha(counts[numbers.integers(things, size=things)], values, level) for _ in range(_RESAMPLES)
    ]
    # A draw in which all answers are alike says no less than full agreement.
    low, high = np.quantile([1.0 if one is None else one for one in drawn], [0.025, 0.975])
    return Agreement(alpha, float(low), float(high), things, given)


def krippendorff_alpha(
    counts: Float[np.ndarray, "things values"], values: Float[np.ndarray, " values"], level: Level
) -> float | None:
    """α from how often each value was given about each thing (twice at least in all); None where nothing varies."""
    if not len(counts):
        return None
    answers = counts.sum(axis=1)
    weighted = counts / (answers - 1)[:, None]
    coincidences = weighted.T @ counts - np.diag(weighted.sum(axis=0))
    totals = coincidences.sum(axis=0)
    gaps = values[:, None] - values[None]
    differences = gaps**2 if level == "interval" else (gaps != 0).astype(np.float64)
    expected = float(totals @ differences @ totals)
    if expected == 0:
        return None
    return 1 - float((coincidences * differences).sum()) * (float(totals.sum()) - 1) / expected
