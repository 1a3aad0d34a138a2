"""Does each metric move the right way where the answer is known, which extractor notices, and what does it all cost?"""

import io
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFilter

from penchant.bench._running import Row
from penchant.core.contracts import FEATURES, METRICS, Extractor, Measurement, Progress, Report
from penchant.core.errors import BadFeatures
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float
from penchant.metrics import measure_all
from penchant.study.judging import features_in

Images = UInt8[np.ndarray, "n c h w"]

MEBIBYTE = 2**20
FARTHER = ("kid", "mmd", "frechet", "sliced_wasserstein", "classifier")
"""Distances: they rise with any damage."""
JUDGED: Mapping[str, tuple[str, ...]] = {
    "blur": FARTHER,
    "noise": FARTHER,
    "JPEG": FARTHER,
    "foreign images mixed in": (*FARTHER, "-precision", "-density"),
    "kinds dropped": (*FARTHER, "-recall", "-coverage", "-vendi", "-mean_distance"),
    "copies of training images": ("memorisation",),
}
"""Which metrics must move with which damage; those with a minus fall."""


@dataclass(frozen=True)
class Metrics:
    """Known-answer tests on the embedded pictures, for each extractor; then time and memory of all metrics together.

    Every damage has four levels, the first of which is none; the images of all levels are the same ones, unseen by the
    extractor. A metric is right where it moves the right way at each step, or stays within a tenth of its interval,
    and ends outside the interval of where it began.

    Attributes:
        images: a side.
        extractors: which to qualify.
        large: images a side of the measurement of time and memory; its features are random, 512 wide.
    """

    images: int = 1000
    extractors: tuple[str, ...] = ("random_convolutions", "self_supervised(images=20000)")
    large: int = 10_000

    def run(self, quick: bool, report: Report) -> list[Row]:
        """A row a damage and metric, the share that is right of each extractor, and the cost."""
        count = 200 if quick else self.images
        everything = draw_pictures(4 * count, 32, Rng(7)).images
        generated, real, holdout, fresh = np.split(everything, 4)
        rows: list[Row] = []
        extractors = self.extractors[:1] if quick else self.extractors
        for spec in extractors:
            extractor: Extractor = FEATURES.make(spec).fit(to_float(real), None, Rng(0).child("extractor"))
            right: list[float] = []
            for place, (damage, names) in enumerate(JUDGED.items()):
                report(Progress(f"{spec}: {damage}", place / len(JUDGED)))
                levels = _DAMAGES[damage](generated, real, fresh)
                found = [_measured(level, real, holdout, extractor, names) for level in levels]
                for name in names:
                    way, metric = ("falls", name[1:]) if name.startswith("-") else ("rises", name)
                    verdict, first, last = _moved([each[metric] for each in found], -1 if way == "falls" else 1)
                    right.append(float(verdict))
                    what = f"{spec.partition('(')[0]}, {damage}: {metric}"
                    rows.append(Row(what, last, bar=f"{way} from {first:.3g}", met=verdict))
            rows.append(Row.against(f"{spec}: share that is right", float(np.mean(right)), "≥ 1"))
        return rows + _cost(1000 if quick else self.large, report)


def _measured(
    images: Images, real: Images, holdout: Images, extractor: Extractor, names: tuple[str, ...]
) -> dict[str, Measurement | BadFeatures]:
    sets = [features_in(part, extractor) for part in (real, images, holdout)]
    return measure_all(sets[0], sets[1], sets[2], extractor.hash, Rng(1), [name.removeprefix("-") for name in names])


def _moved(found: list[Measurement | BadFeatures], sign: int) -> tuple[bool, float, float]:
    """Whether every step is the right way and the whole way is more than chance; the first and the last value."""
    measured = [one for one in found if isinstance(one, Measurement)]
    values = sign * np.array([one.value for one in measured])
    reach = [one.high - one.low for one in measured if one.high is not None and one.low is not None]
    steps = bool((np.diff(values) > -0.1 * np.array(reach[1:]) / 2).all())
    first, last = measured[0], measured[-1]
    clear = values[-1] - values[0] > (reach[0] + reach[-1]) / 4
    return steps and bool(clear), first.value, last.value


