"""What is wrong with a set of images, before anything is trained on it: copies, oddities, wrong labels, bad files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image

from penchant.core.contracts import FEATURES, SELECTION, Extractor, PoolView, Progress, Report, silent
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data import ImageSet, contact_sheet, to_float
from penchant.study.files import storage_errors

KINDS = ("corrupt", "duplicate", "near-duplicate", "outlier", "mislabelled")
STRATEGIES = ("density", "typicality", "k_centre")
_FEATURES = "random_convolutions(seed=1)"
_AT_ONCE = 1024
_NEIGHBOURS = 10
_CLOSE = 0.3
"""Of the median distance to the nearest image: what is nearer in features may be a copy."""
_ALIKE = 0.04
"""Root mean squared difference of thumbnails, values in [0, 1], below which it is one."""
_ODD = 4.0
"""Robust standard deviations of the logarithmic distance to the neighbours beyond which an image is odd."""
_TOLD, _SURE = 0.65, 0.7
_SHARE = 0.1
_THUMBNAIL = 16
_SHOWN = 12


@dataclass(frozen=True)
class Finding:
    """One image that deserves a look: why, how sure (larger is surer within a kind), and the image it resembles.

    ``row`` is that among the training images, None for a file that was left out on the way in. ``chosen_by`` names the
    strategies that would choose it among the first tenth.
    """

    kind: str
    path: str
    reason: str
    score: float
    row: int | None = None
    other: str | None = None
    other_row: int | None = None
    chosen_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """All findings, surest first within each kind, of so many images."""

    images: int
    looked_at: int
    findings: tuple[Finding, ...]
    labels_told: float | None = None
    """Share of images whose class most neighbours share; None without classes. Below .65 no label is doubted."""

    def of(self, kind: str) -> list[Finding]:
        """Those of a kind."""
        return [one for one in self.findings if one.kind == kind]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        counts = {kind: len(self.of(kind)) for kind in KINDS}
        found = [asdict(one) for one in self.findings]
        return {
            "images": self.images, "looked_at": self.looked_at, "counts": counts, "labels_told": self.labels_told,
            "findings": found,
        }  # fmt: skip


def inspect_images(
    images: ImageSet, labels: Mapping[int, str] | None = None, report: Report = silent, most: int = 20_000
) -> Inspection:
    """Look at the training images of a set; ``labels`` are classes by row, the sub-folders without.

    * corrupt and duplicate: what the intake left out, with its reason; copies are equal at the study's size.
    * near-duplicate: nearer in features than .3 of the usual nearest distance, and thumbnails alike.
    * outlier: the mean distance to ten neighbours lies 4 robust standard deviations above the usual, in logarithms.
    * mislabelled: the neighbours name another class at least as surely as that class is named by its own on average,
      and at least seven in ten of them (the confident joint of Northcutt et al. 2021, with neighbours as the model).
      Where neighbours tell fewer than two classes in three right, these features cannot see what the labels mean,
      and none is doubted.

    Features are those of random convolutions: they see colour and texture before meaning, so whatever is found is to be
    looked at by a person. Nothing is changed. Cost: n² distances, half a minute for 20,000 on a core; of more than
    ``most`` so many are looked at, the first in the order of their hashes.
    """
    findings = [Finding("corrupt", path, reason, 1.0) for path, reason in images.report.skipped]
    findings += [
        Finding("duplicate", path, f"equals {other}", 1.0, other=other) for path, other in images.report.duplicates
    ]
    train = np.asarray(images.train[:most])
    if len(train) <= 2 * _NEIGHBOURS:
        return Inspection(len(images.train), 0, tuple(findings))
    features = _features(train, report)
    nearest, apart = _neighbours(features, report)
    classes = _classes(images, labels, len(train))
    doubted, told = ([], None) if classes is None else _mislabelled(images, nearest, classes)
    found = [*_near_duplicates(images, train, nearest, apart), *_outliers(images, apart), *doubted]
    return Inspection(len(images.train), len(train), tuple(findings + _viewed(found, features)), told)


def inspection_sheet(images: ImageSet, inspection: Inspection) -> Image.Image | None:
    """Up to twelve of each kind, a row a kind from the top, near-duplicates beside what they resemble; None if none."""
    rows: list[int] = []
    for kind in KINDS:
        shown: list[int] = []
        for one in inspection.of(kind):
            pair = [row for row in (one.row, one.other_row) if row is not None]
            if len(shown) + len(pair) <= _SHOWN:
                shown += pair
        rows += [*shown, *[-1] * (-len(shown) % _SHOWN)]
    if not any(row >= 0 for row in rows):
        return None
    blank = np.full_like(images.train[0], 128)
    return contact_sheet(
        np.stack([blank if row < 0 else np.asarray(images.train[row]) for row in rows]), columns=_SHOWN
    )


def write_sheet(images: ImageSet, inspection: Inspection, path: Path) -> bool:
    """Write :func:`inspection_sheet` as PNG; gives whether there was anything to show.

    Raises:
        BadConfiguration, StorageFull: ``path`` cannot be written.
    """
    sheet = inspection_sheet(images, inspection)
    if sheet is not None:
        try:
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                sheet.save(path, "PNG")
        except OSError as error:
            raise BadConfiguration(f"{path} cannot be written: {error.strerror}; name another file") from None
    return sheet is not None


def _features(train: UInt8[np.ndarray, "n c h w"], report: Report) -> Float[np.ndarray, "n d"]:
    extractor: Extractor = FEATURES.make(_FEATURES).fit(to_float(train[:2000]), None, Rng(0))
    parts: list[np.ndarray] = []
    for start in range(0, len(train), _AT_ONCE):
        report(Progress("looking at the images", start / len(train)))
        with torch.no_grad():
            parts.append(extractor(to_float(train[start : start + _AT_ONCE])).numpy())
    return np.concatenate(parts)


def _neighbours(
    features: Float[np.ndarray, "n d"], report: Report
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The nearest other images of each, nearest first, and their distances."""
    squares = (features**2).sum(1)
    nearest, apart = np.empty((len(features), _NEIGHBOURS), dtype=np.int64), np.empty((len(features), _NEIGHBOURS))
    for start in range(0, len(features), _AT_ONCE):
        report(Progress("comparing", start / len(features)))
        part = features[start : start + _AT_ONCE]
        squared = squares[start : start + len(part), None] + squares - 2 * part @ features.T
        squared[np.arange(len(part)), np.arange(start, start + len(part))] = np.inf
        rows = np.argpartition(squared, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        values = np.take_along_axis(squared, rows, 1)
        order = np.argsort(values, axis=1, kind="stable")
        nearest[start : start + len(part)] = np.take_along_axis(rows, order, 1)
        apart[start : start + len(part)] = np.sqrt(np.maximum(np.take_along_axis(values, order, 1), 0))
    report(Progress("comparing", 1.0))
    return nearest, apart


def _near_duplicates(
    images: ImageSet,
    train: UInt8[np.ndarray, "n c h w"],
    nearest: Int[np.ndarray, "n k"],
    apart: Float[np.ndarray, "n k"],
) -> list[Finding]:
    usual = float(np.median(apart[:, 0]))
    found: list[Finding] = []
    for row, place in zip(*np.nonzero(apart < _CLOSE * usual), strict=True):
        other = int(nearest[row, place])
        if other > row:
            continue  # each pair once, told of the later image
        difference = float(np.sqrt(((_thumbnail(train[row]) - _thumbnail(train[other])) ** 2).mean()))
        if difference < _ALIKE:
            path, resembles = images.train_paths[row], images.train_paths[other]
            reason = f"resembles {resembles}: thumbnails differ by {difference:.3f}"
            found.append(Finding("near-duplicate", path, reason, 1 - difference, int(row), resembles, other))
    first: dict[str, Finding] = {}
    for one in sorted(found, key=lambda one: -one.score):
        first.setdefault(one.path, one)
    return list(first.values())


def _thumbnail(image: UInt8[np.ndarray, "c h w"]) -> Float[np.ndarray, "c 16 16"]:
    small = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(image.astype(np.float32) / 255), _THUMBNAIL)
    return small.numpy()


