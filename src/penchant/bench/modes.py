"""How many kinds of images a generator makes: stacked pictures, a thousand kinds, a classifier that counts them."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from penchant.bench._labelled import Classifier, labelled_pictures, learned_classifier
from penchant.bench._running import Row
from penchant.core.contracts import GENERATORS, Budget, Progress, Report, Workspace
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data import to_uint8
from penchant.data.sheet import contact_sheet


@dataclass(frozen=True)
class Modes:
    """Kinds made, and how unevenly, by generators that saw equally many stacked pictures.

    Three grey pictures, drawn independently, are the three channels of one (as StackedMNIST in Srivastava et al. 2017,
    VEEGAN, and Lin et al. 2018, PacGAN), so that k kinds of pictures are k³ kinds of stacks: 1,000 for Fashion-MNIST,
    512 for the embedded pictures' layouts. A small classifier names the kind of each channel. *Modes* counts the kinds
    among ``compared`` samples; *unevenness* is KL(kinds made ‖ kinds of real stacks), both with a pseudo-count of 1,
    in nats. Rows for real stacks say what could be reached. A generator whose pictures are mush is given kinds by
    chance, so look at the sheets. Errors are over the seeds.

    Attributes:
        source: ``pictures``, or a folder with the training files of Fashion-MNIST (or MNIST).
        generators: families with settings.
        images_seen: by each of them.
        compared: samples counted.
        seeds: trainings of each.
        sheets: folder for a sheet of 64 stacks each; none without.
    """

    source: str = "pictures"
    generators: tuple[str, ...] = (
        "gan",
        "gan(instance_noise=0.1)",
        "gan(minibatch_deviation=True)",
        "gan(augmentation=0.4)",
        "gan(top_k=0.5)",
    )
    images_seen: int = 30_000
    compared: int = 10_000
    seeds: int = 2
    sheets: str | None = None

    def __post_init__(self) -> None:
        if self.images_seen < 1 or self.compared < 100 or self.seeds < 1:
            raise BadConfiguration("images_seen and seeds must be positive and compared at least 100")

    def run(self, quick: bool, report: Report) -> list[Row]:
        """Two rows a generator, after those of the classifier and of real stacks; ``quick``: one short training."""
        seeds, seen = (1, self.images_seen // 20) if quick else (self.seeds, self.images_seen)
        pictures = labelled_pictures(self.source, 6000 if quick else 60_000)
        report(Progress("classifier", 0.0))
        classifier, accuracy = learned_classifier(pictures, 2 if quick else 6)
        draw = np.random.default_rng(0)
        train, real, other = (pictures.stacked(count, draw) for count in (20_000, self.compared, self.compared))
        expected = _counts(classifier, real, pictures.count)
        found = _counts(classifier, other, pictures.count)
        rows = [
            Row("classifier: right on unseen pictures", accuracy),
            Row("real: modes", int((found > 0).sum()), note=f"of {pictures.count**3:,}"),
            Row("real: unevenness", unevenness(found, expected)),
        ]
        for place, spec in enumerate(self.generators):
            values: list[tuple[int, float]] = []
            start = time.process_time()
            for seed in range(seeds):
                report(Progress(spec, (place + seed / seeds) / len(self.generators)))
                with tempfile.TemporaryDirectory() as temporary:
                    workspace = Workspace(Path(temporary))
                    fitted = GENERATORS.make(spec).fit(train, Budget(images=seen), Rng(seed), workspace)
                made = to_uint8(fitted.sample(self.compared, Rng(seed)))
                found = _counts(classifier, made, pictures.count)
                values.append((int((found > 0).sum()), unevenness(found, expected)))
                if self.sheets is not None and seed == 0:
                    Path(self.sheets).mkdir(parents=True, exist_ok=True)
                    name = "".join(letter if letter.isalnum() else "-" for letter in spec)
                    contact_sheet(made[:64], columns=16).save(Path(self.sheets) / f"modes-{name}.png")
            used = (time.process_time() - start) / seeds
            for name, column in zip(("modes", "unevenness"), np.array(values).T, strict=True):
                error = float(column.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else None
                rows.append(Row(f"{spec}: {name}", float(column.mean()), error, seconds=used))
        return rows


def unevenness(found: Int[np.ndarray, " k"], expected: Int[np.ndarray, " k"]) -> float:
    """KL(found ‖ expected) in nats, of counts with one more in each cell.

    >>> round(unevenness(np.array([9, 9]), np.array([9, 9])), 6)
    0.0
    """
    p, q = ((counts + 1) / (counts + 1).sum() for counts in (found, expected))
    return float((p * np.log(p / q)).sum())


def _counts(classifier: Classifier, stacks: UInt8[np.ndarray, "n 3 28 28"], kinds: int) -> Int[np.ndarray, " k"]:
    """How many stacks are of each of the kinds³ kinds."""
    named = classifier.kinds(stacks.reshape(-1, 1, *stacks.shape[2:])).reshape(-1, 3)
    return np.bincount(named @ np.array([kinds**2, kinds, 1]), minlength=kinds**3)
