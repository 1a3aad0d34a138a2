"""The training loop: counts, resumes to the bit, stops in time, survives bad numbers."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from penchant.core.contracts import Budget, Progress, Workspace
from penchant.core.errors import BadConfiguration, BadImages, Interrupted, TrainingDiverged
from penchant.core.rng import Rng
from penchant.training import loop
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Batch, Clock, Loss, MuonAdam, Objective

SETTINGS = Settings(batch=4, precision="float32", report_seconds=0.0)
DATA = [np.arange(40, dtype=np.float32).reshape(20, 2) / 40]


ADAM = Adam(learning_rate=0.01, weight_decay=0.1)


def noisy(seed: int = 0, half_life: int | None = 50, optimiser: Adam | MuonAdam = ADAM) -> Objective:
    """A network with dropout and a loss with noise: everything that resuming must bring back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Dropout(0.3), nn.Linear(8, 1))

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        (rows,) = batch
        error = module(rows + 0.1 * torch.randn(rows.shape, generator=noise)).sub(3).square().mean()
        return Loss(error, {"error": error})

    return Objective("net", module, loss, optimiser, half_life)


def weights(objective: Objective) -> Tensor:
    return torch.cat([value.flatten() for value in objective.module.state_dict().values()])


def test_train_solves_a_regression() -> None:
    layer = nn.Linear(2, 1)
    truth = DATA[0] @ np.array([[1.0], [-2.0]], dtype=np.float32) + 0.5

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        return Loss((layer(batch[0]) - batch[1]).square().mean())

    objective = Objective("layer", layer, loss, Adam(learning_rate=0.05))
    end = train([objective], [*DATA, truth], Budget(images=8_000), Rng(0), settings=replace(SETTINGS, batch=20))
    assert end.clock.images == 8_000
    assert end.clock.step == 400
    assert torch.allclose(layer.bias, torch.tensor([0.5]), atol=0.02) or end.figures["loss"] < 1e-3


@pytest.mark.parametrize(("stop_at", "optimiser"), [(1, ADAM), (7, ADAM), (3, MuonAdam())])
def test_train_resumes_to_the_bit_when_stopped(tmp_path: Path, stop_at: int, optimiser: Adam | MuonAdam) -> None:
    whole = noisy(optimiser=optimiser)
    train([whole], DATA, Budget(images=40), Rng(3), settings=SETTINGS)

    def stop(progress: Progress) -> None:
        if progress.fraction >= stop_at / 10:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="go on"):
        train([noisy(optimiser=optimiser)], DATA, Budget(images=40), Rng(3), Workspace(tmp_path, stop), SETTINGS)
    resumed = noisy(seed=9, optimiser=optimiser)
    end = train([resumed], DATA, Budget(images=40), Rng(3), Workspace(tmp_path), SETTINGS)
    assert end.clock.step == 10
    assert torch.equal(weights(whole), weights(resumed))


def test_train_changes_nothing_when_the_budget_is_used_up(tmp_path: Path) -> None:
    first, second = noisy(), noisy(seed=1)
    train([first], DATA, Budget(images=40), Rng(0), Workspace(tmp_path), SETTINGS)
    before = (tmp_path / "checkpoint" / "training.safetensors").read_bytes()
    end = train([second], DATA, Budget(images=40), Rng(0), Workspace(tmp_path), SETTINGS)
    assert end.clock.images == 40
    assert torch.equal(weights(first), weights(second))
    assert (tmp_path / "checkpoint" / "training.safetensors").read_bytes() == before


def test_train_goes_on_when_the_budget_is_extended(tmp_path: Path) -> None:
    train([noisy()], DATA, Budget(images=40), Rng(0), Workspace(tmp_path), SETTINGS)
    end = train([noisy()], DATA, Budget(images=60), Rng(0), Workspace(tmp_path), SETTINGS)
    assert end.clock.step == 15


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("seed", "seed"),
        ("data", "data"),
        ("batch", "batch"),
        ("network", "network net"),
        ("half_life", "averaging net"),
    ],
)
def test_train_refuses_a_checkpoint_of_another_run(tmp_path: Path, change: str, named: str) -> None:
    train([noisy()], DATA, Budget(images=8), Rng(0), Workspace(tmp_path), SETTINGS)
    objective = noisy(half_life=9 if change == "half_life" else 50)
    if change == "network":
        objective = replace(objective, module=nn.Linear(2, 1))
    data = [DATA[0][1:]] if change == "data" else DATA
    settings = replace(SETTINGS, batch=5) if change == "batch" else SETTINGS
    with pytest.raises(BadConfiguration, match=f"differ: {named}"):
        train([objective], data, Budget(images=8), Rng(1 if change == "seed" else 0), Workspace(tmp_path), settings)


def test_train_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    train([noisy()], DATA, Budget(images=40), Rng(0), settings=SETTINGS)
    assert torch.equal(before, torch.random.get_rng_state())


