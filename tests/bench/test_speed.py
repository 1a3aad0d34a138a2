"""Speed against a plain loop: what is measured, and what is said of it."""

import pytest
import torch

from penchant.bench._plain_loop import PlainLoop
from penchant.bench._running import BENCHMARKS
from penchant.bench.speed import LADDER, OURS, Speed
from penchant.core.contracts import silent
from penchant.core.errors import BadConfiguration
from penchant.training.objective import Batch, Clock, Loss, Objective


def test_speed_tells_images_a_second_ratios_and_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.bench.speed.bfloat16_pays", lambda device: True)
    rows = Speed(("gan",), 28, batch=4, steps=1, rounds=2, drawn=("gan",)).run(True, silent)
    speeds = [row for row in rows if "images a core-second" in row.what]
    ratios = {row.what: row for row in rows if "times the plain loop" in row.what}
    assert len(speeds) == len(LADDER) + 1
    assert len(ratios) == len(LADDER)
    assert all(row.value is not None and row.value > 0 for row in rows)
    assert [row.bar for row in ratios.values()] == [None] * (len(LADDER) - 1) + ["≥ 1.5"]
    assert rows[-1].what.startswith("gan: ms of a core")


def test_without_bfloat16_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.bench.speed.bfloat16_pays", lambda device: False)
    rows = Speed(("gan",), 28, batch=4, steps=1, rounds=2, drawn=()).run(True, silent)
    assert [row.note for row in rows if OURS in row.what][-1] == "bfloat16 does not pay here, so there is no bar"
    assert all(row.bar is None for row in rows)


@pytest.mark.parametrize("loop", LADDER.values(), ids=LADDER.keys())
def test_plain_loops_take_the_steps_that_they_are_asked_for(loop: PlainLoop) -> None:
    network, seen = torch.nn.Conv2d(3, 2, 3), list[tuple[int, ...]]()
    before = network.weight.clone()

    def loss(batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        seen.append(tuple(batch[0].shape))
        return Loss(network(batch[0].float() / 255).float().square().mean())

    loop.run([Objective("net", network, loss)], torch.full((5, 3, 6, 6), 200, dtype=torch.uint8), 4, 3)
    assert seen == [(4, 3, 6, 6)] * 3
    assert not torch.equal(network.weight, before)


@pytest.mark.parametrize("spec", ["speed(families=('vea',))", "speed(rounds=1)", "speed(steps=0)"])
def test_speed_refuses_what_cannot_be_measured(spec: str) -> None:
    with pytest.raises(BadConfiguration):
        BENCHMARKS.make(spec)
