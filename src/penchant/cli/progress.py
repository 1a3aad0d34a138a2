"""Progress bars that tell the time left; plain lines where the output is not a terminal."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:  # the contracts import torch, which takes a second; `penchant --help` must not wait for it
    from penchant.core.contracts import Progress


class ProgressBars:
    """A bar a stage. Call it with :class:`~penchant.core.contracts.Progress`; use it as a context manager."""

    def __init__(self, console: Console):
        self._console = console
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[figures]}[/]"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._said: set[str] = set()

    def __enter__(self) -> "ProgressBars":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._bars.stop()

    def __call__(self, progress: "Progress") -> None:
        """Show how far a stage is, or a message as a line of its own."""
        stage = progress.stage
        if progress.message:
            if stage not in self._said:
                self._said.add(stage)
                self._console.print(stage)
            return
        if stage not in self._tasks:
            self._started[stage] = time.monotonic()
            self._tasks[stage] = self._bars.add_task(stage, total=1.0, left="", figures="")
            if not self._console.is_terminal:
                self._console.print(f"{stage} …")
        left = progress.seconds_left
        if left is None and 0.02 < progress.fraction < 1:
            elapsed = time.monotonic() - self._started[stage]
            left = elapsed * (1 - progress.fraction) / progress.fraction
        self._bars.update(
            self._tasks[stage],
            completed=min(progress.fraction, 1.0),
            left=_left(left) if progress.fraction < 1 else "",
            figures="  ".join(f"{name} {value:.4g}" for name, value in progress.figures.items()),
        )


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left"