def test_train_stops_whole_when_a_signal_arrives(tmp_path: Path) -> None:
    objective = noisy()
    inner, former = objective.loss, signal.getsignal(signal.SIGINT)

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        if clock.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return inner(batch, noise, clock)

    with pytest.raises(Interrupted, match="after 12 images"):
        train([replace(objective, loss=loss)], DATA, Budget(images=40), Rng(0), Workspace(tmp_path), SETTINGS)
    assert (tmp_path / "checkpoint" / "training.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is former


def test_train_says_what_is_lost_when_stopped_without_a_workspace() -> None:
    objective = noisy()

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        os.kill(os.getpid(), signal.SIGTERM)
        return objective.loss(batch, noise, clock)

    with pytest.raises(Interrupted, match="keeps no checkpoint"):
        train([replace(objective, loss=loss)], DATA, Budget(images=40), Rng(0), settings=SETTINGS)


def spoiled(objective: Objective, steps: set[int]) -> Objective:
    """The same objective, its loss not a number in these steps."""

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        right = objective.loss(batch, noise, clock)
        return Loss(right.total * float("nan")) if clock.step in steps else right

    return replace(objective, loss=loss)


def test_train_skips_a_step_without_finite_gradients() -> None:
    objective = noisy(half_life=None)
    start = weights(objective).clone()
    train([spoiled(objective, {0, 1})], DATA, Budget(images=8), Rng(0), settings=SETTINGS)
    assert torch.equal(weights(objective), start)
    train([spoiled(objective, {0, 1})], DATA, Budget(images=12), Rng(0), settings=SETTINGS)
    assert weights(objective).isfinite().all()
    assert not torch.equal(weights(objective), start)


def test_train_gives_up_when_gradients_stay_bad(tmp_path: Path) -> None:
    objective = noisy()
    with pytest.raises(TrainingDiverged, match=r"'net' were not finite 3 times in a row, after 16 images.*0\.01"):
        train(
            [spoiled(objective, {2, 3, 4, 5, 6})],
            DATA,
            Budget(images=400),
            Rng(0),
            Workspace(tmp_path),
            replace(SETTINGS, patience=3),
        )
    assert weights(objective).isfinite().all()


def test_train_starts_no_step_that_would_overrun_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(loop, "perf_counter", lambda: now[0])
    objective = noisy()

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        now[0] += 3.0
        return objective.loss(batch, noise, clock)

    end = train([replace(objective, loss=loss)], DATA, Budget(seconds=20), Rng(0), settings=SETTINGS)
    assert end.clock.step == 6
    assert end.clock.seconds == 18.0


def test_train_counts_the_seconds_of_earlier_parts(tmp_path: Path) -> None:
    now = [0.0]
    workspace = Workspace(tmp_path, clock=lambda: now[0])
    objective = noisy()

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        now[0] += 1.0
        if clock.step == 3 and now[0] < 5:
            os.kill(os.getpid(), signal.SIGINT)
        return objective.loss(batch, noise, clock)

    timed = replace(objective, loss=loss)
    with pytest.raises(Interrupted):
        train([timed], DATA, Budget(seconds=10), Rng(0), workspace, SETTINGS)
    now[0] = 1000.0
    end = train([timed], DATA, Budget(seconds=10), Rng(0), workspace, SETTINGS)
    assert end.clock.seconds == 9.0
    assert end.clock.step == 9
    again = train([timed], DATA, Budget(seconds=10), Rng(0), workspace, SETTINGS)
    assert again.clock == end.clock


def test_train_reports_rising_fractions_with_time_left(tmp_path: Path) -> None:
    heard: list[Progress] = []
    train([noisy()], DATA, Budget(images=40), Rng(0), Workspace(tmp_path, heard.append), SETTINGS)
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(heard) == 11
    assert all(progress.seconds_left is not None and progress.stage == "training" for progress in heard)
    assert set(heard[-1].figures) == {"loss", "error"}


def test_train_plays_objectives_in_turn_on_batches_of_their_own() -> None:
    seen: list[tuple[str, tuple[float, ...]]] = []

    def player(name: str) -> Objective:
        module = nn.Linear(2, 1)

        def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
            seen.append((name, tuple(batch[0][:, 0].tolist())))
            return Loss(module(batch[0]).square().mean())

        return Objective(name, module, loss)

    end = train([player("judge"), player("forger")], DATA, Budget(images=8), Rng(0), settings=SETTINGS)
    assert [name for name, _ in seen] == ["judge", "forger"] * 2
    assert seen[0][1] != seen[1][1]
    assert set(end.figures) == {"judge loss", "forger loss"}


def test_train_draws_previews_with_averaged_weights(tmp_path: Path) -> None:
    objective = noisy(half_life=10_000)
    drawn: list[tuple[str, Tensor, bool]] = []
    during: list[Tensor] = []

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        during.append(weights(objective).clone())
        return objective.loss(batch, noise, clock)

    def preview(path: Path) -> None:
        assert path.parent.is_dir()
        drawn.append((path.name, weights(objective).clone(), objective.module.training))

    settings = replace(SETTINGS, sheets=2)
    train([replace(objective, loss=loss)], DATA, Budget(images=40), Rng(0), Workspace(tmp_path), settings, preview)
    assert [name for name, _, _ in drawn] == ["training-000000020.png"]
    assert not drawn[0][2]
    assert not torch.equal(drawn[0][1], during[5])


def test_train_matches_plain_adamw_when_weights_are_not_averaged() -> None:
    objective = noisy(half_life=None)
    torch.manual_seed(0)
    layer = nn.Linear(2, 1)
    twin = nn.Linear(2, 1)
    twin.load_state_dict(layer.state_dict())

    def loss(batch: Batch, noise: Generator, clock: Clock) -> Loss:
        return Loss(layer(batch[0]).sub(1).square().mean())

    settings = Settings(batch=20, precision="float32", warm_up=0.0, lowest=1.0)
    adam = Adam(learning_rate=0.1, betas=(0.9, 0.99), weight_decay=0.0, clip=1e9)
    train(
        [replace(objective, module=layer, loss=loss, optimiser=adam)],
        DATA,
        Budget(images=100),
        Rng(0),
        settings=settings,
    )
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.1, betas=(0.9, 0.99))
    for _ in range(5):
        optimiser.zero_grad()
        twin(torch.from_numpy(DATA[0])).sub(1).square().mean().backward()
        optimiser.step()
    assert torch.allclose(layer.weight, twin.weight, atol=1e-5)


