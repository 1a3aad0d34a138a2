"""What could be known at best, and what knowing costs: ceilings of the features, seconds a vote."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.bench._taste_learners import Learner
from penchant.bench._taste_scores import accuracy
from penchant.bench._taste_trial import Task
from penchant.core.rng import Rng


def ceilings(task: Task) -> tuple[float, float] | None:
    """Accuracy on the test pairs of ridge regression on the hidden utilities of the whole pool: linear, then kernel.

    The kernel is Gaussian with the median distance as its width. None for a voter without a taste.
    """
    merit = task.voter.merit(task.seen)
    if merit is None:
        return None
    known = slice(min(task.pictures.pool, 1500))
    features = task.pictures.features.astype(np.float64)
    inner = features @ features[known].T
    squares = (features**2).sum(1)
    distances = squares[:, None] + squares[known] - 2 * inner
    kernel = np.exp(-distances / (2 * np.median(distances)))
    truth = merit[task.first] > merit[task.second]

    def of(gram: Float[np.ndarray, "n m"], ridge: float) -> float:
        inside = gram[known] + ridge * np.eye(gram.shape[1])
        believed = gram @ np.linalg.solve(inside, merit[known] - merit[known].mean())
        return accuracy(believed[task.first] - believed[task.second], truth)

    return of(inner, 3.0), of(kernel, 1e-3)


@dataclass(frozen=True)
class Seconds:
    """Time from an answer to the next question: ``all`` of it, and what somebody waits for where fits are left to idle
    time. Each is a mean with the standard error of three repetitions."""

    all: tuple[float, float]
    waited: tuple[float, float]


def seconds_a_vote(task: Task, start: Callable[[], Learner], votes: int, refit_every: int) -> Seconds:
    """What it takes to learn from an answer and to choose the next question, with a fit every ``refit_every`` votes."""
    every: list[float] = []
    waits: list[float] = []
    for repeat in range(3):
        rng, learner = Rng(repeat).child("time"), start()
        asked, told, fitted = 0.0, 0.0, 0.0
        for number in range(1, votes + 1):
            clock = time.perf_counter()
            left, right = learner.ask(rng.child("question", number).numpy())
            asked += time.perf_counter() - clock
            answer = task.voter.decide(task.seen[left], task.seen[right], rng.child("answer", number).numpy())
            due = number % refit_every == 0
            clock = time.perf_counter()
            learner.tell(left, right, answer)
            if due:
                learner.catch_up()
                fitted += time.perf_counter() - clock
            else:
                told += time.perf_counter() - clock
        every.append((asked + told + fitted) / votes)
        waits.append(asked / votes + told / max(votes - votes // refit_every, 1))
    return Seconds(_mean(every), _mean(waits))


def _mean(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
