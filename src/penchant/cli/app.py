"""The commands. Each parses, calls the study, and shows."""

import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from penchant.cli.feeding import feed
from penchant.cli.inspection import inspect
from penchant.cli.invites import invite, invites, revoke
from penchant.cli.labels import label
from penchant.cli.options import (
    Against,
    Aligner,
    Database,
    ExtractorName,
    FirstVersion,
    Fit,
    Generator,
    Grey,
    Holdout,
    HtmlFile,
    ImagesCount,
    ImagesOf,
    JsonFile,
    LikeBestOf,
    OrderedBy,
    Pixels,
    Pool,
    Prompt,
    Rounds,
    SecondVersion,
    Seed,
    SelectBy,
    SelectedImages,
    Size,
    Source,
    Strategy,
    StudyOption,
    StudyPath,
    TasteFolder,
    TasteOut,
    TrainSeconds,
    VersionName,
    VoterOption,
    VotesOption,
    Whose,
    strength,
)
from penchant.cli.progress import ProgressBars
from penchant.cli.studio import studio
from penchant.core.errors import BadConfiguration, Interrupted


class Commands(TyperGroup):
    """The commands; Ctrl-C in any of them is told as what it is."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("stopped; what was stored is safe. Give the same command again to go on") from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
tastes = typer.Typer(no_args_is_help=True, help="Tastes on their own: export, import, blend, show.")
app.add_typer(tastes, name="taste")
app.command()(studio)
app.command()(label)
app.command()(feed)
app.command()(inspect)
for command in (invite, invites, revoke):
    app.command()(command)
console = Console(stderr=True, soft_wrap=True)
out = Console(soft_wrap=True)


@app.callback()
def start(ctx: typer.Context) -> None:
    """Learn a taste in images from as few votes as possible and bend a generator to it."""
    if ctx.invoked_subcommand != "train" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise BadConfiguration(
            "only `penchant train` runs as several processes; start the other commands without a launcher"
        )


@app.command()
def demo(
    study: StudyOption = Path("penchant-demo"),
    voter: VoterOption = "warm",
    votes: VotesOption = 60,
    train_seconds: TrainSeconds = 90,
    like_best_of: LikeBestOf = "6",
    seed: Seed = 0,
) -> None:
    """Walk the whole loop on the embedded picture set with a simulated voter; replaces an earlier demo."""
    from penchant.cli.steps import check_voter_name, remove_demo, run_all, settings_of

    settings = settings_of("pictures", seed, train_seconds, like_best_of)
    check_voter_name(voter)
    remove_demo(study)
    run_all(console, out, study, settings, voter, votes, study / "summary.json")
    by_hand = shlex.quote(str(study.with_name("my-study")))
    out.print(
        "\n[bold]Vote yourself[/]        penchant run pictures --study "
        f"{by_hand} --voter human\n[bold]Your own images[/]      penchant run FOLDER --study {by_hand} --voter human"
    )


@app.command()
def run(
    source: Source,
    study: StudyOption = Path("study"),
    size: Size = 32,
    voter: VoterOption = "human",
    votes: VotesOption = 60,
    train_seconds: TrainSeconds = 90,
    like_best_of: LikeBestOf = "6",
    seed: Seed = 0,
    grey: Grey = False,
    fit: Fit = "crop",
    strategy: Strategy = "bald",
    aligner: Aligner = "latent_tilt",
    generator: Generator = "vae",
    pool: Pool = None,
    json_file: JsonFile = None,
    database: Database = None,
) -> None:
    """Do everything: read the images, train, vote, align, evaluate, report. Goes on where an earlier run stopped."""
    from penchant.cli.steps import run_all, settings_of

    settings = settings_of(
        source, seed, train_seconds, like_best_of, size, grey, fit, strategy, aligner, generator, pool, database
    )
    run_all(console, out, study, settings, voter, votes, json_file)


@app.command()
def new(
    source: Source,
    study: StudyOption = Path("study"),
    size: Size = 32,
    seed: Seed = 0,
    train_seconds: TrainSeconds = 90,
    like_best_of: LikeBestOf = "6",
    grey: Grey = False,
    fit: Fit = "crop",
    strategy: Strategy = "bald",
    aligner: Aligner = "latent_tilt",
    generator: Generator = "vae",
    pool: Pool = None,
    database: Database = None,
) -> None:
    """Make a study of a folder of images and say what was found in it; nothing is trained yet."""
    from penchant.cli.steps import settings_of, show_intake
    from penchant.study import Study

    settings = settings_of(
        source, seed, train_seconds, like_best_of, size, grey, fit, strategy, aligner, generator, pool, database
    )
    with ProgressBars(console) as bars, Study.create(study, settings, bars) as made:
        images = made.images
    show_intake(out, images)
    out.print(f"the study is at {study}; next: penchant train {study}")


@app.command()
def train(
    study: StudyPath,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Instead of the study's train_seconds.")] = None,
    select: SelectBy = None,
    budget: SelectedImages = 1000,
    rounds: Rounds = 4,
    taste: TasteFolder = None,
) -> None:
    """Train the generator and generate the first candidates; goes on where an earlier try stopped.

    With --select on some of the images only: chosen in rounds, by what the generator of the round before lacks.

    Runs as several processes too: accelerate launch --num_processes 2 --multi_gpu -m penchant train STUDY
    """
    from penchant.cli.steps import show_selection
    from penchant.study import Study
    from penchant.study.selecting import SelectionPlan
    from penchant.training.processes import Processes

    plan = None if select is None else SelectionPlan(select, budget, rounds, taste=taste)
    if not Processes().main:
        Study.assist_training(study, seconds)
        return
    with Study.open(study) as opened, ProgressBars(console) as bars:
        version = opened.train(seconds, bars, plan)
        show_selection(out, opened)
    out.print(f"version {version.number} is trained; next: penchant vote {study} --voter human")


@app.command()
def vote(study: StudyPath, voter: VoterOption = "human", votes: VotesOption = 60) -> None:
    """Vote: in the browser, or by a simulated voter or a Python function."""
    from penchant.cli.steps import give_votes, show_advice
    from penchant.study import Study

    with Study.open(study) as opened:
        total = give_votes(console, opened, voter, votes)
        show_advice(out, opened)
    out.print(f"{total} votes in all; next: penchant align {study}")


@app.command()
def learn(study: StudyPath) -> None:
    """Teach networks the votes so far; what they look for joins the features, for the votes to speak for."""
    from penchant.study import Study

    with Study.open(study) as opened, ProgressBars(console) as bars:
        number = opened.learn(bars)
        used = opened.taste.posterior.state()["mean"].size == opened.extractor.width
    said = "speak for it, so it counts" if used else "do not speak for it yet, so it waits outside"
    out.print(f"features {number} are learned: the votes {said}; next: penchant vote {study}")


@app.command()
def align(
    study: StudyPath,
    like_best_of: Annotated[
        str | None, typer.Option("--like-best-of", help="Instead of the study's strength.", metavar="N|auto")
    ] = None,
    of: Whose = None,
) -> None:
    """Bend the generator to the taste learned so far; the base generator stays as it is."""
    from penchant.cli.tastes import whose
    from penchant.study import Study

    with Study.open(study) as opened, ProgressBars(console) as bars:
        version = opened.align(None if like_best_of is None else strength(like_best_of), bars, whose(of))
    figures = version.figures
    out.print(
        f"version {version.number}: KL {figures['kl_nats']:.2f} nats ({figures['kl_estimator']}); "
        f"next: penchant report {study}"
    )
    if figures["note"]:
        console.print(f"note: {figures['note']}", markup=False, highlight=False)


@app.command()
def sample(
    study: StudyPath,
    out_dir: Annotated[Path, typer.Option("--out", help="Where the PNG files go.", metavar="DIR")],
    version: VersionName = "latest",
    count: Annotated[int, typer.Option("--count", help="How many images.", metavar="N", min=1)] = 16,
    seed: Seed = 0,
    prompt: Prompt = None,
) -> None:
    """Write images of a version as PNG; the same seed has the same latents in every version."""
    from penchant.cli.steps import note_unfamiliar_words, write_samples
    from penchant.study import Study

    with Study.open(study) as opened:
        write_samples(opened, version, count, seed, out_dir, prompt)
        note_unfamiliar_words(console, opened, version, prompt)
    out.print(f"{count} images are in {out_dir}")


@app.command()
def evaluate(
    images: ImagesOf,
    against: Against = None,
    version: VersionName = "latest",
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
    extractor: ExtractorName = "random_convolutions",
    holdout: Holdout = None,
    count: ImagesCount = 1000,
    size: Size = 32,
    grey: Grey = False,
    fit: Fit = "crop",
    seed: Seed = 0,
    pixels: Pixels = True,
) -> None:
    """Measure a study's version against its base and the real images; or any images against any others.

    penchant evaluate STUDY, or penchant evaluate GENERATED REAL, each a folder, a file or STUDY@VERSION.
    """
    if against is None:
        from penchant.cli.steps import show_figures, write_json
        from penchant.study import Study, evaluate

        if html_file is not None:
            raise BadConfiguration(f"the page of a study is its report: penchant report {shlex.quote(images)}")
        name, _, number = images.rpartition("@")
        images, version = (name, number) if name and not Path(images).exists() else (images, version)
        with Study.open(images) as opened, ProgressBars(console) as bars:
            figures = evaluate(opened, version, bars)
        show_figures(out, figures)
        write_json(json_file, figures)
        return
    from penchant.cli.judge import compare_images
    from penchant.core.config import build
    from penchant.data import ImageSettings

    settings = build(ImageSettings, {"size": size, "colour": not grey, "fit": fit}, "the command line")
    seen = 30_000 if pixels else 0
    compare_images(console, out, images, against, settings, holdout, count, extractor, seed, seen, json_file, html_file)


@app.command()
def compare(
    study: StudyPath,
    first: FirstVersion = "latest",
    second: SecondVersion = "base",
    voter: VoterOption = "human",
    votes: VotesOption = 50,
    json_file: JsonFile = None,
) -> None:
    """Compare two versions blindly: sides at random, names hidden; the answers teach no taste."""
    from penchant.cli.compare import compare_versions

    compare_versions(console, out, study, first, second, voter, votes, json_file)


@app.command()
def leaderboard(study: StudyPath, by: OrderedBy = "comparisons", json_file: JsonFile = None) -> None:
    """Order the versions by all blind comparisons of them, or by the votes that teach the taste."""
    from penchant.cli.compare import show_leaderboard

    show_leaderboard(out, study, json_file, by)


@app.command()
def report(study: StudyPath) -> None:
    """Write the report of the round: one page of HTML, and its figures as JSON."""
    from penchant.study import Study, write_report

    with Study.open(study) as opened, ProgressBars(console) as bars:
        page = write_report(opened, report=bars)
    out.print(f"the report is at {page}")


@app.command()
def export(
    study: StudyPath,
    out_file: Annotated[Path, typer.Option("--out", help="The file to write.", metavar="FILE")],
    format_name: Annotated[
        str, typer.Option("--format", help="csv, jsonl, parquet, pick-a-pic or chosen-rejected.")
    ] = "csv",
) -> None:
    """Write the votes to a file."""
    from penchant.store import export_votes
    from penchant.study import Study

    with Study.open(study) as opened:
        exported = export_votes(opened.store, format_name, out_file)
    out.print(f"{exported.written} votes are in {out_file}")
    if exported.left_out:
        out.print(f"{exported.left_out} chose neither image (tie, both bad, skip) and have no place in that form")


@tastes.command("export")
def export_taste(study: StudyPath, out_dir: TasteOut, of: Whose = None) -> None:
    """Write the taste learned in a study to a folder of its own, which another study or generator can use."""
    from penchant.cli.tastes import keep, show, whose
    from penchant.study import Study

    with Study.open(study) as opened:
        taste = opened.portable_taste(whose(of))
    keep(taste, out_dir)
    show(out, taste)
    out.print(f"the taste is in {out_dir}; next: penchant taste import OTHER-STUDY {out_dir}")


@tastes.command("import")
def import_taste(
    study: StudyPath,
    taste: Annotated[Path, typer.Argument(help="The folder of the taste.", metavar="TASTE", show_default=False)],
    trust: Annotated[float, typer.Option("--trust", help="How much it is expected to count: 1 as it is.")] = 1.0,
    doubt: Annotated[float, typer.Option("--doubt", help="How far that may be off; votes decide.")] = 0.5,
) -> None:
    """Start a study from a taste learned elsewhere; its own votes decide how much of it holds."""
    from penchant.study import Study

    with Study.open(study) as opened:
        expressed = opened.import_taste(taste, trust, doubt)
    out.print(f"{expressed:.0%} of that taste can be told by this study's features; next: penchant vote {study}")


@tastes.command("blend")
def blend_tastes(
    parts: Annotated[
        list[str], typer.Argument(help="Tastes and their shares, as in anna=0.7 ben=0.3.", metavar="TASTE=SHARE")
    ],
    study: Annotated[Path, typer.Option("--study", help="On whose images they are made equally strong.")],
    out_dir: TasteOut,
) -> None:
    """Make one taste of several; a negative share takes a taste away."""
    from penchant.cli.tastes import blend, keep, show
    from penchant.study import Study

    with Study.open(study) as opened:
        taste = blend(opened, parts)
    keep(taste, out_dir)
    show(out, taste)
    out.print(f"the blend is in {out_dir}")


@tastes.command("show")
def show_taste(
    taste: Annotated[Path, typer.Argument(help="The folder of the taste.", metavar="TASTE", show_default=False)],
) -> None:
    """Say where a taste came from and what it is about."""
    from penchant.cli.tastes import show
    from penchant.preference import PortableTaste

    show(out, PortableTaste.from_pretrained(taste))


@app.command()
def doctor(
    study: Annotated[Path | None, typer.Argument(help="A study to check too.", metavar="[STUDY]")] = None,
) -> None:
    """Say what this machine can do, and check a study: files, hashes, replay."""
    from penchant.cli.doctor import examine

    if not examine(out, study):
        raise typer.Exit(1)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark; 'list' names them.", metavar="NAME")],
    quick: Annotated[bool, typer.Option("--quick", help="Fewer seeds: minutes become seconds.")] = False,
    json_file: JsonFile = None,
    pools: Annotated[
        str | None,
        typer.Option("--pools", help="For latency: sizes of pools, such as 10000,1000000.", metavar="N,N,…"),
    ] = None,
) -> None:
    """Run a benchmark, print a table, and write one JSON row a figure."""
    from penchant.bench import run_benchmark

    if pools is not None:
        name = _with_pools(name, pools)
    if json_file is not None:
        _check_writable(json_file)
    rows = run_benchmark(name, quick, out)
    if json_file is not None:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        _write(json_file, lines)


def _with_pools(name: str, pools: str) -> str:
    """The benchmark with its pools; raises BadConfiguration where there is nothing to be done with them."""
    if name != "latency":
        raise BadConfiguration(f"--pools is for the benchmark latency; found {name}")
    try:
        return f"latency(pools={tuple(int(size) for size in pools.split(','))})"
    except ValueError:
        raise BadConfiguration(f"--pools must be whole numbers, such as 10000,1000000; found '{pools}'") from None


def _check_writable(path: Path) -> None:
    """Tell it before the work begins, and leave what is there as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be written: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be written: {error.strerror}") from None
