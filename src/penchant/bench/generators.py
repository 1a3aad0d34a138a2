"""Families of generators on the same images with the same computing: how far they get, and what it looks like."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.bench._running import Row
from penchant.core.contracts import FEATURES, GENERATORS, METRICS, Budget, Generator, Progress, Report, Workspace
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data import ImageSettings, open_images
from penchant.data.sheet import contact_sheet

_FIGURES = ("kid", "recall", "coverage")
_SHOWN = 64
_TRIAL = 0.06
"""Share of the time that goes into finding out how many images a core learns from in a second."""


@dataclass(frozen=True)
class Generators:
    """KID, recall and coverage against held-out images, of generators that had equally many core-seconds.

    Time is that of the process on its cores, not of the clock on the wall, so that a busy machine does not matter:
    a short trial tells how many images each family learns from in a core-second, and the run proper gets that many.
    What it used is given with every row. Run with ``OMP_NUM_THREADS=1``. The judge is ``random_convolutions``, fitted
    to training images. Errors are those of sampling images, not of training again.

    Attributes:
        source: images, as ``penchant new`` takes them.
        size: pixels a side.
        colour: three channels, or one.
        generators: families with settings.
        core_seconds: for training each of them.
        compared: images a side, at most as many as are held out.
        sheets: folder for a sheet of 64 images each and of held-out ones; none without.
    """

    source: str = "pictures:4000"
    size: int = 32
    colour: bool = True
    generators: tuple[str, ...] = ("vae", "gan", "dcgan")
    core_seconds: float = 300.0
    compared: int = 2000
    sheets: str | None = None

    def __post_init__(self) -> None:
        if self.core_seconds <= 0 or self.compared < 100:
            raise BadConfiguration("core_seconds must be positive and compared at least 100")

    def run(self, quick: bool, report: Report) -> list[Row]:
        """Three figures a generator; ``quick`` trains for a thirtieth of the time."""
        seconds = self.core_seconds / 30 if quick else self.core_seconds
        settings = ImageSettings(size=self.size, colour=self.colour)
        rows: list[Row] = []
        with tempfile.TemporaryDirectory() as temporary:
            images = open_images(self.source, settings, Path(temporary) / "images", report)
            train, held_out = np.asarray(images.train), np.asarray(images.holdout[: self.compared])
            self._draw("held out", held_out)
            judge = FEATURES.make("random_convolutions").fit(_floats(train[:5000]), None, Rng(0))
            real, unseen = (_floats(part) for part in (held_out, train[: len(held_out)]))
            for place, spec in enumerate(self.generators):
                report(Progress(f"generator {place + 1} of {len(self.generators)}", place / len(self.generators)))
                generator, learned, used = _fitted(spec, train, seconds, Path(temporary) / f"{place}", report)
                made = generator.sample(len(held_out), Rng(1))
                self._draw(spec, (made * 255).round().to(torch.uint8).numpy())
                with torch.no_grad():
                    features = [judge(part).numpy() for part in (real, made, unseen)]
                for name in _FIGURES:
                    found = METRICS.make(name).measure(*features, "random_convolutions", np.random.default_rng(0))
                    error = None if found.low is None or found.high is None else (found.high - found.low) / 3.92
                    note = f"{learned:,} images seen; real images: {found.floor:.4g}"
                    rows.append(Row(f"{spec}: {name}", found.value, error, seconds=used, note=note))
        return rows

    def _draw(self, name: str, images: UInt8[np.ndarray, "n c h w"]) -> None:
        if self.sheets is not None:
            folder = Path(self.sheets)
            folder.mkdir(parents=True, exist_ok=True)
            name = "".join(letter if letter.isalnum() else "-" for letter in name)
            contact_sheet(images[:_SHOWN], columns=16).save(folder / f"{name}.png")


def _fitted(
    spec: str, images: UInt8[np.ndarray, "n c h w"], seconds: float, folder: Path, report: Report
) -> tuple[Generator, int, float]:
    """The generator after as many images as fit into the core-seconds, how many those are, and what they took."""

    def fit(count: int, where: str) -> tuple[Generator, float]:
        start = time.process_time()
        workspace = Workspace(folder / where, report)
        generator = GENERATORS.make(spec).fit(images, Budget(images=count), Rng(0), workspace)
        return generator, time.process_time() - start

    count = 256
    fit(count, "first")  # pays what is paid once: kernels, the precision that was measured
    _, taken = fit(count, "again")
    before = 0.0
    while before == 0.0 or (taken < _TRIAL * seconds and count < 1_000_000):
        count, before = 4 * count, taken
        _, taken = fit(count, f"trial-{count}")
    each = max((taken - before) / (0.75 * count), 0.5 * taken / count)  # without sheets and start, which cost the same
    count = max(256, round((seconds - (taken - each * count)) / each))
    generator, used = fit(count, "whole")
    return generator, count, used


def _floats(images: UInt8[np.ndarray, "n c h w"]) -> Float[torch.Tensor, "n c h w"]:
    return torch.from_numpy(images / np.float32(255))
