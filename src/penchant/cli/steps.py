"""What several commands share: making settings, walking the steps, showing and writing what came out."""

import json
import shlex
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from penchant.cli.options import strength
from penchant.cli.progress import ProgressBars
from penchant.core.contracts import VOTERS, Report
from penchant.core.errors import BadConfiguration, Interrupted, StudyExists
from penchant.data import ImageSet, to_uint8
from penchant.study import HUMAN, Study, StudySettings, evaluate, vote, write_report
from penchant.study.conditions import unfamiliar
from penchant.study.files import pil_image, storage_errors
from penchant.study.selecting import asked_for, rounds_of, told_of
from penchant.study.settings import FILE


def settings_of(
    source: str,
    seed: int,
    train_seconds: float,
    like_best_of: str,
    size: int = 32,
    grey: bool = False,
    fit: str = "crop",
    strategy: str = "bald",
    aligner: str = "latent_tilt",
    generator: str = "vae",
    pool: int | None = None,
    database: str | None = None,
) -> StudySettings:
    """Settings from options, checked like those of a file."""
    return StudySettings.parse(
        {
            "source": source,
            "seed": seed,
            "train_seconds": train_seconds,
            "like_best_of": strength(like_best_of),
            "images": {"size": size, "colour": not grey, "fit": fit},
            "strategy": strategy,
            "aligner": aligner,
            "generator": generator,
            **({} if pool is None else {"pool": pool}),
            **({} if database is None else {"database": database}),
        },
        "the command line",
    )


def run_all(
    console: Console, out: Console, path: Path, settings: StudySettings, voter: str, votes: int, json_file: Path | None
) -> None:
    """The whole loop; what an interrupted run did already is not done again."""
    started = time.monotonic()
    check_voter_name(voter)
    seconds: dict[str, float] = {}
    with ExitStack() as opened:
        with ProgressBars(console) as bars:
            clock = time.monotonic()
            study = opened.enter_context(_opened_or_created(path, settings, bars))
            images = study.images
            seconds["images"] = time.monotonic() - clock
            show_intake(out, images)
            if not study.versions.all():
                clock = time.monotonic()
                study.train(report=bars)
                seconds["train"] = time.monotonic() - clock
        missing = votes - len(study.taste.votes)
        if missing > 0:
            clock = time.monotonic()
            give_votes(console, study, voter, missing)
            seconds["votes"] = time.monotonic() - clock
        with ProgressBars(console) as bars:
            latest = study.versions.named("latest").figures
            wanted = (study.taste.through, settings.like_best_of)
            if (latest.get("through_seq"), latest.get("asked", latest.get("like_best_of"))) != wanted:
                clock = time.monotonic()
                study.align(settings.like_best_of, bars)
                seconds["align"] = time.monotonic() - clock
            clock = time.monotonic()
            figures = evaluate(study, report=bars)
            seconds["evaluate"] = time.monotonic() - clock
            page = write_report(study, figures, bars)
    seconds["total"] = time.monotonic() - started
    figures["seconds"] = {**{k: v for k, v in figures["seconds"].items() if v is not None}, **seconds}
    show_figures(out, figures)
    write_json(json_file, figures)
    out.print(f"\n[bold green]done[/] in {seconds['total']:.0f} s. [bold]The report:[/] {page}")


def give_votes(console: Console, study: Study, voter: str, votes: int) -> int:
    """Votes from a person in the browser, or from code."""
    others = sorted({given.voter for given in study.store.votes()} - {voter})
    if others:
        console.print(
            f"[yellow]note[/] {', '.join(others)} voted in this study too: {voter} starts from what they like, and "
            "there is no one hidden taste to measure against. The generator is bent to all together, or to one: "
            f"penchant align {shlex.quote(str(study.path))} --of {shlex.quote(voter)}",
            markup=True,
            highlight=False,
        )
    if voter != HUMAN:
        with ProgressBars(console) as bars:
            return vote(study, voter, votes, bars)
    from penchant.studio import serve
    from penchant.study import BrowserVoting

    wanted = len(study.taste.votes) + votes
    serve(BrowserVoting(study, votes))
    study.refit(force=True)
    given = len(study.taste.votes)
    if given < wanted:
        raise Interrupted(f"voting was stopped at {given} of {wanted} votes; all are kept. Give the same command again")
    return given


def check_voter_name(voter: str) -> None:
    """Tell a wrong name before anything is trained."""
    if voter != HUMAN and ":" not in voter:
        VOTERS.make(voter)


def remove_demo(path: Path) -> None:
    """Remove an earlier demo that is finished, and nothing else: its summary, a few votes, all simulated."""
    if not (path / FILE).exists():
        return
    with Study.open(path) as study:
        demo = study.settings.source == "pictures" and all(
            vote.voter.partition("(")[0] in VOTERS.names() for vote in study.store.votes()
        )
        finished = (path / "summary.json").exists()
    if not demo:
        raise StudyExists(f"{path} is not an earlier demo, so it is left alone; choose another folder with --study")
    if finished:
        shutil.rmtree(path)


def note_unfamiliar_words(console: Console, study: Study, version: str, prompt: str | None) -> None:
    """Say it where words of the prompt are on no image's caption, so that nobody blames the picture."""
    words = unfamiliar(study.path, study.generator(version), prompt) if prompt else ()
    if words:
        console.print(f"no image was called {', '.join(words)}, so that part of the prompt is guessed", highlight=False)


