"""Liked images of the generator's own come back as training data, capped and watched, so that it does not collapse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.lib.format import open_memmap

from penchant.core.contracts import GENERATORS, Annotations, Budget, Extractor, Generator, Report, Workspace
from penchant.core.errors import BadConfiguration, NotCapable, NotReady
from penchant.core.family import parse_spec
from penchant.core.rng import Rng
from penchant.data import ImageSet, to_float
from penchant.metrics import measure_all
from penchant.study.conditions import Told, told
from penchant.study.examining import examiner
from penchant.study.files import scratch
from penchant.study.labels import KEEP, REJECT, Labels, heeded
from penchant.study.selecting import chosen_rows
from penchant.study.spreading import left_out_rows
from penchant.training.processes import Processes

if TYPE_CHECKING:
    from penchant.study.study import Study

KIND = "fed"
WATCHED = ("coverage", "recall", "kid")
_MOST = 0.5
"""Share of generated images beyond which a generator mostly teaches itself; the largest cap."""
_JUDGED = 1000
_ROWS_AT_ONCE = 1024
_SURE = 2.0
_SPAN = 3.92
"""Standard errors between the ends of a 95% interval."""
_UNTRAINED = ("imported", "diffusers_pipeline")


@dataclass(frozen=True)
class Diet:
    """How much generated images count beside real ones.

    Args:
        cap: the most that they may be of what is seen in training; 0.25 where nothing else is known: a generator that
            sees real images all along keeps what it knows (Gerstgrasser et al. 2024), one fed on itself alone loses
            the rare first (Shumailov et al. 2024).
        weight: how often a kept generated image is seen, relative to a real one, as far as the cap allows.
    """

    cap: float = 0.25
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.cap <= _MOST or not 0 < self.weight < np.inf:
            raise BadConfiguration(
                f"the cap is above 0 and at most {_MOST}, the weight positive; found {self.cap:g} and {self.weight:g}"
            )

    def share(self, real: float, generated: int) -> float:
        """Of what is seen, where the real images weigh ``real`` of a real one each in all."""
        asked = self.weight * generated
        return min(self.cap, asked / (asked + real))


def kept_generated(study: "Study") -> list[tuple[int, int, str]]:
    """(version, row, label) of every generated image that is labelled and not rejected, each content once."""
    labels, seen, found = Labels.of(study), set[str](), list[tuple[int, int, str]]()
    for one in labels.given:
        name = labels.agreed[one.image]
        if one.version is not None and name != REJECT and one.image not in seen:
            seen.add(one.image)
            found.append((one.version, one.row, name))
    return found


def fed_generator(
    study: "Study", number: int, diet: Diet, budget: Budget, report: Report
) -> tuple[Generator, Any, dict[str, Any]]:
    """Train afresh on real images and kept generated ones; gives generator, component, and figures for the version.

    Afresh, because going on from what was trained on less ends up worse (Ash & Adams, arXiv 1910.08475). Coverage,
    recall and KID are measured against images that nobody trains on, of the version before, of the base, and of what
    came out; ``collapse`` says which of coverage and recall surely fell, by two standard errors, against either.

    Raises:
        NotReady: no generated image is kept.
        NotCapable: several processes, or a generator that is not trained here.
    """
    if Processes().count > 1:
        raise NotCapable("feeding is done by one process; start `penchant feed` without a launcher")
    name = parse_spec(study.settings.generator, GENERATORS.kind)[0]
    if name in _UNTRAINED:
        raise NotCapable(f"{name} is not trained here, so it cannot be fed; align it instead")
    images = study.images
    known = told(study.settings, images, study.path / "cache")
    kept, conditions, unknown = _eaten(study, known)
    rows = chosen_rows(study)
    rows = np.arange(len(images.train)) if rows is None else rows
    annotations = heeded(known.annotations, len(images.train), left_out_rows(study))
    weights = np.ones(len(rows)) if annotations.weights is None else annotations.weights[rows]
    if not weights.sum():
        raise NotReady("all real images that the generator was trained on are rejected by now; keep some of them")
    share = diet.share(float(weights.sum() / weights.max()), len(kept))
    each = share / (1 - share) * weights.sum() / len(kept)
    real = None if annotations.conditions is None else np.asarray(annotations.conditions)[rows]
    fed = Annotations(
        np.concatenate([weights, np.full(len(kept), each)]),
        None if real is None or conditions is None else np.concatenate([real, conditions]),
    )
    work = study.path / "training" / f"feed-{number}"
    component, rng = GENERATORS.make(study.settings.generator), study.rng.child("feed", number)
    with scratch(work):
        menu = _menu(work / "images.npy", images.train, rows, kept)
        watch = examiner(study.judge, images.train, images.holdout, rng.child("examining"))
        generator = component.fit(menu, budget, rng.child("train"), Workspace(work, report, watch), fed)
        del menu
    before = {
        "before": study.generator("latest"),
        **({"base": study.generator("base")} if number > 2 else {}),
    }
    figures = {
        when: _watched(one, images, study.judge, rng.child("judging"))
        for when, one in {**before, "after": generator}.items()
    }
    collapse = sorted({name for when in before for name in fallen(figures[when], figures["after"])})
    record = {
        "kept": len(kept),
        "left_out": unknown,
        "share": share,
        "cap": diet.cap,
        "weight": diet.weight,
        "capped": share == diet.cap,
        "collapse": collapse,
        **figures,
    }
    votes = study.versions.named("latest").figures.get("votes", 0)
    return generator, component, {"fed": record, "note": warning(record), "votes": votes}


def fallen(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Which of coverage and recall surely fell: by more than two standard errors of the difference."""
    found: list[str] = []
    for name in ("coverage", "recall"):
        old, new = before[name], after[name]
        if None in (old["value"], new["value"], old["low"], new["low"]):
            continue
        error = np.hypot(old["high"] - old["low"], new["high"] - new["low"]) / _SPAN
        if old["value"] - new["value"] > _SURE * error:
            found.append(name)
    return found


