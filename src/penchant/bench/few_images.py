"""How good a generator gets with few images, and what augmentation is worth then."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from penchant.bench._running import Row
from penchant.core.contracts import FEATURES, GENERATORS, METRICS, Budget, Progress, Report, Workspace
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data import ImageSettings, open_images, to_float, to_uint8
from penchant.data.sheet import contact_sheet

_FIGURES = ("kid", "recall", "coverage", "memorisation")


@dataclass(frozen=True)
class FewImages:
    """KID, recall, coverage and memorisation of generators that saw equally many images, drawn from ever larger sets.

    The first so many training images of a source are all that a generator learns from; it is compared with held-out
    images. The judge is ``random_convolutions``, fitted to all training images. Memorisation is the share of samples
    nearer to a training image than to one of as many held-out ones: a half where nothing is copied. Errors are those
    of sampling images, not of training again.

    Attributes:
        source: images, as ``penchant new`` takes them.
        size: pixels a side.
        colour: three channels, or one.
        counts: training images; 0 is all there are.
        generators: families with settings.
        images_seen: by each of them.
        compared: images a side, at most as many as are held out.
        sheets: folder for a sheet of 64 images each; none without.
    """

    source: str = "pictures:4000"
    size: int = 32
    colour: bool = True
    counts: tuple[int, ...] = (100, 300, 1000, 0)
    generators: tuple[str, ...] = ("gan(augmentation=0.0)", "gan(augmentation=0.4)")
    images_seen: int = 30_000
    compared: int = 2000
    sheets: str | None = None

    def __post_init__(self) -> None:
        if self.images_seen < 1 or self.compared < 100:
            raise BadConfiguration("images_seen must be positive and compared at least 100")

    def run(self, quick: bool, report: Report) -> list[Row]:
        """Four rows for each generator and number of images; ``quick`` shows a thirtieth of the images."""
        seen = self.images_seen // 30 if quick else self.images_seen
        rows: list[Row] = []
        with tempfile.TemporaryDirectory() as temporary:
            settings = ImageSettings(size=self.size, colour=self.colour)
            images = open_images(self.source, settings, Path(temporary) / "images", report)
            train, held_out = np.asarray(images.train), np.asarray(images.holdout[: self.compared])
            judge = FEATURES.make("random_convolutions").fit(to_float(train[:5000]), None, Rng(0))
            with torch.no_grad():
                real = judge(to_float(held_out)).numpy()
            pairs = [(count, spec) for count in self.counts for spec in self.generators]
            for place, (count, spec) in enumerate(pairs):
                report(Progress(f"{spec} on {count or len(train):,} images", place / len(pairs)))
                own = train[: count or len(train)]
                start = time.process_time()
                workspace = Workspace(Path(temporary) / str(place))
                generator = GENERATORS.make(spec).fit(own, Budget(images=seen), Rng(0), workspace)
                used = time.process_time() - start
                made = generator.sample(len(held_out), Rng(1))
                with torch.no_grad():
                    drawn, learned = judge(made).numpy(), judge(to_float(own[: self.compared])).numpy()
                for name in _FIGURES:
                    # Memorisation compares with the training images; the others with held-out ones.
                    sides = (learned, drawn, real) if name == "memorisation" else (real, drawn, real)
                    found = METRICS.make(name).measure(*sides, "random_convolutions", np.random.default_rng(0))
                    error = None if found.low is None or found.high is None else (found.high - found.low) / 3.92
                    rows.append(Row(f"{len(own):,} images, {spec}: {name}", found.value, error, seconds=used))
                if self.sheets is not None:
                    Path(self.sheets).mkdir(parents=True, exist_ok=True)
                    name = "".join(letter if letter.isalnum() else "-" for letter in spec)
                    contact_sheet(to_uint8(made[:64]), columns=16).save(Path(self.sheets) / f"{len(own)}-{name}.png")
        return rows
