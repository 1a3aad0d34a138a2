"""Which pairs are skipped: learned from skips, which say nothing about the taste itself."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from penchant.core.contracts import Choice, Posterior, Skippability, Votes
from penchant.preference._laplace import evidence, find_mode, system_of
from penchant.preference._likelihood import VoteLikelihood

_LATEST = 400
"""Answers that are looked at: habits change, and the cost stays bounded."""
_BLOCK = 100
_USUAL, _UNUSUAL = -2.0, 1.0
"""Log odds of a skip where nothing is known, and their standard deviation: hardly anybody skips most of all pairs, so
where a strategy meets little else the images are to blame."""
_IMAGES, _PAIRS = (0.0, 1.5, 4.0), (0.0, 3.0)
"""Scales tried, in log odds: of what single images add, and of how sure and how far apart the two are."""
_EARNED = 2.0
"""What they must add to the log evidence, in nats: about the logarithm of how many are tried."""
_LOGISTIC = VoteLikelihood()


def skippability(votes: Votes, belief: Posterior) -> Skippability | None:
    """How likely pairs are to be skipped; None where nothing tells one pair from another.

    Bayesian logistic regression of *skipped or not* on what can be known before a pair is shown: the sum of the two
    images' features (some kinds of images are skipped), how sure the ``belief`` is of the answer, and how far apart
    the two are (others skip what is too close to call). All weights are normal around 0; their two scales are those,
    of a few, with the largest Laplace evidence, and none of it counts unless it beats a constant rate by 2 nats. Bare
    rates choose nothing, so until then questions are the same to the bit as if there were no skips.

    The last 400 answers count. Some 10 ms for 100, 100-200 ms for 400; nothing without skips. It depends on nothing
    but its arguments.
    """
    seen = Votes(votes.left[-_LATEST:], votes.right[-_LATEST:], votes.choices[-_LATEST:])
    skipped = np.array([choice is Choice.SKIP for choice in seen.choices], dtype=bool)
    if not skipped.any() or skipped.all():
        return None
    width = len(belief.weights()[0])
    left, right = seen.left[:, :width], seen.right[:, :width]
    sure = np.abs(2 * np.concatenate(list(_preferred(seen, belief))) - 1)
    apart = np.linalg.norm(left - right, axis=1) / np.sqrt(width)
    signs = np.where(skipped, 1.0, -1.0)
    columns = signs[:, None] * np.column_stack([np.ones(len(seen)), sure - 0.5, apart - 1, left + right])
    never, offset = np.zeros(len(seen), dtype=bool), signs * _USUAL

    def scales(images: float, pairs: float) -> Float[np.ndarray, " c"]:
        return np.concatenate([[_UNUSUAL, pairs, pairs], np.full(width, images / np.sqrt(2 * width))])

    def proof(images: float, pairs: float) -> float:
        scaled = columns * scales(images, pairs)
        return evidence(scaled, never, _LOGISTIC, offset=offset).value

    tried = {pair: proof(*pair) for pair in product(_IMAGES, _PAIRS)}
    best = max(tried, key=lambda pair: tried[pair])
    if tried[best] < tried[0.0, 0.0] + _EARNED:
        return None
    chosen = scales(*best)
    weights = chosen * find_mode(system_of(columns * chosen), never, _LOGISTIC, offset=offset).omega
    level = _USUAL + float(weights[0] - 0.5 * weights[1] - weights[2])
    return Skippability(level, weights[3:], float(weights[1]), float(weights[2]))


def _preferred(votes: Votes, belief: Posterior) -> Iterator[Float[np.ndarray, " b"]]:
    """P(left is preferred), as strategies estimate it from mean and covariance, a block of votes at a time."""
    for start in range(0, len(votes), _BLOCK):
        left, right = votes.left[start : start + _BLOCK], votes.right[start : start + _BLOCK]
        count = len(left)
        covariance = belief.covariance(np.vstack([left, right]))
        own = np.diag(covariance)
        variance = np.maximum(own[:count] + own[count:] - 2 * np.diag(covariance[:count, count:]), 0)
        yield expit((belief.mean(left) - belief.mean(right)) / np.sqrt(1 + np.pi * variance / 8))
