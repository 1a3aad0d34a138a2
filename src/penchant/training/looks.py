"""Looks at what a network makes while it trains, the best state so far, and when no better one is to be hoped for."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from torch import Tensor

from penchant.core.contracts import Examined
from penchant.training.objective import Clock
from penchant.training.processes import Processes
from penchant.training.trainee import Trainee

Examine = Callable[[], Examined]
"""Judges samples; called while the modules hold their averaged weights."""

_SURELY = 2.0
"""Standard errors of a difference that make it more than chance."""
_FIRST, _APART = 20.0, 20.0
"""Seconds before the first look on a budget of seconds, and the times its cost that lie between two looks."""


@dataclass(frozen=True)
class Look:
    """A score, the lower the better, with its standard error, after so many images."""

    images: int
    score: float
    error: float

    def surely_worse_than(self, other: "Look") -> bool:
        """Whether the difference is more than chance."""
        return self.score - other.score > _SURELY * math.hypot(self.error, other.error)


class Looks:
    """The looks of one run.

    On a budget of images they come whenever asked, so that the run depends on nothing but its seed; on one of seconds
    they take a twentieth of the time at most. All processes call every method together; the first one looks.
    """

    def __init__(self, examine: Examine | None, timed: bool, patience: int, processes: Processes):
        self._examine, self._timed, self._patience, self._processes = examine, timed, patience, processes
        (share,) = processes.mean([float(examine is not None)])
        self.wanted = share > 0
        self.taken: list[Look] = []
        self.figures: dict[str, float] = {}
        self._best: dict[str, Tensor] = {}
        self._due = _FIRST if timed else 0.0

    @property
    def best(self) -> Look | None:
        """The look with the lowest score, the first of equals."""
        return min(self.taken, key=lambda look: look.score, default=None)

    @property
    def hopeless(self) -> bool:
        """Whether the last ``patience`` looks were all surely worse than the best."""
        best, last = self.best, self.taken[-self._patience :]
        return best is not None and len(last) == self._patience and all(one.surely_worse_than(best) for one in last)

    def due(self, clock: Clock, last: bool) -> bool:
        """Whether it is time; a run that was looked at is looked at once more when it ends."""
        if not self.wanted or (self.taken and self.taken[-1].images == clock.images):
            return False
        return clock.seconds >= self._due or (last and bool(self.taken))

    def look(self, clock: Clock, trainees: Sequence[Trainee]) -> None:
        """Examine samples, and keep the weights where they are the best so far."""
        started = perf_counter()
        found = self._examine() if self._examine is not None and self._processes.main else None
        mine = (0.0, 0.0, 0.0) if found is None else (found.score, found.error, 1.0)
        score, error, count = self._processes.mean(mine)
        if not count or not math.isfinite(score + error):
            return
        if found is not None:
            self.figures = dict(found.figures)
        self.taken.append(Look(clock.images, score / count, error / count))
        if self.best is self.taken[-1]:
            self._best = {name: value for one in trainees for name, value in one.averaged().items()}
        (cost,) = self._processes.mean([perf_counter() - started])
        self._due = clock.seconds + _APART * cost if self._timed else 0.0

    def finish(self, trainees: Sequence[Trainee]) -> dict[str, float]:
        """Go back to the best weights where the last are surely worse; gives what to say of it."""
        best = self.best
        if best is None or not self.taken[-1].surely_worse_than(best):
            return {}
        for one in trainees:
            one.take(self._best)
        return {"went back to the weights after images": float(best.images)}

    def tensors(self) -> dict[str, Tensor]:
        """The best weights, for a checkpoint."""
        return {f"best/{name}": value for name, value in self._best.items()}

    def state(self) -> list[dict[str, Any]]:
        """The looks, for a checkpoint."""
        return [asdict(look) for look in self.taken]

    def load(self, state: Sequence[Mapping[str, Any]], tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state` and :meth:`tensors` gave."""
        self.taken = [Look(**look) for look in state]
        self._best = {name.removeprefix("best/"): one for name, one in tensors.items() if name.startswith("best/")}