def _outliers(images: ImageSet, apart: Float[np.ndarray, "n k"]) -> list[Finding]:
    far = np.log(np.maximum(apart.mean(1), 1e-9))
    middle = float(np.median(far))
    spread = 1.4826 * float(np.median(np.abs(far - middle))) or 1.0
    odd = (far - middle) / spread
    rows = np.flatnonzero(odd > _ODD)
    return [
        Finding(
            "outlier",
            images.train_paths[row],
            f"{np.exp(far[row] - middle):.1f} times as far from its neighbours as usual",
            float(odd[row]),
            int(row),
        )
        for row in rows[np.argsort(-odd[rows], kind="stable")]
    ]


def _classes(images: ImageSet, labels: Mapping[int, str] | None, count: int) -> list[str] | None:
    """The class of every image, "" where unknown; None where there are not two classes of some size."""
    names = list(images.captions.classes[:count]) if labels is None else [labels.get(row, "") for row in range(count)]
    sizes = {name: names.count(name) for name in set(names) - {""}}
    return names if sum(size > _NEIGHBOURS for size in sizes.values()) > 1 else None


def _mislabelled(
    images: ImageSet, nearest: Int[np.ndarray, "n k"], classes: Sequence[str]
) -> tuple[list[Finding], float]:
    """The doubted labels, and the share of labels that the neighbours tell right."""
    names = sorted(set(classes) - {""})
    given = np.array([names.index(name) if name else -1 for name in classes])
    labelled = np.flatnonzero(given >= 0)
    # P(class) among the neighbours, with one neighbour's worth of doubt spread over the classes
    share = np.stack([(given[nearest] == number).sum(1) for number in range(len(names))], axis=1) + 1 / len(names)
    share = share / share.sum(1, keepdims=True)
    told = float((share[labelled].argmax(1) == given[labelled]).mean())
    if told < _TOLD:
        return [], told
    usual = np.array([share[given == number, number].mean() for number in range(len(names))])
    found: list[Finding] = []
    for row in map(int, labelled):
        others = np.arange(len(names)) != given[row]
        sure = np.where((share[row] >= np.maximum(usual, _SURE)) & others, share[row], -1)
        likely = int(sure.argmax())
        if sure[likely] > 0:
            reason = f"in {classes[row]}, but {share[row, likely]:.0%} of what resembles it is in {names[likely]}"
            score = float(share[row, likely] - share[row, given[row]])
            found.append(Finding("mislabelled", images.train_paths[row], reason, score, int(row), names[likely]))
    return sorted(found, key=lambda one: -one.score), told


def _viewed(found: Sequence[Finding], features: Float[np.ndarray, "n d"]) -> list[Finding]:
    """The findings with the strategies that would choose each among the first tenth."""
    if not found:
        return []
    count = max(1, round(_SHARE * len(features)))
    chosen = {
        name: set(SELECTION.make(name).select(PoolView(features), count, np.random.default_rng(0)).rows.tolist())
        for name in STRATEGIES
    }
    return [replace(one, chosen_by=tuple(name for name in STRATEGIES if one.row in chosen[name])) for one in found]
