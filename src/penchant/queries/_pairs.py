"""What the strategies that score pairs share: all pairs of a shortlist at once, and greedy batches."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit

from penchant.core.contracts import Posterior, Proposal
from penchant.core.errors import NotReady
from penchant.queries._shortlist import Shortlist

PairScore = Callable[
    [Float[np.ndarray, " p"], Float[np.ndarray, " p"], Float[np.ndarray, " p"]], Float[np.ndarray, " p"]
]
"""Scores of all pairs of a shortlist (in the order of :func:`upper`) from the two posterior means of utility and the
posterior variance of their difference; what else a score needs, such as the posterior, its closure holds."""


def best_pairs(
    chosen: Shortlist, posterior: Posterior, count: int, score: PairScore, freshness: float, spacing: float,
    rng: np.random.Generator, anchor: int | None = None,
) -> Proposal:  # fmt: skip
    """Greedily the pairs of the shortlist with the largest score, every one after imagining the answers before it.

    An answer to the pair (a, b) is imagined by its effect on the variance only, C ← C − ω·ccᵀ/(1 + ωv) with
    c = C(e_a − e_b) and ω = E[p(1 − p)]: what will be said is unknown, how much it tells is not.

    A pair that is skipped is worth no more than the worst one, so what a score is above the least counts as often as
    the pair will be answered: for an information, which is close to 0 at the least, that is its expectation. The
    scores given back are those of an answer.

    Args:
        chosen: the images.
        posterior: the belief.
        count: pairs; fewer come back where the images run out.
        score: of pairs, larger is better.
        freshness: how many standard deviations of the scores an image loses for every doubling of 1 + shown.
        spacing: all images asked about keep this share of the median distance from each other, those of one pair too,
            while there are others.
        rng: decides the sides, and among equal scores, which then share the propensity.
        anchor: a row of the pool that the first pair must hold, where any image differs from it.

    Raises:
        NotReady: no two images have different features.
    """
    first, second = upper(len(chosen))
    squares = (chosen.features**2).sum(1)
    distances = squares[:, None] + squares - 2 * chosen.features @ chosen.features.T
    apart = distances > 1e-10 * max(1.0, float(squares.max()))
    open_pairs, lengths = apart[first, second], distances[first, second]
    if not open_pairs.any():
        raise NotReady(f"all {len(chosen)} images have equal features: no question tells anything. Generate others")
    floor = spacing**2 * float(np.median(lengths[open_pairs]))
    means, covariance = posterior.mean(chosen.features), posterior.covariance(chosen.features)
    stale = freshness * np.log2(1 + chosen.shown)
    used = np.zeros(len(chosen), dtype=bool)
    near = used.copy()
    pairs: list[tuple[int, int]] = []
    scores: list[float] = []
    chances: list[float] = []
    for _ in range(min(count, len(chosen) // 2)):
        allowed = _allowed(open_pairs, open_pairs & (lengths >= floor), first, second, near, used)
        if not pairs and anchor is not None:
            held = (chosen.rows == anchor)[first] | (chosen.rows == anchor)[second]
            allowed = next((some for some in (allowed & held, open_pairs & held) if some.any()), allowed)
        if not allowed.any():
            break
        variance = pair_variances(covariance)
        values = score(means[first], means[second], variance)
        wanted = values
        if chosen.skips is not None:
            preferred = predictive(means[first] - means[second], variance)
            least = float(values.min())
            wanted = least + (values - least) * (1 - chosen.skips.chance(chosen.features, first, second, preferred))
        wanted = wanted - float(values.std()) * (stale[first] + stale[second])
        best, chance = _largest(np.where(allowed, wanted, -np.inf), rng)
        a, b = int(first[best]), int(second[best])
        pairs.append((a, b))
        scores.append(float(values[best]))
        chances.append(chance)
        used[[a, b]] = True
        near |= (distances[a] < floor) | (distances[b] < floor)
        push = covariance[a] - covariance[b]
        weight = expected_information(float(means[a] - means[b]), float(variance[best]))
        covariance = covariance - weight / (1 + weight * variance[best]) * np.outer(push, push)
    return proposal(chosen.rows[np.array(pairs)], np.array(scores), np.array(chances), rng)


def proposal(
    pairs: Int[np.ndarray, "k 2"], scores: Float[np.ndarray, " k"], propensities: Float[np.ndarray, " k"],
    rng: np.random.Generator,
) -> Proposal:  # fmt: skip
    """The pairs with a fair coin for who stands left, so that a voter's side bias cannot pass for taste."""
    swapped = rng.random(len(pairs)) < 0.5
    return Proposal(np.where(swapped[:, None], pairs[:, ::-1], pairs), scores, propensities)


def neighbours(order: Int[np.ndarray, " n"], features: Float[np.ndarray, "n d"], count: int) -> list[tuple[int, int]]:
    """At most ``count`` pairs: every image with the next one in ``order`` that differs from it."""
    pairs: list[tuple[int, int]] = []
    waiting: list[int] = []  # images all alike: each that differs takes one away
    for row in order.tolist():
        if waiting and (features[waiting[0]] != features[row]).any():
            pairs.append((waiting.pop(0), row))
            if len(pairs) == count:
                break
        else:
            waiting.append(row)
    return pairs


@lru_cache(maxsize=8)
def upper(size: int) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """First and second image of every pair of ``size`` images."""
    return np.triu_indices(size, 1)


def pair_variances(covariance: Float[np.ndarray, "m m"]) -> Float[np.ndarray, " p"]:
    """Variance of u(a) − u(b) for every pair, in the order of :func:`upper`; at least 1e-18."""
    first, second = upper(len(covariance))
    own = np.diag(covariance)
    return np.maximum(own[first] + own[second] - 2 * covariance[first, second], 1e-18)


def predictive(difference: Float[np.ndarray, "..."], variance: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """P(first is preferred) by a logistic vote with utility difference N(difference, variance) (MacKay 1992)."""
    return expit(difference / np.sqrt(1 + np.pi * variance / 8))


def expected_information(difference: float, variance: float) -> float:
    """E[p(1 − p)] of such a vote: the derivative of its predictive probability in the difference."""
    p = float(predictive(np.array(difference), np.array(variance)))
    return p * (1 - p) / float(np.sqrt(1 + np.pi * variance / 8))


def _largest(values: Float[np.ndarray, " p"], rng: np.random.Generator) -> tuple[int, float]:
    """The index of the largest value, by chance among equal ones, and its probability."""
    largest = np.flatnonzero(values == values.max())
    return int(largest[0] if len(largest) == 1 else rng.choice(largest)), 1 / len(largest)


def _allowed(
    open_pairs: Bool[np.ndarray, " p"],
    far: Bool[np.ndarray, " p"],
    first: Int[np.ndarray, " p"],
    second: Int[np.ndarray, " p"],
    near: Bool[np.ndarray, " m"],
    used: Bool[np.ndarray, " m"],
) -> Bool[np.ndarray, " p"]:
    """Pairs of images far from each other and from what was taken; where none are left, of images not taken."""
    spaced = far & ~(near | used)[first] & ~(near | used)[second]
    return spaced if spaced.any() else open_pairs & ~used[first] & ~used[second]
