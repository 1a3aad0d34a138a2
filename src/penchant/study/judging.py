"""Two sets of images compared by every metric, with all that makes a figure honest."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from penchant.core.contracts import FEATURES, METRICS, Extractor, Measurement, Progress, Report, silent
from penchant.core.errors import BadFeatures, UnknownName
from penchant.core.family import parse_spec
from penchant.core.rng import Rng
from penchant.data import to_float
from penchant.features import YARDSTICKS, Yardstick, yardstick
from penchant.metrics import measure_all, pixel_test
from penchant.metrics.memorisation import nearest
from penchant.study.image_sets import Images, Roles

SEEDS = 5
"""Random networks that the spread of extractors is taken over."""

FID_IMAGES = 10_000
"""Images a side without which nothing is called FID: what its authors ask for at least."""

_FITTED_TO = 4000
_MOST_TRAINING = 20_000
_BEYOND_THE_FLOOR = 1.75
"""Half intervals between a value and its floor before it is called worse: the floor is as unsure as the value, which
makes √2, and three figures are looked at, which makes 2.39 standard errors of 1.96."""
_COPYING = "memorisation"
_ON_PIXELS = "pixel_classifier"
_UNKNOWN_TRAINING = (
    "needs to know the training images and others: name a study's version, or give real images that the generator "
    "was not trained on with --holdout"
)


@dataclass(frozen=True)
class Figure:
    """One metric: its measurement by the first extractor, lowest and highest value over all; or why there is none."""

    measured: Measurement | None
    spread: tuple[float, float] | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        found = asdict(self.measured) if self.measured else {}
        return {**found, "spread": self.spread and list(self.spread), "reason": self.reason}


@dataclass(frozen=True)
class Nearest:
    """Generated images beside their nearest training images, nearest first, then some taken at random."""

    generated: Images
    training: Images
    closest: int


@dataclass(frozen=True)
class Judgement:
    """Every figure of a comparison, what it means in sentences, and the images to look at."""

    roles: Roles
    extractor: str
    extractor_hash: str
    extractors: int
    about: str
    """Where the extractor is from: its weights, or what it was fitted to."""
    standard: bool
    """Whether it is the network that FID is defined by, with the published weights."""
    figures: Mapping[str, Figure]
    sentences: tuple[str, ...]
    nearest: Nearest | None
    seconds: float

    def label(self, name: str) -> str:
        """The metric with its extractor and number of images, without which a value means nothing."""
        measured = self.figures[name].measured
        short = "FD" if name == "frechet" else _spoken(name)
        if measured and short == "FD" and self.standard and measured.n >= FID_IMAGES:
            return f"FID@{measured.n}"
        by = "" if name == _ON_PIXELS else f"[{self.extractor}]"
        return f"{short}{by}@{measured.n}" if measured else short

    def as_json(self) -> dict[str, Any]:
        """All of it but the images."""
        roles = self.roles
        return {
            "generated": {"name": roles.names[0], "images": len(roles.generated)},
            "real": {"name": roles.names[1], "images": len(roles.real)},
            "holdout_images": len(roles.holdout),
            "training_images": None if roles.training is None else len(roles.training),
            "extractor": {
                "name": self.extractor,
                "hash": self.extractor_hash,
                "number": self.extractors,
                "about": self.about,
            },
            "figures": {name: {"label": self.label(name), **one.as_json()} for name, one in self.figures.items()},
            "sentences": list(self.sentences),
            "notes": list(roles.notes),
            "seconds": self.seconds,
        }


def judge(
    roles: Roles,
    extractor: str = "random_convolutions",
    seed: int = 0,
    report: Report = silent,
    seen: int = 30_000,
) -> Judgement:
    """Measure ``roles.generated`` against ``roles.real``.

    The extractor is a feature that is fitted to the training images where they are known, else to the real ones, and
    never sees generated ones; or one of the field's own networks (:data:`penchant.features.YARDSTICKS`), which is
    fitted to nothing. Random networks without a seed are taken five times: the spread of a figure over them is the
    extractor's own uncertainty, which the interval of a single one does not hold. Then networks are taught to tell the
    sets apart by their pixels, on ``seen`` images each (:func:`penchant.metrics.pixel_test`), which takes the most
    time; 0 leaves that out.

    Raises:
        UnknownName, BadConfiguration, NotCapable: no such extractor, or it needs what is not here (weights, say).
    """
    started = time.monotonic()
    rng = Rng(seed).child("judging")
    fitted_to = roles.real if roles.training is None else roles.training
    specs = _extractors(extractor)
    found: list[dict[str, Measurement | BadFeatures]] = []
    first: Extractor | Yardstick | None = None
    for place, spec in enumerate(specs):
        report(Progress("comparing", place / len(specs)))
        fitted = _looking(spec, fitted_to[:_FITTED_TO], rng.child("extractor"))
        first = first or fitted
        found.append(_measured(roles, fitted, rng.child("metrics")))
    assert first is not None, "there is at least one extractor"
    figures = {name: _figure([each[name] for each in found]) for name in found[0]}
    if roles.training is None or roles.unseen is None:
        figures[_COPYING] = Figure(None, reason=_UNKNOWN_TRAINING)
    figures[_ON_PIXELS] = _on_pixels(roles, seen, rng.child("pixels"))
    report(Progress("comparing", 1.0))
    return Judgement(
        roles=roles,
        extractor=parse_spec(extractor, FEATURES.kind)[0],
        extractor_hash=first.hash,
        extractors=len(specs),
        about=_about(first, min(len(fitted_to), _FITTED_TO), roles),
        standard=_is_standard(first),
        figures={name: figures[name] for name in (*METRICS.names(), _ON_PIXELS)},
        sentences=(*_same_images(roles), *_sentences(figures), *_not_fid(first, figures, roles)),
        nearest=None if roles.training is None else _nearest(roles.generated, roles.training, first, rng),
        seconds=time.monotonic() - started,
    )


def _extractors(spec: str) -> list[str]:
    """One, or five random networks where no seed is given."""
    name, settings = parse_spec(spec, FEATURES.kind)
    if name not in YARDSTICKS and name not in FEATURES.names():
        raise UnknownName("extractor", name, [*FEATURES.names(), *YARDSTICKS])
    if name != "random_convolutions" or "seed" in settings:
        return [spec]
    arguments = "".join(f", {key}={value!r}" for key, value in settings.items())
    return [f"{name}(seed={seed}{arguments})" for seed in range(SEEDS)]


def _same_images(roles: Roles) -> list[str]:
    """Whether generated images are real ones, pixel for pixel: then no figure judges a generator."""
    known = (roles.real, roles.holdout) if roles.training is None else (roles.real, roles.training)
    real = {image.tobytes() for part in known for image in part}
    same = sum(image.tobytes() in real for image in roles.generated)
    if not same:
        return []
    return [f"{same:,} of the {len(roles.generated):,} generated images are real ones, pixel for pixel."]


def _looking(spec: str, images: Images, rng: Rng) -> Extractor | Yardstick:
    if parse_spec(spec, FEATURES.kind)[0] in YARDSTICKS:
        return yardstick(spec)
    fitted: Extractor = FEATURES.make(spec).fit(to_float(images), None, rng)
    return fitted


def _about(extractor: Extractor | Yardstick, fitted: int, roles: Roles) -> str:
    if isinstance(extractor, Yardstick):
        return extractor.about
    return f"fitted to {fitted:,} of the {'real' if roles.training is None else 'training'} images"


def _is_standard(extractor: Extractor | Yardstick) -> bool:
    return isinstance(extractor, Yardstick) and extractor.name == "inception" and extractor.published


def _not_fid(extractor: Extractor | Yardstick, figures: Mapping[str, Figure], roles: Roles) -> list[str]:
    """Why the Fréchet distance on Inception features is not called FID, or what its FID is of."""
    measured = figures["frechet"].measured
    if not isinstance(extractor, Yardstick) or extractor.name != "inception" or measured is None:
        return []
    if not extractor.published:
        return ["These are not the weights that FID is defined by, so none of the figures is an FID."]
    if measured.n < FID_IMAGES:
        return [
            f"The Fréchet distance is not called FID: that takes at least {FID_IMAGES:,} images a side, and here are "
            f"{measured.n:,}. Its floor says how much of it comes from so few."
        ]
    side = roles.generated.shape[-1]
    return [
        f"FID is that of images of {side} px, {measured.n:,} a side, resized to 299 px as in TensorFlow 1: papers that "
        "took other sizes or numbers do not compare."
    ]


def _measured(roles: Roles, extractor: Extractor | Yardstick, rng: Rng) -> dict[str, Measurement | BadFeatures]:
    generated, real, holdout = (features_in(part, extractor) for part in (roles.generated, roles.real, roles.holdout))
    names = [name for name in METRICS.names() if name != _COPYING]
    found = measure_all(real, generated, holdout, extractor.hash, rng, names)
    if roles.training is not None and roles.unseen is not None:
        most = min(len(roles.training), len(roles.unseen))
        training, unseen = (features_in(part[:most], extractor) for part in (roles.training, roles.unseen))
        found |= measure_all(training, generated, unseen, extractor.hash, rng, [_COPYING])
    return found


def features_in(images: Images, extractor: Extractor | Yardstick) -> Float[np.ndarray, "n d"]:
    """What the extractor makes of images, in parts."""
    with torch.no_grad():
        parts = [extractor(to_float(images[start : start + 512])) for start in range(0, len(images), 512)]
    return torch.cat(parts).double().numpy() if parts else np.zeros((0, extractor.width))


def _on_pixels(roles: Roles, seen: int, rng: Rng) -> Figure:
    """The classifier that looks at the pixels themselves."""
    if seen == 0:
        return Figure(None, reason="it was left out")
    try:
        return Figure(pixel_test(roles.real, roles.generated, roles.holdout, rng, seen))
    except BadFeatures as error:
        return Figure(None, reason=str(error))


def _figure(found: Sequence[Measurement | BadFeatures]) -> Figure:
    measured = [one for one in found if isinstance(one, Measurement)]
    if len(measured) < len(found):
        return Figure(None, reason=next(str(one) for one in found if isinstance(one, BadFeatures)))
    values = [one.value for one in measured]
    return Figure(measured[0], (min(values), max(values)) if len(values) > 1 else None)


def _nearest(
    generated: Images, training: Images, extractor: Extractor | Yardstick, rng: Rng, count: int = 18
) -> Nearest:
    """The generated images closest to a training image (which is where copies are), and as many at random."""
    training = training[:_MOST_TRAINING]
    rows, distances = nearest(features_in(generated, extractor), features_in(training, extractor))
    order = np.argsort(distances, kind="stable")
    closest, others = order[:count], order[count:]
    chosen: Int[np.ndarray, " k"] = np.concatenate([closest, rng.child("sheet").numpy().permutation(others)[:count]])
    return Nearest(generated[chosen], training[rows[chosen]], len(closest))


def _sentences(figures: Mapping[str, Figure]) -> list[str]:
    """What the figures say, no more than their intervals hold."""
    said: list[str] = []
    tests = {name: figures[name].measured for name in ("kid", "classifier", _ON_PIXELS) if name in figures}
    p_values = {name: one.p_value for name, one in tests.items() if one and one.p_value is not None}
    if p_values:
        # several tests are made, so each is held to its share of 5%
        name, lowest = min(p_values.items(), key=lambda item: item[1])
        if lowest <= 0.05 / len(p_values):
            said.append(f"The two sets differ ({_spoken(name)}, p = {lowest:.3f}).")
        else:
            least = ", ".join(f"{_spoken(name)} p = {p:.2f}" for name, p in p_values.items())
            said.append(f"No difference between the two sets is shown by this many images ({least}).")
    worse = {
        "coverage": "Part of what is real is missing among the generated images",
        "precision": "Some generated images do not look real",
        "vendi": "The generated images are less varied than real ones",
    }
    for name, text in worse.items():
        one = figures[name].measured
        if one is None or one.high is None or one.floor is None:
            continue
        if one.value + _BEYOND_THE_FLOOR * (one.high - one.value) < one.floor:
            said.append(f"{text}: {name} {one.value:.3g}; unseen real images have {one.floor:.3g}.")
    copying = figures[_COPYING].measured
    if copying and copying.low is not None and copying.low > 0.5:
        said.append(
            f"The generated images lie nearer to the training images than new ones would ({copying.value:.0%}, at "
            f"least {copying.low:.0%}; 50% where nothing is copied): look at the sheet."
        )
    return said


def _spoken(name: str) -> str:
    return name.replace("_", " ")
