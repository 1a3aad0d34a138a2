"""The one training loop: every network is trained by :func:`train`."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Budget, Progress, Workspace
from penchant.core.errors import BadConfiguration, Interrupted, TrainingDiverged
from penchant.core.rng import Rng
from penchant.training import checkpoint
from penchant.training.checkpoint import Checkpoint
from penchant.training.interruption import Interruption, interruptible
from penchant.training.looks import Examine, Looks
from penchant.training.objective import Batch, Clock, Loss, Objective
from penchant.training.order import Batches
from penchant.training.precision import bfloat16_pays
from penchant.training.processes import Processes
from penchant.training.schedule import Schedule
from penchant.training.trainee import Trainee

Preview = Callable[[Path], None]
"""Writes a picture that shows how far training is; called while the modules hold their averaged weights."""


@dataclass(frozen=True)
class Settings:
    """How a run is paced, apart from what is trained.

    Args:
        stage: shown with the progress; names the checkpoint and the sheets.
        batch: rows of one step over all processes (rounded up to share evenly).
        precision: ``auto`` takes bfloat16 where a start-up measurement says that it pays.
        warm_up: share of the budget in which the learning rate rises from zero; it then falls along half a cosine.
        lowest: where it ends, as a share of its top.
        checkpoint_seconds: between checkpoints (one is also written at the end and on Ctrl-C).
        report_seconds: between progress reports.
        sheets: how many sample sheets are written while training runs; samples are examined when one is.
        patience: so many steps in a row without finite gradients end the run.
        looks: so many looks in a row that are surely worse than the best one end the run early.
    """

    stage: str = "training"
    batch: int = 128
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    warm_up: float = 0.01
    lowest: float = 0.01
    checkpoint_seconds: float = 60.0
    report_seconds: float = 0.5
    sheets: int = 8
    patience: int = 10
    looks: int = 3

    def __post_init__(self) -> None:
        if self.batch < 1 or self.patience < 1 or self.looks < 1 or not 0 <= self.warm_up < 1:
            raise ValueError(f"batch, patience and looks must be positive and warm_up in [0, 1); found {self}")


@dataclass(frozen=True)
class Trained:
    """How a run ended: its clock, and its last smoothed figures. The modules hold their averaged weights, or the best
    that were seen where the last were surely worse."""

    clock: Clock
    figures: Mapping[str, float] = field(default_factory=dict[str, float])


def train(
    objectives: Sequence[Objective],
    data: Sequence[np.ndarray],
    budget: Budget,
    rng: Rng,
    workspace: Workspace | None = None,
    settings: Settings | None = None,
    preview: Preview | None = None,
    processes: Processes | None = None,
    weights: Float[np.ndarray, " n"] | None = None,
    examine: Examine | None = None,
) -> Trained:
    """Train the objectives, each in turn on a batch of its own at every step, until the budget is used up.

    Runs unchanged as one process, under ``accelerate launch`` on CPUs (batches are shared out, gradients averaged,
    the first process writes) and on GPUs. With a workspace the run goes on from its checkpoint: to the bit on a
    budget of images, since order, noise and dropout are functions of the seed and the step. On a budget of seconds
    the time already used counts. A budget that is already used up changes nothing, so calling twice is safe.

    Args:
        objectives: networks with losses. Their modules are moved to the device of training, and end there with
            their averaged weights.
        data: columns with one row an example (images as bytes, memory-mapped is fine).
        budget: seconds, images, or both; a step that would overrun the time is not started.
        rng: decides order and noise.
        workspace: where checkpoints (``checkpoint/<stage>.safetensors``) and sheets go, and who is told.
        settings: pacing; ``Settings()`` by default.
        preview: writes ``sheets/<stage>-<images>.png`` as training goes.
        processes: who trains together; by default all that were started.
        weights: how often each row is seen, relative to the others; all alike without.
        examine: judges samples as training goes, on images that are not trained on. The best weights seen are kept
            beside the last, and taken where the last are surely worse (by two standard errors).

    Raises:
        Interrupted: Ctrl-C; the checkpoint is written, and the text says how to go on.
        TrainingDiverged: gradients were not finite for ``settings.patience`` steps in a row.
        BadConfiguration: the checkpoint there belongs to another run, the weights are none, or memory runs out with a
            single image (batches that do not fit are halved, and the reports say so).
        BadImages: no data.

    >>> layer = torch.nn.Linear(1, 1)
    >>> def loss(batch: tuple[Tensor, ...], noise: torch.Generator, clock: Clock) -> Loss:
    ...     return Loss((layer(batch[0]) - 3).square().mean())
    >>> end = train([Objective("layer", layer, loss)], [np.ones((8, 1), "float32")], Budget(images=1024), Rng(0))
    >>> end.clock.images
    1024
    """
    now = workspace.clock if workspace is not None else perf_counter
    start = now()
    settings = settings or Settings()
    schedule = Schedule(budget, settings.warm_up, settings.lowest)
    with interruptible() as interruption:
        run = _Run(
            objectives,
            data,
            schedule,
            rng,
            workspace,
            settings,
            preview,
            interruption,
            now,
            start,
            processes,
            weights,
            examine,
        )
        devices = [run.processes.device] if run.processes.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            return run.go()


class _Run:
    """One call of :func:`train`."""

    def __init__(
        self,
        objectives: Sequence[Objective],
        data: Sequence[np.ndarray],
        schedule: Schedule,
        rng: Rng,
        workspace: Workspace | None,
        settings: Settings,
        preview: Preview | None,
        interruption: Interruption,
        now: Callable[[], float],
        start: float,
        processes: Processes | None,
        weights: Float[np.ndarray, " n"] | None,
        examine: Examine | None,
    ):
        self.processes = processes or Processes()
        self.schedule, self.rng, self.workspace, self.settings = schedule, rng, workspace, settings
        self.preview, self.interruption, self.now = preview, interruption, now
        device, share = self.processes.device, (self.processes.index, self.processes.count)
        self.size = -(-settings.batch // self.processes.count) * self.processes.count
        self.trainees = [Trainee(objective, device) for objective in objectives]
        self.batches = [Batches(data, self.size, rng.child(o.name), device, share, weights) for o in objectives]
        self.identity = self._identity(data, weights)
        self.figures: dict[str, Tensor] = {}
        self.failures = 0
        self.parts = 1
        self.looks = Looks(examine, schedule.budget.seconds is not None, settings.looks, self.processes)
        found = self._resume()
        self.clock = found.clock if found else Clock()
        self.step_seconds = found.step_seconds if found else 0.0
        self.bfloat16 = found.bfloat16 if found else self._choose_precision()
        self.start = start - self.clock.seconds
        self.reported = self.saved = perf_counter()
        self.sheets = math.floor(self.clock.fraction * settings.sheets)

    def go(self) -> Trained:
        resumed = self.clock.images
        self._tick()
        while not (self.schedule.over(self.clock, self.step_seconds) or self.looks.hopeless):
            before = self.now()
            for trainee, batches in zip(self.trainees, self.batches, strict=True):
                if self.clock.fraction >= trainee.objective.starts:
                    self._improve(trainee, batches)
            self._tick(steps=1, taken=self.now() - before)
            self._between_steps()
        if self.clock.images > resumed:
            self._look(last=True)
            self._save()
        for trainee in self.trainees:
            trainee.finish()
        self.looks.figures |= self.looks.finish(self.trainees)
        self._report(fraction=1.0)
        if self.interruption.wished:
            raise Interrupted(self._farewell())
        return Trained(self.clock, self._figures())

    def _improve(self, trainee: Trainee, batches: Batches) -> None:
        """One step of one objective."""
        objective, clock = trainee.objective, self.clock
        noise = self.rng.child("noise", objective.name, clock.step, self.processes.index)
        loss = self._learn(trainee, batches.at(clock.images), noise)
        self.processes.average_gradients(trainee.parameters)
        if not math.isfinite(trainee.clip()):
            self._skip(objective)
            return
        self.failures = 0
        with self._precision():
            pace = self.schedule.pace(clock.fraction)
            trainee.step(pace, clock.fraction, clock.images + self.size, self.size)
        self._note(objective, loss)

    def _learn(self, trainee: Trainee, batch: Batch, noise: Rng) -> Loss:
        """Gradients of the batch: at once, or in parts one after the other where memory is short.

        Where a batch does not fit, it is halved until it does, and from then on. The gradient stays the mean over the
        whole batch, so the course of training is that of the batch that was asked for (losses that look at a batch as
        a whole see its parts).
        """
        while True:
            trainee.forget()
            torch.manual_seed(noise.child("default").entropy % 2**63)
            source, rows = noise.torch(self.processes.device), len(batch[0])
            loss = None
            try:
                for part in zip(*(column.chunk(self.parts) for column in batch), strict=True):
                    with self._precision():
                        loss = trainee.objective.loss(part, source, self.clock)
                    share = len(part[0]) / rows
                    (loss.total if share == 1 else share * loss.total).backward()
            except RuntimeError as error:
                if not _memory_ran_out(error):
                    raise
            else:
                assert loss is not None  # a batch has at least one row
                return loss
            self._halve(rows)

    def _halve(self, rows: int) -> None:
        """Take batches in twice as many parts; raises BadConfiguration where single images do not fit."""
        if self.parts >= rows:
            raise BadConfiguration(
                f"{self.settings.stage}: memory ran out with a batch of one image. A smaller network or smaller images "
                "would fit, or a machine with more memory"
            )
        self.parts = min(rows, 2 * self.parts)
        if self.processes.device.type == "cuda":
            torch.cuda.empty_cache()
        self._report(self.clock.fraction)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.processes.device.type, torch.bfloat16, enabled=self.bfloat16)

    def _skip(self, objective: Objective) -> None:
        """Leave the weights as they are; too often in a row ends the run."""
        self.failures += 1
        if self.failures >= self.settings.patience:
            raise TrainingDiverged(
                f"{self.settings.stage}: the gradients of '{objective.name}' were not finite {self.failures} times in "
                f"a row, after {self.clock.images:,} images; the last checkpoint is kept. Try a lower learning rate "
                f"(now {objective.optimiser.learning_rate:g}) or precision 'float32'."
            )

    def _note(self, objective: Objective, loss: Loss) -> None:
        """Smooth the figures over about 20 steps."""
        prefix = f"{objective.name} " if len(self.trainees) > 1 else ""
        for key, value in {"loss": loss.total, **loss.figures}.items():
            now = value.detach().float()
            self.figures[prefix + key] = torch.lerp(self.figures.get(prefix + key, now), now, 0.05)

    def _figures(self) -> dict[str, float]:
        short = {"memory is short, parts of a batch": float(self.parts)} if self.parts > 1 else {}
        return {**short, **self.looks.figures, **{key: value.item() for key, value in self.figures.items()}}

    def _tick(self, steps: int = 0, taken: float = 0.0) -> None:
        """Advance the clock; all processes agree about the time and about whether to stop."""
        wished = float(self.interruption.wished)
        seconds, taken, wished = self.processes.mean([self.now() - self.start, taken, wished])
        self.interruption.wished = wished > 0
        images = self.clock.images + steps * self.size
        self.clock = Clock(self.clock.step + steps, images, seconds, self.schedule.fraction(images, seconds))
        if steps:
            self.step_seconds = taken if self.clock.step <= 2 else 0.9 * self.step_seconds + 0.1 * taken

    def _between_steps(self) -> None:
        """Stop where it is wished; report, save and draw when it is time."""
        if self.interruption.wished:
            self._save()
            raise Interrupted(self._farewell())
        now, decided = perf_counter(), self.settings
        if now - self.reported >= decided.report_seconds:
            self.reported = now
            self._report(self.clock.fraction)
        (since,) = self.processes.mean([now - self.saved])
        if since >= decided.checkpoint_seconds:
            self._save()
        if self.sheets < math.floor(self.clock.fraction * decided.sheets) < decided.sheets:
            self.sheets += 1
            self._draw()
            self._look()

    def _report(self, fraction: float) -> None:
        if self.workspace is None or not self.processes.main:
            return
        left = 0.0 if fraction >= 1 else self.schedule.seconds_left(self.clock)
        try:
            self.workspace.report(Progress(self.settings.stage, fraction, left, self._figures()))
        except KeyboardInterrupt:
            self.interruption.wished = True

    @contextmanager
    def _shown(self) -> Generator[None]:
        """The modules hold their averaged weights inside this block."""
        with ExitStack() as averages, torch.no_grad():
            for trainee in self.trainees:
                averages.enter_context(trainee.shown())
            yield

    def _look(self, last: bool = False) -> None:
        if self.looks.due(self.clock, last):
            with self._shown():
                self.looks.look(self.clock, self.trainees)

    def _draw(self) -> None:
        if self.preview is None or self.workspace is None or not self.processes.main:
            return
        with self._shown():
            sheets = self.workspace.directory / "sheets"
            sheets.mkdir(parents=True, exist_ok=True)
            self.preview(sheets / f"{self.settings.stage}-{self.clock.images:09d}.png")

    def _save(self) -> None:
        """Write the checkpoint (the first process does)."""
        if self.workspace is not None and self.processes.main:
            tensors = {name: value for trainee in self.trainees for name, value in trainee.tensors().items()}
            tensors |= self.looks.tensors()
            state = Checkpoint(self.clock, self.step_seconds, self.bfloat16, self.identity, tensors, self.looks.state())
            checkpoint.write(self._path(self.workspace), state)
        self.processes.wait()
        self.saved = perf_counter()

    def _resume(self) -> Checkpoint | None:
        found = checkpoint.read(self._path(self.workspace), self.identity) if self.workspace is not None else None
        if found is not None:
            for trainee in self.trainees:
                trainee.load(found.tensors)
            self.looks.load(found.looks, found.tensors)
        return found

    def _path(self, workspace: Workspace) -> Path:
        return workspace.directory / "checkpoint" / f"{self.settings.stage}.safetensors"

    def _farewell(self) -> str:
        stopped = f"{self.settings.stage} was stopped after {self.clock.images:,} images"
        if self.workspace is None:
            return f"{stopped}; this stage keeps no checkpoint. Start the same command again to repeat it."
        return f"{stopped}; {self._path(self.workspace)} keeps its state. Start the same command again to go on."

    def _choose_precision(self) -> bool:
        asked = self.settings.precision
        mine = asked == "bfloat16" or (asked == "auto" and bfloat16_pays(self.processes.device.type))
        (share,) = self.processes.mean([float(mine)])
        return share > 0.5

    def _identity(self, data: Sequence[np.ndarray], weights: Float[np.ndarray, " n"] | None) -> dict[str, Any]:
        """What must be equal for a checkpoint to be this run's; the budget may be extended."""
        return {
            "stage": self.settings.stage,
            "seed": [self.rng.seed, *self.rng.path],
            "batch": self.size,
            "data": [_fingerprint(np.asarray(column)) for column in data],
            **(
                {}
                if weights is None
                else {"weights": sha256(np.asarray(weights, "float32").tobytes()).hexdigest()[:16]}
            ),
            **{f"network {t.objective.name}": t.shapes() for t in self.trainees},
            **{f"optimiser {t.objective.name}": asdict(t.objective.optimiser) for t in self.trainees},
            **{f"averaging {t.objective.name}": t.objective.half_life for t in self.trainees},
        }


def _memory_ran_out(error: RuntimeError) -> bool:
    """Whether a device or main memory had no room (torch says the latter in words alone)."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _fingerprint(column: np.ndarray) -> str:
    """Shape and type; for bytes and whole numbers also a hash of up to 1,024 rows spread over the column.

    Floating-point columns are derived (codes of images, features), and derived numbers may differ in their last bit
    from one start to the next, for example with another number of threads.
    """
    outline = f"{column.shape} {column.dtype}"
    if column.dtype.kind == "f":
        return outline
    rows = column[np.linspace(0, len(column) - 1, min(len(column), 1024)).astype(int)]
    return f"{outline} {sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()[:16]}"
