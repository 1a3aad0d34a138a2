import pytest

from penchant.core.errors import BadConfiguration
from penchant.metrics import wilson, win_rate


def test_win_rate_counts_decisive_votes_and_tells_ties_beside_them() -> None:
    result = win_rate(wins=30, losses=10, ties=10)
    assert (result.value, result.tie_rate, result.n) == (0.75, 0.2, 50)
    assert (result.low, result.high) == wilson(30, 40)


def test_win_rate_ties_never_become_wins() -> None:
    without, drowned = win_rate(3, 7), win_rate(3, 7, ties=990)
    assert (without.value, without.low, without.high) == (drowned.value, drowned.low, drowned.high)


def test_win_rate_knows_nothing_when_all_votes_are_ties() -> None:
    result = win_rate(0, 0, ties=5)
    assert (result.value, result.low, result.high, result.tie_rate) == (0.5, 0.0, 1.0, 1.0)
    assert win_rate(0, 0).tie_rate == 0.0


def test_win_rate_refuses_negative_counts() -> None:
    with pytest.raises(BadConfiguration, match="-2 losses"):
        win_rate(1, -2)
