"""The interval of a share. Plain Python, so that it costs nothing to import."""

import math
from statistics import NormalDist

from penchant.core.errors import BadConfiguration


def wilson(successes: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share, by Wilson (JASA 22, 1927): inside [0, 1] and honest near its ends.

    A tie is half a success.

    >>> low, high = wilson(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)

    Raises:
        BadConfiguration: counts below 0, or more successes than trials.
    """
    if not 0 <= successes <= trials:
        raise BadConfiguration(f"{successes} successes of {trials} trials is not a count")
    if trials == 0:
        return 0.0, 1.0
    z = normal_quantile(confidence)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def normal_quantile(confidence: float) -> float:
    """How many standard deviations either way hold ``confidence`` of a normal distribution: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)
