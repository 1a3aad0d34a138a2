"""Running a benchmark by name, and showing its rows."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from penchant.core.contracts import Progress, Report
from penchant.core.family import Family

BENCHMARKS = Family("benchmark", "penchant.bench", "run")


@dataclass(frozen=True)
class Row:
    """One figure: what it is, its value and standard error, the bar it should meet, and how long it took.

    ``bar`` is text such as ``"< 5"`` or ``"≥ 0.85"``; ``met`` is None where there is no bar. Where something could not
    be measured there is no value, and ``note`` says why.
    """

    what: str
    value: float | None
    error: float | None = None
    bar: str | None = None
    met: bool | None = None
    seconds: float | None = None
    note: str | None = None

    @staticmethod
    def left_out(what: str, why: str) -> "Row":
        """A row without a figure."""
        return Row(what, None, note=f"left out, {why}")

    @staticmethod
    def against(what: str, value: float, bar: str, error: float | None = None, seconds: float | None = None) -> "Row":
        """A row whose bar is ``"< x"``, ``"≤ x"`` or ``"≥ x"``."""
        sign, limit = bar.split()
        met = {"<": value < float(limit), "≤": value <= float(limit), "≥": value >= float(limit)}[sign]
        return Row(what, value, error, bar, met, seconds)


class Benchmark(Protocol):
    """A benchmark component: a frozen dataclass with ``run``."""

    def run(self, quick: bool, report: Report) -> list[Row]:
        """The figures; ``quick`` uses fewer seeds."""
        ...


def run_benchmark(name: str, quick: bool, out: Console) -> list[dict[str, Any]]:
    """Run the benchmark ``name`` and print its table; ``list`` names them all.

    Raises:
        UnknownName: there is no such benchmark.
    """
    if name == "list":
        for known in BENCHMARKS.names():
            out.print(known)
        return []
    benchmark: Benchmark = BENCHMARKS.make(name)
    with out.status(f"{name} …") as status:

        def show(progress: Progress) -> None:
            status.update(f"{name}: {progress.stage} {progress.fraction:.0%}")

        rows = benchmark.run(quick, show)
    table = Table(title=name, title_justify="left", box=None, header_style="dim")
    for column in ("what", "value", "error", "bar", "met", "seconds"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in rows:
        met = "" if row.met is None else "[green]yes[/]" if row.met else "[red]no[/]"
        what = row.what if row.note is None else f"{row.what}: {row.note}"
        table.add_row(what, _number(row.value), _number(row.error), row.bar or "", met, _number(row.seconds))
    out.print(table)
    return [asdict(row) for row in rows]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