def warning(record: Mapping[str, Any]) -> str:
    """What the person should know of it; empty where all is well."""
    parts: list[str] = []
    if record["collapse"]:
        fell = " and ".join(record["collapse"])
        parts.append(
            f"this generator makes less of what real images show than before ({fell} surely fell): it is narrowing on "
            "its own images. Use the version before, lower the cap, or keep more varied images"
        )
    if record["capped"]:
        parts.append(
            f"{record['kept']} kept images would be more than the cap allows, so they are {record['cap']:.0%} of what "
            "is seen"
        )
    if record["left_out"]:
        parts.append(
            f"{record['left_out']} kept images have no class that this generator knows, and were left out; label them "
            "by class"
        )
    return "; ".join(parts)


def fed_versions(study: "Study") -> list[tuple[int, Mapping[str, Any]]]:
    """Number and record of every version that was fed."""
    return [(one.number, one.figures["fed"]) for one in study.versions.all() if one.kind == KIND]


def _eaten(study: "Study", known: Told) -> tuple[UInt8[np.ndarray, "k c h w"], Float[np.ndarray, "k n"] | None, int]:
    """The kept images, their conditions where the generator takes some, and how many have none it knows."""
    kept, unknown = kept_generated(study), 0
    if known.encoder is not None:
        told_of = set(study.images.captions.classes) - {""}
        fitting = [one for one in kept if one[2] != KEEP and (not told_of or one[2] in told_of)]
        kept, unknown = fitting, len(kept) - len(fitting)
    if not kept:
        rest = f"; the {unknown} that are kept have no class the generator knows" if unknown else ""
        raise NotReady(
            f"no generated image is kept{rest}; `penchant label {study.path} --version latest --voter VOTER` says which"
        )
    images = np.stack([np.asarray(study.versions.pool(version).images[row]) for version, row, _ in kept])
    conditions = None if known.encoder is None else known.encoder([name for _, _, name in kept])
    return images, conditions, unknown


def _menu(
    path: Path, pool: UInt8[np.ndarray, "n c h w"], rows: Sequence[int] | np.ndarray, kept: UInt8[np.ndarray, "k c h w"]
) -> UInt8[np.ndarray, "m c h w"]:
    """Real images, then kept ones, in a file that is memory-mapped, so that a large pool is not in memory."""
    count = len(rows) + len(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    menu = open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *kept.shape[1:]))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        menu[start : start + len(part)] = pool[part]
    menu[len(rows) :] = kept
    menu.flush()
    del menu
    return np.load(path, mmap_mode="r")


def _watched(generator: Generator, images: ImageSet, judge: Extractor, rng: Rng) -> dict[str, dict[str, float | None]]:
    """Against held-out images, or training ones where too few are held out; always of the same latents."""
    held = images.holdout if len(images.holdout) >= 2 * 5 + 2 else images.train
    held = np.asarray(held[:_JUDGED])
    other = np.asarray(images.train[: len(held)])
    made = generator.sample(len(held), rng.child("samples"))
    with torch.no_grad():
        real, floor = (judge(to_float(part)).double().numpy() for part in (held, other))
        features = judge(made).double().numpy()
    found = measure_all(real, features, floor, judge.hash, rng, WATCHED)
    figures: dict[str, dict[str, float | None]] = {}
    for name, one in found.items():
        if isinstance(one, Exception):
            figures[name] = dict.fromkeys(("value", "low", "high", "floor"))
        else:
            figures[name] = {"value": one.value, "low": one.low, "high": one.high, "floor": one.floor}
    return figures
