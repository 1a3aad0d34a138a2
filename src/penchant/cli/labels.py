"""The command that labels images by a voter, and spreads labels over the pool."""

from typing import Annotated

import typer
from rich.console import Console

from penchant.cli.options import StudyPath
from penchant.cli.progress import ProgressBars
from penchant.core.errors import BadConfiguration


def label(
    study: StudyPath,
    voter: Annotated[
        str | None, typer.Option("--voter", help="A simulated taste (warm, calm, …), or package.module:function.")
    ] = None,
    count: Annotated[int, typer.Option("--count", help="How many images.", metavar="N", min=1)] = 60,
    names: Annotated[str, typer.Option("--labels", help="What images may be called.", metavar="A,B,…")] = "keep,reject",
    version: Annotated[
        str | None, typer.Option("--version", help="Label candidates of this version; real images without.")
    ] = None,
    wanted: Annotated[
        str | None, typer.Option("--wanted", help="Ask about the images that tell most of who is called this.")
    ] = None,
    spread: Annotated[
        str | None,
        typer.Option(
            "--spread",
            help="Spread the labels over all real images; those surer than this are used. off takes it back.",
            metavar="0.9|off",
        ),
    ] = None,
) -> None:
    """Label real or generated images, keep or reject or by class; no generator learns from rejected ones."""
    from penchant.study import Study
    from penchant.study.labelling import label_images
    from penchant.study.labels import Labels
    from penchant.study.spreading import labels_since, unspread

    if voter is None and spread is None:
        raise BadConfiguration("say who labels, by --voter, or spread the labels there are, by --spread 0.9")
    surer = _confidence(spread)
    out = Console(soft_wrap=True)
    chosen = tuple(name.strip() for name in names.split(","))
    with Study.open(study) as opened, ProgressBars(Console(stderr=True, soft_wrap=True)) as bars:
        if voter is not None:
            done = label_images(opened, voter, count, chosen, version, bars, wanted)
            out.print(
                f"{done.given} labels given, {done.skipped} images passed over, {done.left} left", highlight=False
            )
        counts = Labels.of(opened).counts
        found = opened.spread(surer, bars) if surer is not None else None
        if spread == "off":
            unspread(opened)
        since = labels_since(opened)
    out.print("in all: " + (", ".join(f"{name} {many}" for name, many in counts.most_common()) or "no labels"),
              highlight=False)  # fmt: skip
    if found is not None:
        sure = ", ".join(f"{name} {len(rows)}" for name, rows in found.sure().items())
        out.print(
            f"spread over {len(found.chances):,} images; surer than {found.confidence:g}: {sure}", highlight=False
        )
        out.print(_checked(found.checked, found.confidence), highlight=False)
    elif spread == "off":
        out.print("labels that were given count alone again")
    elif since:
        out.print(f"{since} labels are newer than what was spread; give --spread again to use them", highlight=False)


def _confidence(spread: str | None) -> float | None:
    if spread in (None, "off"):
        return None
    try:
        return float(spread)
    except ValueError:
        raise BadConfiguration(f"--spread takes a confidence from 0.5 to 1, or off; found '{spread}'") from None


def _checked(checked: tuple[int, int] | None, confidence: float) -> str:
    if checked is None:
        return "too few labels to say how often that is right; two of every kind are the least"
    right, of = checked
    return f"of {of} labels that were left out once and that it was surer of than {confidence:g}, {right} were right"
