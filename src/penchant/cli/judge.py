"""Comparing any two sets of images: folders, files, versions of a study."""

import re
from pathlib import Path

from rich.console import Console
from rich.table import Table

from penchant.cli.progress import ProgressBars
from penchant.cli.steps import write_json, write_text
from penchant.data import ImageSettings
from penchant.study.image_sets import gather
from penchant.study.judgement_page import counts, order, page, row
from penchant.study.judging import Judgement, judge


def compare_images(
    console: Console,
    out: Console,
    generated: str,
    real: str,
    settings: ImageSettings,
    holdout: str | None,
    count: int,
    extractor: str,
    seed: int,
    seen: int,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Judge, show, and write what was asked for."""
    with ProgressBars(console) as bars:
        roles = gather(generated, real, settings, holdout, count, seed, bars)
        judgement = judge(roles, extractor, seed, bars, seen)
    _show(out, judgement)
    write_json(json_file, judgement.as_json())
    if html_file is not None:
        write_text(html_file, page(judgement))
        out.print(f"the page is at {html_file}")


def _show(out: Console, judgement: Judgement) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    several = judgement.extractors > 1
    for column in ("", "value", "95% interval", "floor", "p", *(["extractors"] if several else [])):
        table.add_column(column, no_wrap=True)
    for name in order(judgement):
        texts = row(judgement, name)
        short = re.split(r"[\[@]", texts["label"])[0]
        if not texts["reason"]:
            cells = [texts[key] for key in ("value", "interval", "floor", "p", "spread")]
            table.add_row(short, *(cells if several else cells[:-1]))
    out.print(table)
    label = judgement.label("frechet")
    told = f"the Fréchet distance is {label}" if "@" in label else judgement.extractor
    out.print(f"{told}, features {judgement.extractor_hash}; {counts(judgement)}", highlight=False, markup=False)
    out.print(f"{judgement.extractor}: {judgement.about}", highlight=False, markup=False)
    reasons = [
        f"{judgement.label(name)} is not measured: {one.reason}"
        for name, one in judgement.figures.items()
        if one.reason
    ]
    notes = [f"note: {note}" for note in judgement.roles.notes]
    for text in (*judgement.sentences, *reasons, *notes):
        out.print(text, highlight=False, markup=False)
