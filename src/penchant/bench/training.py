"""How many images a generator needs where they are chosen; what dirt, labels and top-k updates do to it."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from penchant.bench._labelled import labelled_pictures
from penchant.bench._running import Row
from penchant.bench._training_rows import ALL, summary
from penchant.bench._training_trials import Bytes, Course, Ground, Kept
from penchant.bench._training_wanted import Wanted
from penchant.core.contracts import Progress, Report
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data import ImageSettings, open_images

_DIRT = 0.3
_LABELS = 30
_TOP_K = 0.5
PARTS = ("needed", "dirty", "wanted", "top-k")


@dataclass(frozen=True)
class Training:
    """Equally long trainings on chosen shares of a pool, measured on images that no strategy can choose.

    Every training sees ``images_seen`` images, repeats counted, so that only which images they are differs. KID and
    coverage are of ``random_convolutions``, against half of the held-out images; the other half pays the adaptive
    strategy. Then: pools of which 30% are images of the next source, against training on everything, where
    ``top_score`` is given 30 labels; a class among those of ``labelled`` that is wanted, labels asked by chance or
    where they tell most of it, and spread over the pool; and top-k updates of the first adversarial family.

    Errors are standard errors over seeds, differences are paired by seed. A share of the pool counts as good as all of
    it only where the difference is *shown* to be within a margin (:mod:`penchant.bench._training_rows`). Seeds are the
    outermost loop, so that what was stopped has all parts, and ``parts`` says which are run; what is in ``results``
    already is told of in any case.

    Attributes:
        sources: folders of images; or the embedded set.
        labelled: a folder with MNIST's training files, or ``pictures``.
        generators: families with settings.
        images_seen: by a training of each of them.
        fixed: strategies to compare, ``random`` among them.
        adaptive: the one that learns which of them helps; none without.
        shares: of the pool that they may choose, growing.
        pool: images there are to choose from.
        labels: how many are asked for where they tell most; by chance also three times as many.
        seeds: trainings of everything.
        parts: which of needed, dirty, wanted, top-k are run.
        results: a file of finished trainings, which are not done again.
    """

    sources: tuple[str, ...] = ("pictures:2000",)
    labelled: str = "pictures"
    generators: tuple[str, ...] = (
        "vae(widths=(8, 32), code_dim=32, flow_width=128, flow_blocks=2, batch=32)",
        "gan(widths=(8, 32), judge_widths=(8, 32))",
        "flow(widths=(16, 32), steps=4, batch=32)",
    )
    images_seen: tuple[int, ...] = (2000, 2500, 2000)
    fixed: tuple[str, ...] = ("random", "typicality", "density")
    adaptive: str | None = "adaptive(arms=('random', 'typicality', 'density', 'k_centre'))"
    shares: tuple[float, ...] = (0.1, 0.4)
    pool: int = 1000
    labels: tuple[int, ...] = (20, 60)
    seeds: int = 5
    parts: tuple[str, ...] = PARTS
    results: str | None = None

    def __post_init__(self) -> None:
        if len(self.generators) != len(self.images_seen):
            raise BadConfiguration("images_seen must have one number for each of the generators")
        if list(self.shares) != sorted(set(self.shares)) or not 0 < self.shares[0] <= self.shares[-1] <= 1:
            raise BadConfiguration(f"shares must grow and lie above 0 and at most at 1; found {self.shares}")
        if self.seeds < 1 or self.pool < 100 or not self.sources:
            raise BadConfiguration("there must be a source, a seed, and a pool of 100 images at least")
        if not self.parts or not set(self.parts) <= set(PARTS):
            raise BadConfiguration(f"parts must be some of {', '.join(PARTS)}; found {self.parts}")
        if len(set(map(_name, self.sources))) < len(self.sources):
            raise BadConfiguration(f"trainings are kept by the sources' last names, which must differ: {self.sources}")

    def run(self, quick: bool, report: Report) -> list[Row]:
        """All figures that the finished trainings tell; ``quick``: two seeds of a tenth of the images seen."""
        if quick:
            small = tuple(max(64, seen // 10) for seen in self.images_seen)
            return replace(self, seeds=2, images_seen=small).run(False, report)
        kept = Kept(self.results)
        with tempfile.TemporaryDirectory() as temporary:
            images = {source: self._images(source, Path(temporary), report) for source in self.sources}
            clean = {source: Ground.of(pool, held, pool) for source, (pool, held) in images.items()}
            dirty = {source: self._dirty(source, images) for source in self._in("dirty", images) if len(images) > 1}
            wanted = [self._wanted_pool() for _ in self._in("wanted", [self.labelled])]
            for seed in range(self.seeds):
                for place, generator in enumerate(self.generators):
                    report(Progress(f"seed {seed}, {generator.partition('(')[0]}", seed / self.seeds))
                    for source in self._in("needed", clean):
                        self._needed(_name(source), clean[source], place, seed, kept)
                report(Progress(f"seed {seed}, dirt, labels, top-k", seed / self.seeds))
                for source, ground in dirty.items():
                    self._cleaned(_name(source), ground, seed, kept)
                for pool in wanted:
                    self._wanted(pool, seed, kept)
                for source in self._in("top-k", clean):
                    self._top_k(_name(source), clean[source], seed, kept)
        return summary(kept.trials, self.fixed, self.adaptive)

    def _in(self, part: str, things: Iterable[str]) -> list[str]:
        """The things, where this part is run."""
        return list(things) if part in self.parts else []

    def _wanted_pool(self) -> Wanted:
        return Wanted.of(labelled_pictures(self.labelled, min(6 * self.pool, 6000)), min(2 * self.pool, 2000))

    def _wanted(self, wanted: Wanted, seed: int, kept: Kept) -> None:
        for asked in sorted({*self.labels, *(3 * one for one in self.labels)}):
            for active in (True, False) if asked in self.labels else (False,):
                wanted.run(self.generators[0], self.images_seen[0], asked, active, seed, kept)

    def _images(self, source: str, folder: Path, report: Report) -> tuple[Bytes, Bytes]:
        settings = ImageSettings(size=28, holdout=0.2)
        images = open_images(source, settings, folder, report)
        return np.array(images.train[: self.pool]), np.array(images.holdout[: min(self.pool, 800)])

    def _needed(self, source: str, ground: Ground, place: int, seed: int, kept: Kept) -> None:
        course = Course("needed", source, self.generators[place], self.images_seen[place], seed)
        course.trial(ground, ALL, 1.0, np.arange(len(ground.pool)), kept)
        for strategy in self.fixed:
            course.run(ground, strategy, self.shares, kept, grow=False)
        if self.adaptive is not None:
            course.run(ground, self.adaptive, self.shares, kept, grow=True)

    def _dirty(self, source: str, images: dict[str, tuple[Bytes, Bytes]]) -> Ground:
        """A pool of which some images are the next source's; labels tell of a few."""
        names = list(images)
        pool, held = images[source]
        other = images[names[(names.index(source) + 1) % len(names)]][0]
        count = min(round(_DIRT * len(pool)), len(other))
        mixed = np.concatenate([pool[: len(pool) - count], other[:count]])
        truth = np.repeat([1, 0], [len(pool) - count, count])
        told = Rng(0).child("told").numpy().permutation(len(mixed))[:_LABELS]
        labels = np.full(len(mixed), -1)
        labels[told] = truth[told]
        return Ground.of(mixed, held, pool, labels)

    def _cleaned(self, source: str, ground: Ground, seed: int, kept: Kept) -> None:
        course = Course("dirty", source, self.generators[0], self.images_seen[0], seed)
        course.trial(ground, ALL, 1.0, np.arange(len(ground.pool)), kept)
        for strategy in ("density", "typicality", "top_score"):
            course.run(ground, strategy, (0.4,), kept, grow=False)

    def _top_k(self, source: str, ground: Ground, seed: int, kept: Kept) -> None:
        for place, generator in enumerate(self.generators):
            if generator.startswith("gan"):
                done = kept.find("needed", source, generator, ALL, 1.0, seed)
                if done is not None and kept.find("top-k", source, generator, ALL, 1.0, seed) is None:
                    kept.add(replace(done, part="top-k"))
                varied = f"{generator.removesuffix(')')}{', ' if '(' in generator else '('}top_k={_TOP_K})"
                course = Course("top-k", source, generator, self.images_seen[place], seed, varied)
                course.trial(ground, "top_k", 1.0, np.arange(len(ground.pool)), kept)
                return


def _name(source: str) -> str:
    return Path(source).name
