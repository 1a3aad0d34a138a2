"""The command that labels images by a voter."""

from typing import Annotated

import typer
from rich.console import Console

from penchant.cli.options import StudyPath
from penchant.cli.progress import ProgressBars


def label(
    study: StudyPath,
    voter: Annotated[
        str, typer.Option("--voter", help="A simulated taste (warm, calm, …), or package.module:function.")
    ],
    count: Annotated[int, typer.Option("--count", help="How many images.", metavar="N", min=1)] = 60,
    names: Annotated[str, typer.Option("--labels", help="What images may be called.", metavar="A,B,…")] = "keep,reject",
    version: Annotated[
        str | None, typer.Option("--version", help="Label candidates of this version; real images without.")
    ] = None,
) -> None:
    """Label real or generated images, keep or reject or by class; no generator learns from rejected ones."""
    from penchant.study import Study
    from penchant.study.labelling import label_images
    from penchant.study.labels import Labels

    out = Console(soft_wrap=True)
    wanted = tuple(name.strip() for name in names.split(","))
    with Study.open(study) as opened, ProgressBars(Console(stderr=True, soft_wrap=True)) as bars:
        done = label_images(opened, voter, count, wanted, version, bars)
        counts = Labels.of(opened).counts
    out.print(f"{done.given} labels given, {done.skipped} images passed over, {done.left} left", highlight=False)
    out.print("in all: " + ", ".join(f"{name} {many}" for name, many in counts.most_common()), highlight=False)
