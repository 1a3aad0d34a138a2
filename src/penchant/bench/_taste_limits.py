"""What could be known at best, and what knowing costs: ceilings of the features, seconds a vote."""

import time
from collections.abc import Callable

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


def seconds_a_vote(
    task: Task, start: Callable[[], Learner], votes: int, refit_every: int
) -> tuple[float, float | None]:
    """Time to learn from an answer and choose the next question, fits included; mean and standard error of three."""
    means: list[float] = []
    for repeat in range(3):
        rng, learner, spent = Rng(repeat).child("time"), start(), 0.0
        for number in range(1, votes + 1):
            clock = time.perf_counter()
            left, right = learner.ask(rng.child("question", number).numpy())
            spent += time.perf_counter() - clock
            answer = task.voter.decide(task.seen[left], task.seen[right], rng.child("answer", number).numpy())
            clock = time.perf_counter()
            learner.tell(left, right, answer)
            if number % refit_every == 0:
                learner.catch_up()
            spent += time.perf_counter() - clock
        means.append(spent / votes)
    return float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(len(means)))
