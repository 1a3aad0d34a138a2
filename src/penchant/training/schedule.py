"""The budget as a schedule: how far a run is, how fast it should learn, when it must stop, how long it still takes."""

import math
from dataclasses import dataclass

from penchant.core.contracts import Budget
from penchant.training.objective import Clock


@dataclass(frozen=True)
class Schedule:
    """A linear rise over the first ``warm_up`` of the budget, then half a cosine down to ``lowest``.

    Sized to the budget, whether it is counted in seconds or images, so that every run ends at its slowest pace.

    >>> schedule = Schedule(Budget(images=1000), warm_up=0.0, lowest=0.0)
    >>> schedule.pace(0.5)
    0.5
    """

    budget: Budget
    warm_up: float = 0.01
    lowest: float = 0.01

    def fraction(self, images: int, seconds: float) -> float:
        """The share of the budget that is used up, in [0, 1]."""
        by_images = images / self.budget.images if self.budget.images is not None else 0.0
        by_time = seconds / self.budget.seconds if self.budget.seconds is not None else 0.0
        return min(1.0, max(by_images, by_time))

    def pace(self, fraction: float) -> float:
        """The learning rate as a share of its top."""
        if fraction < self.warm_up:
            return max(fraction / self.warm_up, self.lowest)
        angle = math.pi * (fraction - self.warm_up) / (1 - self.warm_up)
        return self.lowest + (1 - self.lowest) * 0.5 * (1 + math.cos(angle))

    def over(self, clock: Clock, step_seconds: float) -> bool:
        """Whether to stop: the images are used up, or a whole step no longer fits into the time."""
        return self.fraction(clock.images, clock.seconds + step_seconds) >= 1 if clock.images else False

    def seconds_left(self, clock: Clock) -> float | None:
        """Until the budget ends, from the speed so far; None before there is any."""
        left: list[float] = []
        if self.budget.seconds is not None:
            left.append(self.budget.seconds - clock.seconds)
        if self.budget.images is not None and clock.images:
            left.append((self.budget.images - clock.images) * clock.seconds / clock.images)
        return max(0.0, min(left)) if left else None
