"""Looks at samples along the way: the best weights are kept, and a run that only gets worse ends."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, nn

from penchant.core.contracts import Budget, Examined, Progress, Workspace
from penchant.core.errors import Interrupted
from penchant.core.rng import Rng
from penchant.training.looks import Examine, Looks
from penchant.training.loop import Settings, Trained, train
from penchant.training.objective import Adam, Batch, Clock, Loss, Objective
from penchant.training.processes import Processes

DATA = [np.ones((16, 1), np.float32)]
SETTINGS = Settings(batch=4, precision="float32", report_seconds=0.0)
BUDGET = Budget(images=320)


class Run:
    """Trains one number upwards; a look k is given the k-th score and notes what the number was."""

    def __init__(self, scores: Sequence[float], error: float = 0.01):
        self.layer = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.layer.weight)
        self.scores, self.error, self.seen = scores, error, list[float]()
        self.told: list[Progress] = []

    def examine(self) -> Examined:
        self.seen.append(self.layer.weight.item())
        return Examined(self.scores[len(self.seen) - 1], self.error, {"score": self.scores[len(self.seen) - 1]})

    def loss(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        return Loss((self.layer(batch[0]) - 100 + torch.randn(1, generator=noise)).square().mean())

    def train(self, folder: Path | None = None, examine: Examine | None = None) -> Trained:
        objective = Objective("net", self.layer, self.loss, Adam(learning_rate=0.1), half_life=40)
        workspace = Workspace(folder, self.told.append) if folder else None
        return train([objective], DATA, BUDGET, Rng(0), workspace, SETTINGS, examine=examine or self.examine)


def test_the_best_weights_seen_are_taken_where_the_last_are_surely_worse(tmp_path: Path) -> None:
    run = Run([5, 3, 1, 2, 1.005, 2, 0.99, 2])
    run.train(tmp_path)
    assert len(run.seen) == 8
    assert run.seen == sorted(run.seen)
    assert run.layer.weight.item() == run.seen[6]
    assert run.told[-1].figures["went back to the weights after images"] == 280
    assert run.told[-1].figures["score"] == 2


@pytest.mark.parametrize("last", [0.99, 1.02])
def test_the_last_weights_stay_where_a_difference_may_be_chance(tmp_path: Path, last: float) -> None:
    run = Run([5, 3, 1, 2, 1.005, 2, 2, last])
    run.train(tmp_path)
    assert run.layer.weight.item() == run.seen[-1]
    assert "went back to the weights after images" not in run.told[-1].figures


def test_a_run_ends_when_three_looks_in_a_row_are_surely_worse() -> None:
    run = Run([5, 1, 2, 2, 2, 0, 0, 0])
    end = run.train()
    assert len(run.seen) == 5
    assert end.clock.images == 200
    assert run.layer.weight.item() == run.seen[1]


def test_scores_that_are_no_numbers_are_left_out() -> None:
    run = Run([5, 3, float("nan"), 2, 2, 1, 1, 1])
    run.train()
    assert run.layer.weight.item() == run.seen[-1]


def test_looking_changes_nothing_but_which_weights_are_kept() -> None:
    looked, unseen = Run([3] * 8), Run([])
    looked.train()
    objective = Objective("net", unseen.layer, unseen.loss, Adam(learning_rate=0.1), half_life=40)
    train([objective], DATA, BUDGET, Rng(0), settings=SETTINGS)
    assert torch.equal(looked.layer.weight, unseen.layer.weight)


@pytest.mark.parametrize("stop_at", [1, 4, 6])
def test_an_interrupted_run_remembers_its_looks(tmp_path: Path, stop_at: int) -> None:
    scores = [5, 3, 1, 2, 2, 1, 1.5, 2]
    whole = Run(scores)
    whole.train()

    def stopping() -> Examined:
        if len(first.seen) == stop_at - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return first.examine()

    first = Run(scores)
    with pytest.raises(Interrupted):
        first.train(tmp_path, stopping)
    again = Run(scores[len(first.seen) :])
    again.train(tmp_path)
    assert torch.equal(again.layer.weight, whole.layer.weight)
    once_more = Run([])
    once_more.train(tmp_path)
    assert torch.equal(once_more.layer.weight, whole.layer.weight)


def looks(timed: bool) -> Looks:
    return Looks(lambda: Examined(1.0, 0.1), timed, 3, Processes.alone())


def test_on_a_budget_of_seconds_looks_are_a_twentieth_of_the_time_at_most() -> None:
    rare = looks(timed=True)
    assert not rare.due(Clock(1, 4, 19.0), last=True)
    assert rare.due(Clock(1, 4, 20.0), last=False)
    rare.look(Clock(1, 4, 20.0), [])
    assert not rare.due(Clock(1, 4, 1e9), last=True)  # the same weights
    assert rare.due(Clock(2, 8, 20.0), last=True)
    assert looks(timed=False).due(Clock(1, 4, 0.0), last=False)
