"""The schedule against values worked out by hand."""

import pytest

from penchant.core.contracts import Budget
from penchant.training.objective import Clock
from penchant.training.schedule import Schedule


def test_schedule_rises_then_falls_along_half_a_cosine() -> None:
    schedule = Schedule(Budget(images=100), warm_up=0.2, lowest=0.1)
    assert [schedule.pace(fraction) for fraction in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx(
        [0.1, 0.5, 1, 0.55, 0.1]
    )


def test_schedule_takes_the_further_of_time_and_images() -> None:
    schedule = Schedule(Budget(seconds=10, images=100))
    assert schedule.fraction(images=20, seconds=5) == 0.5
    assert schedule.fraction(images=80, seconds=5) == 0.8
    assert schedule.fraction(images=200, seconds=0) == 1.0


@pytest.mark.parametrize(("seconds", "over"), [(8.9, False), (9.0, True), (12.0, True)])
def test_schedule_is_over_when_a_step_no_longer_fits(seconds: float, over: bool) -> None:
    assert Schedule(Budget(seconds=10)).over(Clock(1, 8, seconds), step_seconds=1.0) is over


def test_schedule_is_not_over_before_the_first_step() -> None:
    assert not Schedule(Budget(seconds=0.001)).over(Clock(0, 0, 1.0), step_seconds=0.0)


def test_schedule_tells_the_time_left() -> None:
    assert Schedule(Budget(images=100)).seconds_left(Clock()) is None
    assert Schedule(Budget(images=100)).seconds_left(Clock(5, 25, 2.0)) == 6.0
    assert Schedule(Budget(seconds=5, images=100)).seconds_left(Clock(5, 25, 2.0)) == 3.0
    assert Schedule(Budget(seconds=5)).seconds_left(Clock(5, 25, 9.0)) == 0.0
