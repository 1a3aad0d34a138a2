"""Families of generators, and peers, measured after equally many core-seconds."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.bench import _peers
from penchant.bench._generator_trials import Kept
from penchant.bench._peers import Course, fit_peer
from penchant.bench._running import Row
from penchant.bench.generators import Generators
from penchant.core.contracts import Budget, Progress, Workspace, silent
from penchant.core.errors import BadConfiguration, NotCapable, UnknownName
from penchant.core.rng import Rng
from penchant.generators.gan import GAN

SMALL = "gan(latent_dim=4, widths=(8,), judge_widths=(8,), batch=16)"
FIGURES = ("kid", "recall", "coverage", "memorisation")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Generators, list[Row], list[Progress]]:
    folder = tmp_path_factory.mktemp("bench")
    benchmark = Generators(
        "pictures:1200",
        28,
        False,
        (SMALL, "peer_dcgan"),
        core_seconds=1.0,
        compared=100,
        seeds=2,
        results=str(folder / "results.jsonl"),
        sheets=str(folder / "sheets"),
    )
    heard: list[Progress] = []
    return benchmark, benchmark.run(quick=False, report=heard.append), heard


def test_generators_and_peers_had_the_same_core_seconds(
    measured: tuple[Generators, list[Row], list[Progress]],
) -> None:
    benchmark, rows, heard = measured
    wanted = [f"pictures:1200 28 px grey, {spec}: {name}" for spec in (SMALL, "peer_dcgan") for name in FIGURES]
    assert [row.what for row in rows] == wanted
    assert all(row.seconds is not None and 0.9 < row.seconds < 3 for row in rows)
    assert all(row.error is not None and row.note is not None and "2 trainings" in row.note for row in rows)
    assert rows[0].value is not None
    assert rows[0].value > 0.1
    assert benchmark.sheets is not None
    assert len(list(Path(benchmark.sheets).glob("*.png"))) == 3
    assert {"gan", "seed 1: peer_dcgan"} <= {progress.stage for progress in heard}


def test_finished_trainings_are_not_done_again(measured: tuple[Generators, list[Row], list[Progress]]) -> None:
    benchmark, rows, _ = measured
    assert benchmark.results is not None
    before = Path(benchmark.results).read_text()
    assert [json.loads(line)["seed"] for line in before.splitlines()] == [0, 0, 1, 1]
    heard: list[Progress] = []
    assert replace(benchmark, sheets=None).run(quick=False, report=heard.append) == rows
    assert Path(benchmark.results).read_text() == before
    assert "gan" not in {progress.stage for progress in heard}


def test_a_peer_that_is_not_installed_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_peers, "find_spec", lambda name: None)
    rows = Generators("pictures:1200", 28, False, ("peer_pythae_vae",), 1.0, 100).run(True, silent)
    assert [row.value for row in rows] == [None]
    assert rows[0].note is not None
    assert "pythae, which is not installed" in rows[0].note


def test_a_peer_without_networks_for_such_images_says_so() -> None:
    with pytest.raises(NotCapable, match="set up for 32 px"):
        fit_peer("peer_dcgan", np.zeros((4, 1, 64, 64), np.uint8), 0.1, 0)


def test_a_peer_stops_when_its_time_is_up_and_sees_bytes_as_floats() -> None:
    course = Course(np.full((3, 1, 28, 28), 255, np.uint8), 0.2, 0)
    seen: list[torch.Tensor] = []
    start = time.process_time()
    course.run(2, 0.5, seen.append)
    assert time.process_time() - start < 0.19
    assert seen[0].shape == (2, 1, 28, 28)
    assert all(bool((batch == 1).all()) for batch in seen)


def test_a_budget_counts_by_the_clock_of_its_workspace(tmp_path: Path) -> None:
    ticks = iter(range(1_000_000))
    network = GAN(latent_dim=4, widths=(8,), judge_widths=(8,), batch=16)
    images = np.zeros((32, 1, 28, 28), np.uint8)
    heard: list[Progress] = []
    workspace = Workspace(tmp_path, heard.append, clock=lambda: float(next(ticks)))
    start = time.perf_counter()
    network.fit(images, Budget(seconds=40.0), Rng(0), workspace)
    assert time.perf_counter() - start < 20
    assert 10 < next(ticks) < 50


@pytest.mark.parametrize(
    ("settings", "cause", "text"),
    [
        ({"compared": 10}, BadConfiguration, "at least 100"),
        ({"seeds": 0}, BadConfiguration, "positive"),
        ({"generators": ("peer_of_nobody",)}, UnknownName, "peer_of_nobody"),
    ],
)
def test_generators_refuse_what_cannot_be_run(settings: dict[str, int], cause: type[Exception], text: str) -> None:
    with pytest.raises(cause, match=text):
        replace(Generators(), **settings)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(BadConfiguration, match="no trials"):
        Kept(str(tmp_path / "other.jsonl"))
