import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.core.errors import BadConfiguration
from penchant.metrics import wilson


def test_wilson_is_the_published_interval() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20 and 1 of 29.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilson_holds_the_share_and_mirrors(wins: int, losses: int) -> None:
    low, high = wilson(wins, wins + losses)
    mirrored_low, mirrored_high = wilson(losses, wins + losses)
    assert 0 <= low <= high <= 1
    if wins + losses:
        assert low - 1e-12 <= wins / (wins + losses) <= high + 1e-12
    assert (mirrored_low, mirrored_high) == pytest.approx((1 - high, 1 - low))


def test_wilson_knows_nothing_when_there_are_no_trials() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (0, -1)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(BadConfiguration, match=f"{successes} successes of {trials}"):
        wilson(successes, trials)