def write_samples(study: Study, version: str, count: int, seed: int, folder: Path, prompt: str | None = None) -> None:
    """``0000.png`` and so on."""
    images = to_uint8(study.sample(count, seed, version, prompt))
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for index, pixels in enumerate(images):
                pil_image(pixels).save(folder / f"{index:04d}.png")
    except (FileExistsError, NotADirectoryError):
        raise BadConfiguration(f"{folder} is not a folder; name another one with --out") from None


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """The figures, where they are asked for."""
    if path is not None:
        write_text(path, json.dumps(figures, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """A file, and the folder it is in."""
    try:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be written: {error.strerror}") from None


def show_intake(out: Console, images: ImageSet) -> None:
    """What was found in the folder, and what was left out and why."""
    report = images.report
    out.print(
        f"{report.used} images used of {report.found} found; {len(report.duplicates)} duplicates", highlight=False
    )
    for path, reason in report.skipped[:5]:
        out.print(f"  skipped {path}: {reason}", highlight=False, markup=False)
    if len(report.skipped) > 5:
        out.print(f"  … and {len(report.skipped) - 5} more; all are listed in the report")


def show_selection(out: Console, study: Study) -> None:
    """What each round of selecting chose and brought; nothing where all images were trained on."""
    rounds = rounds_of(study)
    if not rounds:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("round", "images", "chosen by", "KID", "coverage", "gain"):
        table.add_column(column)
    total = 0
    for one in rounds:
        total += len(one.rows)
        gain = "" if one.gain is None else f"{one.gain:+.2f}"
        figures = [_with_error(one.figures[name]) for name in ("kid", "coverage")]
        table.add_row(str(one.number), f"{total:,}", one.strategy, *figures, gain)
    out.print(table)
    out.print(told_of(rounds, len(study.images.train), asked_for(study)), highlight=False)


def _with_error(figure: Mapping[str, float | None]) -> str:
    value, high = figure["value"], figure["high"]
    if value is None:
        return "–"
    return f"{value:.3g}" if high is None else f"{value:.3g} ± {high - value:.2g}"


def show_advice(out: Console, study: Study) -> None:
    """Whether the votes are enough, in words; of several voters also each one's."""
    for sentence in study.sufficiency().sentences:
        out.print(sentence, highlight=False, markup=False)
    people = study.taste.people
    for name in people if len(people) > 1 else ():
        out.print(f"{name}: {study.sufficiency(name).sentences[0]}", highlight=False, markup=False)


def show_figures(out: Console, figures: Mapping[str, Any]) -> None:
    """The figures that matter most, as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "value", "interval", "what it means"):
        table.add_column(column)
    for name, label, meaning in _ROWS:
        value, interval = figures.get(name), figures.get(f"{name}_interval")
        if value is not None:
            shown = "" if not interval or None in interval else f"{interval[0]:.3g} – {interval[1]:.3g}"
            table.add_row(
                label, f"{value:.3g}" if isinstance(value, float) else str(value), shown, f"[dim]{meaning}[/]"
            )
    out.print(table)
    for sentence in figures.get("verdict_in_words", ()):
        out.print(sentence, highlight=False, markup=False)


_ROWS = (
    ("votes", "votes", "given so far"),
    ("audit_accuracy", "audit accuracy", "of predictions made before each uniformly chosen vote"),
    ("expected_accuracy", "expected accuracy", "of guesses at answers to random pairs, by the model's own belief"),
    ("agreement", "agreement", "with oneself, where an audit was asked again with its sides swapped"),
    ("krippendorff_alpha", "Krippendorff's α", "of the voters with each other, on pairs that several answered"),
    ("accuracy_vs_hidden_taste", "accuracy", "against the hidden taste, on fresh pairs"),
    ("win_rate", "win rate", "aligned against base, same latents"),
    ("kl_nats", "KL, nats", "how far the aligned generator is from the base"),
    ("vendi_base", "Vendi, base", "effective number of different images"),
    ("vendi_aligned", "Vendi, aligned", ""),
    ("coverage_base", "coverage, base", "share of the real images with a generated neighbour"),
    ("coverage_aligned", "coverage, aligned", ""),
    ("kid_base", "KID, base", "distance to the real images"),
    ("kid_aligned", "KID, aligned", ""),
    ("kid_floor", "KID, floor", "real against real"),
)


def _opened_or_created(path: Path, settings: StudySettings, report: Report) -> Study:
    if not (path / FILE).exists():
        return Study.create(path, settings, report)
    study = Study.open(path)
    there, wanted = study.settings, settings.anchored()
    if (there.source, there.images, there.seed) != (wanted.source, wanted.images, wanted.seed):
        study.close()
        raise StudyExists(
            f"the study at {path} is about other images or another seed ({there.source}, "
            f"{there.images.size} px, seed {there.seed}); choose another folder with --study"
        )
    if (there.strategy, there.aligner, there.train_seconds) != (wanted.strategy, wanted.aligner, wanted.train_seconds):
        study.close()
        raise StudyExists(
            f"the study at {path} asks by {there.strategy}, aligns by {there.aligner} and trains for "
            f"{there.train_seconds:g} seconds; give these, or choose another folder with --study"
        )
    return study
