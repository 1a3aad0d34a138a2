"""The command that looks at images before anything is trained on them."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from penchant.cli.options import Fit, Grey, JsonFile, Size
from penchant.cli.progress import ProgressBars


def inspect(
    images: Annotated[str, typer.Argument(help="A folder or file of images, or a study.", metavar="FOLDER|STUDY")],
    json_file: JsonFile = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Write a picture of what was found to this PNG file.", metavar="FILE")
    ] = None,
    size: Size = 32,
    grey: Grey = False,
    fit: Fit = "crop",
) -> None:
    """Find broken files, copies, near-copies, oddities and wrong labels before training; nothing is changed."""
    from penchant.cli.steps import write_json
    from penchant.core.config import build
    from penchant.data import ImageSettings, open_images
    from penchant.study import Study
    from penchant.study.inspection import KINDS, inspect_images, write_sheet
    from penchant.study.labels import KEEP, REJECT, Labels
    from penchant.study.settings import FILE

    out = Console(soft_wrap=True)
    labels: dict[int, str] | None = None
    with ProgressBars(Console(stderr=True, soft_wrap=True)) as bars, tempfile.TemporaryDirectory() as cache:
        if (Path(images) / FILE).is_file():
            with Study.open(images) as study:
                there = study.images
                given = Labels.of(study).real(there.train)
            labels = {row: name for row, name in given.items() if name not in (KEEP, REJECT)} or None
        else:
            look = build(ImageSettings, {"size": size, "colour": not grey, "fit": fit}, "the command line")
            there = open_images(images, replace(look, holdout=0.0, minimum=1), Path(cache), bars)
        found = inspect_images(there, labels, bars)
        if sheet is not None:
            shown = write_sheet(there, found, sheet)
            out.print(f"the sheet is at {sheet}" if shown else "nothing to show, so there is no sheet", highlight=False)
    write_json(json_file, found.to_dict())
    told = f"{found.looked_at:,} of {found.images:,} images looked at; nothing was changed"
    out.print(told if found.looked_at else f"{found.images} images: too few to compare", highlight=False)
    for kind in KINDS:
        own = found.of(kind)
        unsure = kind == "mislabelled" and not own and found.labels_told is not None and found.labels_told < 1
        note = f" (what resembles an image tells its class in {found.labels_told:.0%} of them)" if unsure else ""
        out.print(f"[bold]{kind}[/] {len(own)}{note}", highlight=False)
        for one in own[:5]:
            by = f"; would be chosen by {', '.join(one.chosen_by)}" if one.chosen_by else ""
            out.print(f"  {one.path}: {one.reason}{by}", highlight=False, markup=False)
        if len(own) > 5:
            out.print(f"  … and {len(own) - 5} more; --json FILE lists all")
