"""The command that trains again with kept images of the generator's own."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from penchant.cli.options import StudyPath
from penchant.cli.progress import ProgressBars


def feed(
    study: StudyPath,
    cap: Annotated[
        float, typer.Option("--cap", help="The most that generated images may be of what is seen in training.")
    ] = 0.25,
    weight: Annotated[
        float, typer.Option("--weight", help="How often a kept generated image is seen, relative to a real one.")
    ] = 1.0,
    seconds: Annotated[
        float | None, typer.Option("--train-seconds", help="Instead of the study's training time.", metavar="S")
    ] = None,
) -> None:
    """Train afresh on the real images and the generated ones you kept; says whether the generator narrows on itself."""
    from penchant.study import Study
    from penchant.study.feeding import WATCHED, Diet

    console, out = Console(stderr=True, soft_wrap=True), Console(soft_wrap=True)
    diet = Diet(cap, weight)
    with Study.open(study) as opened, ProgressBars(console) as bars:
        version = opened.feed(diet, seconds, bars)
    record = version.figures["fed"]
    out.print(
        f"version {version.number}: {record['kept']} generated images, {record['share']:.1%} of what is seen",
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    times = [when for when in ("base", "before", "after") if when in record]
    for column in ("", *times):
        table.add_column(column)
    for name in WATCHED:
        values = [record[when][name]["value"] for when in times]
        table.add_row(name, *("–" if value is None else f"{value:.3g}" for value in values))
    out.print(table)
    if version.figures["note"]:
        style = "[yellow]warning[/] " if record["collapse"] else "note: "
        console.print(f"{style}{version.figures['note']}", highlight=False)