def _cost(count: int, report: Report) -> list[Row]:
    """All metrics of three random sets, ``count`` × 512."""
    report(Progress("cost", 0.0))
    rng = Rng(3).numpy()
    sets = [rng.standard_normal((count, 512)) for _ in range(3)]
    wall, processor = time.perf_counter(), time.process_time()
    rows: list[Row] = []
    for place, group in enumerate(_groups()):
        clock = time.process_time()
        measure_all(sets[0], sets[1], sets[2], "", Rng(4), group)
        rows.append(Row(f"{', '.join(group)}: seconds of a processor", time.process_time() - clock))
        report(Progress("cost", (place + 1) / len(_groups())))
    size = f"{count:,} × {count:,} × 512"
    rows.append(Row(f"all metrics, {size}: seconds of a processor", time.process_time() - processor))
    rows.append(Row.against(f"all metrics, {size}: seconds", time.perf_counter() - wall, "≤ 60"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    rows.append(Row.against("memory of the whole process at most, GiB", peak / MEBIBYTE / 1024, "≤ 2"))
    return rows


def _groups() -> list[list[str]]:
    together = ["precision", "recall", "density", "coverage"]
    return [together, *([name] for name in METRICS.names() if name not in together)]


# ------------------------------------------------------------------------------------------------------- damages

_Levels = Callable[[Images, Images, Images], list[Images]]


def _each(images: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    changed = [change(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))) for image in images]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in changed])


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _blurred(generated: Images, real: Images, fresh: Images) -> list[Images]:
    radii = (0.7, 1.2, 2.0)
    blurred = [_each(generated, lambda image, r=radius: image.filter(ImageFilter.GaussianBlur(r))) for radius in radii]
    return [generated, *blurred]


def _noisy(generated: Images, real: Images, fresh: Images) -> list[Images]:
    noise = Rng(5).numpy().standard_normal(generated.shape)
    levels = (0, 8, 20, 50)
    return [np.clip(generated + level * noise, 0, 255).astype(np.uint8) for level in levels]


def _compressed(generated: Images, real: Images, fresh: Images) -> list[Images]:
    return [generated, *(_each(generated, lambda image, q=quality: _jpeg(image, q)) for quality in (60, 25, 8))]


def _mixed(generated: Images, real: Images, fresh: Images) -> list[Images]:
    """Shares of 0 to 50% are negatives, turned upside down: images of no kind there is."""
    foreign = 255 - generated[:, :, ::-1]
    shares = (0, 0.1, 0.25, 0.5)
    return [np.concatenate([foreign[: round(s * len(foreign))], generated[round(s * len(foreign)) :]]) for s in shares]


def _dropped(generated: Images, real: Images, fresh: Images) -> list[Images]:
    """Only images of the warmer share are left, as many as before (others of their kind fill up)."""
    pool = np.concatenate([generated, fresh])
    warmth = pool[:, 0].mean((1, 2)) - pool[:, 2].mean((1, 2), dtype=np.float64)
    order = np.argsort(-warmth)
    pick = Rng(6).numpy()
    return [pool[pick.permutation(order[: round(s * len(pool))])[: len(generated)]] for s in (1.0, 0.8, 0.65, 0.5)]


def _copied(generated: Images, real: Images, fresh: Images) -> list[Images]:
    shares = (0, 0.1, 0.25, 0.5)
    return [np.concatenate([real[: round(s * len(real))], generated[round(s * len(real)) :]]) for s in shares]


_DAMAGES: Mapping[str, _Levels] = {
    "blur": _blurred,
    "noise": _noisy,
    "JPEG": _compressed,
    "foreign images mixed in": _mixed,
    "kinds dropped": _dropped,
    "copies of training images": _copied,
}
