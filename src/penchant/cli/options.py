"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from penchant.core.errors import BadConfiguration

StudyPath = Annotated[Path, typer.Argument(help="The folder of the study.", metavar="STUDY", show_default=False)]
Source = Annotated[
    str,
    typer.Argument(
        help="A folder of images, an idx / .npy / .npz file, or 'pictures' for the embedded set.",
        metavar="FOLDER",
        show_default=False,
    ),
]
StudyOption = Annotated[Path, typer.Option("--study", help="Where the study is kept.", metavar="DIR")]
Size = Annotated[int, typer.Option("--size", help="Side of the square images: 28, 32, 48, 64 or 128.", metavar="PX")]
Grey = Annotated[bool, typer.Option("--grey", help="Grey images instead of colour.")]
Fit = Annotated[str, typer.Option("--fit", help="How to make images square: crop or pad.")]
VoterOption = Annotated[
    str,
    typer.Option(
        "--voter", help="human, a simulated taste (warm, calm, …), or package.module:function.", metavar="VOTER"
    ),
]
VotesOption = Annotated[int, typer.Option("--votes", help="How many votes.", metavar="N", min=1)]
TrainSeconds = Annotated[float, typer.Option("--train-seconds", help="How long the generator trains.", metavar="S")]
Pool = Annotated[
    int | None,
    typer.Option(
        "--pool",
        help="How many candidates to choose pairs from; fewer are quicker to make. 4,000 at 32 px.",
        metavar="N",
    ),
]
LikeBestOf = Annotated[
    str,
    typer.Option(
        "--like-best-of",
        help="Strength: as if the best of N images were kept; auto goes as far as a second judge is sure.",
        metavar="N|auto",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="The root of all randomness.", metavar="K")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.", metavar="FILE")]
Strategy = Annotated[
    str,
    typer.Option(
        "--strategy",
        help="Which pairs are asked: bald (know a taste), favourites (find the best), …; docs/choosing.md.",
    ),
]
Aligner = Annotated[str, typer.Option("--aligner", help="How the generator is bent: latent_tilt, best_of_n, joint …")]
VersionName = Annotated[str, typer.Option("--version", help="base, latest, or a number.", metavar="base|latest|N")]

Whose = Annotated[
    str | None,
    typer.Option("--of", help="Whose taste: a voter, or shares as in anna=0.7,ben=0.3; all together without."),
]
TasteOut = Annotated[Path, typer.Option("--out", help="The new folder for the taste.", metavar="DIR")]
Generator = Annotated[
    str,
    typer.Option(
        "--generator",
        help="How images are generated: vae, auto (picked for you), or another of docs/choosing.md.",
        metavar="NAME",
    ),
]

ImagesOf = Annotated[
    str, typer.Argument(help="A study; or images to judge: a folder, a file, STUDY@VERSION.", metavar="STUDY|IMAGES")
]
Against = Annotated[
    str | None,
    typer.Argument(help="The images to compare with: a folder, a file, STUDY@VERSION.", metavar="[REAL]"),
]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write a page with the images to this file.")]
SelectBy = Annotated[
    str | None,
    typer.Option(
        "--select",
        help="Train on some of the images, chosen by: adaptive, density, typicality, k_centre, …; docs/choosing.md.",
        metavar="STRATEGY",
    ),
]
SelectedImages = Annotated[
    int, typer.Option("--budget", help="How many images --select chooses in all.", metavar="IMAGES")
]
Rounds = Annotated[int, typer.Option("--rounds", help="In how many rounds --select chooses them.", metavar="R")]
TasteFolder = Annotated[
    str | None,
    typer.Option("--taste", help="For --select taste: what `penchant taste export` wrote.", metavar="FOLDER"),
]
Pixels = Annotated[
    bool, typer.Option(help="Teach networks to tell the two sets apart by their pixels: half a minute at 32 px.")
]
Holdout = Annotated[
    str | None,
    typer.Option("--holdout", help="Real images that the generator was not trained on.", metavar="FOLDER"),
]
ImagesCount = Annotated[int, typer.Option("--count", help="At most so many images a side.", metavar="N")]
ExtractorName = Annotated[
    str,
    typer.Option(
        "--extractor",
        help="The features: random_convolutions, self_supervised, pretrained(model='FOLDER'); or as published: "
        "inception, vgg16, dinov2, clip.",
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option("--prompt", help="What to draw, for generators trained with captions or classes.", metavar="WORDS"),
]
FirstVersion = Annotated[str, typer.Argument(help="A version: base, latest, or a number.", metavar="A")]
SecondVersion = Annotated[str, typer.Argument(help="The version to compare it with.", metavar="B")]
OrderedBy = Annotated[
    str,
    typer.Option(
        "--by",
        help="comparisons (blind, of the versions), audits (votes on random pairs), or votes (all, weighted by how "
        "likely each pair was to be asked).",
    ),
]
Database = Annotated[
    str | None,
    typer.Option("--database", help="Keep the votes there: postgresql+psycopg://user@host/name.", metavar="URL"),
]


def strength(text: str) -> float | Literal["auto"]:
    """What --like-best-of says; its range is checked where it is used.

    Raises:
        BadConfiguration: it is neither a number nor auto.
    """
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise BadConfiguration(f"--like-best-of takes a number from 1, or auto; found '{text}'") from None
