"""How often one generator's image is preferred to the other's."""

from dataclasses import dataclass

from penchant.core.errors import BadConfiguration
from penchant.metrics._intervals import wilson


@dataclass(frozen=True)
class WinRate:
    """Share of wins among the decisive votes with its 95% interval, share of ties among all, and all votes ``n``."""

    value: float
    low: float
    high: float
    tie_rate: float
    n: int


def win_rate(wins: int, losses: int, ties: int = 0) -> WinRate:
    """Wilson's interval on the decisive votes; ties are told beside it and never become wins.

    Without a decisive vote nothing is known: 0.5, anywhere from 0 to 1. Skips and both-bad are not counted.

    >>> rate = win_rate(wins=30, losses=10, ties=10)
    >>> rate.value, round(rate.low, 3), round(rate.high, 3), rate.tie_rate, rate.n
    (0.75, 0.598, 0.858, 0.2, 50)

    Raises:
        BadConfiguration: a count is below 0.
    """
    if min(wins, losses, ties) < 0:
        raise BadConfiguration(f"votes cannot be below 0; found {wins} wins, {losses} losses, {ties} ties")
    decisive = wins + losses
    low, high = wilson(wins, decisive)
    total = decisive + ties
    return WinRate(
        value=wins / decisive if decisive else 0.5,
        low=low,
        high=high,
        tie_rate=ties / total if total else 0.0,
        n=total,
    )
