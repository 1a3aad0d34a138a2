"""Families of generators, and those of other libraries, on the same images for as long: how far they get."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from penchant.bench._generator_trials import Ground, Kept, Trial, rows
from penchant.bench._peers import PEERS
from penchant.bench._running import Row
from penchant.core.contracts import GENERATORS, Progress, Report
from penchant.core.errors import BadConfiguration, NotCapable
from penchant.data import ImageSettings, open_images
from penchant.data.sheet import contact_sheet

_SHOWN = 64


@dataclass(frozen=True)
class Generators:
    """KID, recall, coverage and memorisation against held-out images, of generators that had equally many core-seconds.

    Time is that of the process on its cores, not of the clock on the wall, so that a busy machine matters less (its
    memory is still shared). All that a family does counts, its start included; drawing samples does not, and is given
    beside. Run with ``OMP_NUM_THREADS=1``. The judge is ``random_convolutions``, fitted to training images. Errors are
    over the seeds; of a single one, those of sampling images. Seeds are the outermost loop, and with ``results`` what
    was stopped goes on where it was.

    Peers are ``peer_pythae_vae``, ``peer_pythae_convolutional_vae``, ``peer_pythae_vae_gan``, ``peer_pythae_vq_vae``,
    ``peer_torchcfm`` and ``peer_dcgan`` (PyTorch's tutorial); those that are not installed are left out, and a row
    says so (:mod:`penchant.bench._peers`).

    Attributes:
        source: images, as ``penchant new`` takes them.
        size: pixels a side.
        colour: three channels, or one.
        generators: families with settings, and peers.
        core_seconds: for training each of them.
        compared: images a side, at most as many as are held out.
        seeds: trainings of each.
        results: a file of finished trainings, which are not done again.
        sheets: folder for a sheet of 64 images of each first training and of held-out ones; none without.
    """

    source: str = "pictures:4000"
    size: int = 32
    colour: bool = True
    generators: tuple[str, ...] = ("vae", "vae_gan", "vq_vae", "gan", "dcgan", *PEERS)
    core_seconds: float = 300.0
    compared: int = 2000
    seeds: int = 1
    results: str | None = None
    sheets: str | None = None

    def __post_init__(self) -> None:
        if self.core_seconds <= 0 or self.compared < 100 or self.seeds < 1:
            raise BadConfiguration("core_seconds and seeds must be positive and compared at least 100")
        for spec in self.generators:
            if spec not in PEERS:
                GENERATORS.make(spec)

    def run(self, quick: bool, report: Report) -> list[Row]:
        """Four figures a generator; ``quick`` trains once, for a thirtieth of the time."""
        seconds, seeds = (self.core_seconds / 30, 1) if quick else (self.core_seconds, self.seeds)
        settings = ImageSettings(size=self.size, colour=self.colour)
        kept, trials, left_out = Kept(self.results), list[Trial](), dict[str, Row]()
        name = f"{Path(self.source).name} {self.size} px {'colour' if self.colour else 'grey'}"
        with tempfile.TemporaryDirectory() as temporary:
            images = open_images(self.source, settings, Path(temporary), report)
            held_out = np.asarray(images.holdout[: self.compared])
            ground = Ground.of(name, np.array(images.train), held_out)
            self._draw(name, "held out", held_out)
            for seed in range(seeds):
                for place, spec in enumerate(self.generators):
                    done = (seed * len(self.generators) + place) / (seeds * len(self.generators))
                    report(Progress(f"seed {seed}: {spec}", done))
                    try:
                        trials.append(self._trial(ground, spec, seconds, seed, kept, report))
                    except NotCapable as error:
                        left_out[spec] = Row.left_out(f"{name}, {spec}", str(error))
            return rows(name, trials, ground.floors()) + list(left_out.values())

    def _trial(self, ground: Ground, spec: str, seconds: float, seed: int, kept: Kept, report: Report) -> Trial:
        found = kept.find(ground.name, spec, seconds, seed)
        if found is not None:
            return found
        trial, made = ground.trial(spec, seconds, seed, report)
        if seed == 0:
            self._draw(ground.name, f"{spec} {seconds:g}", made)
        return kept.add(trial)

    def _draw(self, ground: str, what: str, images: UInt8[np.ndarray, "n c h w"]) -> None:
        if self.sheets is not None:
            folder = Path(self.sheets)
            folder.mkdir(parents=True, exist_ok=True)
            name = "".join(letter if letter.isalnum() else "-" for letter in f"{ground} {what}")
            contact_sheet(images[:_SHOWN], columns=16).save(folder / f"{name}.png")