@pytest.mark.parametrize("data", [[np.zeros((0, 2), np.float32)], [np.zeros((3, 1)), np.zeros((4, 1))], []])
def test_train_refuses_columns_without_rows_or_of_different_lengths(data: list[np.ndarray]) -> None:
    with pytest.raises(BadImages, match="one length"):
        train([noisy()], data, Budget(images=4), Rng(0), settings=SETTINGS)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"patience": 0}, {"warm_up": 1.0}])
def test_settings_refuse_what_cannot_work(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        replace(Settings(), **wrong)


def test_an_objective_that_starts_later_rests_until_then() -> None:
    early, late = (torch.nn.Linear(1, 1) for _ in range(2))
    fractions: list[float] = []

    def loss_of(layer: torch.nn.Linear, seen: list[float]) -> Callable[[Batch, torch.Generator, Clock], Loss]:
        def loss(batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
            seen.append(clock.fraction)
            return Loss((layer(batch[0]) - 3).square().mean())

        return loss

    players = [
        Objective("early", early, loss_of(early, [])),
        Objective("late", late, loss_of(late, fractions), starts=0.5),
    ]
    train(players, [np.ones((8, 1), "float32")], Budget(images=64), Rng(0), settings=Settings(batch=8))
    assert fractions == [0.5, 0.625, 0.75, 0.875]


class Cramped:
    """A regression that runs out of memory with more than ``room`` rows; counts how often it did."""

    def __init__(self, layer: torch.nn.Linear, room: int, words: str = ""):
        self.layer, self.room, self.words, self.refused = layer, room, words, 0

    def __call__(self, batch: Batch, noise: Generator, clock: Clock) -> Loss:
        if len(batch[0]) > self.room:
            self.refused += 1
            raise RuntimeError(self.words) if self.words else torch.OutOfMemoryError("no room")
        return Loss((self.layer(batch[0]) - batch[1]).square().mean())


def cramped(room: int, words: str = "", report: list[Progress] | None = None, folder: Path | None = None) -> Cramped:
    """The regression after four steps of 18 rows, whose quarters are not alike: 5, 5, 5 and 3."""
    rows = Rng(0).numpy().standard_normal((18, 3)).astype("float32")
    torch.manual_seed(0)
    loss = Cramped(torch.nn.Linear(3, 1), room, words)
    workspace = None if folder is None or report is None else Workspace(folder, report.append)
    objective = Objective("layer", loss.layer, loss, Adam(0.1), half_life=None)
    train(
        [objective], [rows, rows[:, :1]], Budget(images=72), Rng(0), workspace, Settings(batch=18, precision="float32")
    )
    return loss


@pytest.mark.parametrize("words", ["", "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"])
def test_a_batch_that_does_not_fit_is_halved_and_learned_whole(tmp_path: Path, words: str) -> None:
    reports: list[Progress] = []
    whole, halved = cramped(18), cramped(5, words, reports, tmp_path)
    assert halved.refused == 2  # 18 and 9 rows do not fit, 5 do, and from then on
    torch.testing.assert_close(halved.layer.weight, whole.layer.weight)
    assert reports[-1].figures["memory is short, parts of a batch"] == 4


def test_one_image_that_does_not_fit_is_said() -> None:
    with pytest.raises(BadConfiguration, match="memory ran out with a batch of one image"):
        cramped(0)
    with pytest.raises(RuntimeError, match="a mistake"):
        cramped(0, "a mistake")
