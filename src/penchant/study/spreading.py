"""Some tens of labels spread over the whole pool: stored with the study, and used where they are sure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from penchant.core.contracts import UNLABELLED, Progress, Report, silent
from penchant.core.errors import BadConfiguration, NotReady, StudyDamaged
from penchant.data import ImageSet
from penchant.store import NewEvent
from penchant.study.feature_store import feature_store, forget_stores
from penchant.study.files import moved_into_place
from penchant.study.labels import KEEP, REJECT, Labels, next_to_label, rejected_rows
from penchant.study.propagation import Propagated, Propagation, chance_of, worth_asking

if TYPE_CHECKING:
    from penchant.study.study import Study

KIND = "spread"
FOLDER = "spread"
FEATURES = "descriptors"
_FILE = "chances.safetensors"
_VERDICTS = (REJECT, KEEP)


@dataclass(frozen=True, eq=False)
class Spread:
    """What labels came to be all over the pool.

    ``chances[i, k]`` is the probability that real image i is called ``names[k]``; keep and reject are one question,
    classes another, and the chances of each sum to 1. Those that are labelled have 1. ``given`` labels led to it;
    ``checked`` says, of those left out once that it was surer of than ``confidence``, how many were right, of how many
    (None where there were too few labels to leave any out).
    """

    names: tuple[str, ...]
    chances: Float[np.ndarray, "n k"]
    confidence: float
    given: int
    checked: tuple[int, int] | None

    def sure(self) -> Mapping[str, Int[np.ndarray, " r"]]:
        """The rows that are surely called each name."""
        return {name: np.flatnonzero(self.chances[:, k] > self.confidence) for k, name in enumerate(self.names)}


def spread(study: "Study", confidence: float = 0.9, features: str = FEATURES, report: Report = silent) -> Spread:
    """Spread the labels of real images over all of them, and keep that with the study.

    From then on no generator learns from images that are surely rejected, and ``top_score`` chooses by these chances.
    It takes the place of what was spread before; labels given later count as they are and want spreading again. The
    images are looked at once (:func:`feature_store`), then it is a matter of seconds.

    Args:
        study: whose labels.
        confidence: only labels surer than this are used.
        features: what images are alike by; the default knew most of four on clothes.
        report: hears how far it is.

    Raises:
        BadConfiguration: the confidence is not from .5 to 1.
        NotReady: there are no two kinds of labels to tell apart, or all images would surely be rejected.
    """
    if not 0.5 <= confidence <= 1:
        raise BadConfiguration(f"a confidence is from 0.5 to 1; found {confidence:g}")
    images = study.images
    found = propagated(study, images, features, report)
    if not found:
        counts = ", ".join(f"{name} {many}" for name, many in Labels.of(study).counts.items()) or "none"
        raise NotReady(
            f"labels of two kinds are needed, as keep and reject or two classes; there are: {counts}. "
            f"`penchant label {study.path} --voter VOTER` gives some"
        )
    names = tuple(name for group, _ in found for name in group)
    chances = np.concatenate([one.chances for _, one in found], axis=1).astype(np.float32)
    checks = [one.accuracy(confidence) for _, one in found]
    told = [check for check in checks if check is not None]
    right, of = sum(round(share * many) for share, many in told), sum(many for _, many in told)
    result = Spread(names, chances, confidence, sum(len(one.known) for _, one in found), (right, of) if of else None)
    lost = result.sure().get(REJECT, np.zeros(0))
    if len(lost) == len(chances):
        raise NotReady(f"all {len(chances)} images would surely be rejected; keep some of them, or ask for more than "
                       f"{confidence:g}")  # fmt: skip
    number = 1 + len(study.store.events(kinds=[KIND]))
    with moved_into_place(study.path / FOLDER / str(number)) as folder:
        save_file({"chances": chances}, folder / _FILE)
    study.versions.keep_hash(f"{FOLDER}/{number}")
    payload = {
        "number": number,
        "names": names,
        "confidence": confidence,
        "given": result.given,
        "checked": result.checked,
        "images": images.hash,
        "through": max((one.seq for one in Labels.of(study).given), default=0),
    }
    study.store.append(NewEvent(KIND, "penchant", "spread", client_key=f"spread {number}", payload=payload))
    return result


def unspread(study: "Study") -> None:
    """Use given labels alone again."""
    number = 1 + len(study.store.events(kinds=[KIND]))
    study.store.append(NewEvent(KIND, "penchant", "spread", client_key=f"spread {number}", payload={"number": None}))


def spread_of(study: "Study") -> Spread | None:
    """What was spread last; None where nothing was, it was taken back, or the images are others by now.

    Raises:
        StudyDamaged: the file is gone or is not what was stored.
    """
    events = study.store.events(kinds=[KIND])
    if not events or events[-1].payload["number"] is None or events[-1].payload["images"] != study.images.hash:
        return None
    told = events[-1].payload
    path = study.path / FOLDER / str(told["number"]) / _FILE
    try:
        chances = load_file(path)["chances"]
    except (OSError, SafetensorError, KeyError) as error:
        raise StudyDamaged(f"the labels spread by event {events[-1].seq} are gone: {path}: {error}") from None
    if chances.shape != (len(study.images.train), len(told["names"])):
        raise StudyDamaged(f"{path} holds labels of {len(chances)} images; there are {len(study.images.train)}")
    checked = told["checked"]
    return Spread(
        tuple(told["names"]), chances, told["confidence"], told["given"], None if checked is None else tuple(checked)
    )


def labels_since(study: "Study") -> int:
    """How many labels came since they were spread last; 0 where none were spread."""
    events = study.store.events(kinds=[KIND])
    if not events or events[-1].payload["number"] is None:
        return 0
    return sum(one.seq > events[-1].payload["through"] for one in Labels.of(study).given if one.version is None)


def left_out_rows(study: "Study") -> Int[np.ndarray, " r"]:
    """Rows that no generator learns from: rejected ones, and those surely to be rejected that nobody labelled.

    Raises:
        NotReady: all of them are.
    """
    rejected, found = rejected_rows(study), spread_of(study)
    if found is None or REJECT not in found.names:
        return rejected
    given = np.array(list(Labels.of(study).real(study.images.train)), dtype=np.int64)
    out = np.union1d(rejected, np.setdiff1d(found.sure()[REJECT], given))
    if len(out) == len(study.images.train):
        raise NotReady(
            f"all {len(out)} images of {study.path} are rejected, given or surely to be; keep some, or take the "
            f"spreading back: `penchant label {study.path} --spread off`"
        )
    return out


@dataclass(frozen=True, eq=False)
class Known:
    """Names of labels, each image's label as a number into them, and the chance of each label where it was spread."""

    names: tuple[str, ...]
    labels: Int[np.ndarray, " n"]
    chances: Mapping[int, Float[np.ndarray, " n"]]


def known_labels(study: "Study") -> Known | None:
    """What strategies may know of the labels of real images; None where there are none.

    Given labels first, then the sub-folders, then what was spread and is sure. Names are in the order of the alphabet;
    where some are keep or reject, these are 1 and 0 and the others follow.
    """
    images = study.images
    given, found = Labels.of(study).real(images.train), spread_of(study)
    folders = {row: name for row, name in enumerate(images.captions.classes) if name}
    seen = {*given.values(), *folders.values(), *(found.names if found else ())}
    if not seen:
        return None
    verdicts = _VERDICTS if seen & set(_VERDICTS) else ()
    names = (*verdicts, *sorted(seen - set(verdicts)))
    number = {name: place for place, name in enumerate(names)}
    labels = np.full(len(images.train), UNLABELLED, dtype=np.int64)
    if found is not None:
        for name, rows in found.sure().items():
            labels[rows] = number[name]
    for row, name in {**folders, **given}.items():
        labels[row] = number[name]
    chances = (
        {number[name]: found.chances[:, k].astype(np.float64) for k, name in enumerate(found.names)} if found else {}
    )
    return Known(names, labels, chances)


def propagated(
    study: "Study", images: ImageSet, features: str = FEATURES, report: Report = silent
) -> list[tuple[tuple[str, ...], Propagated]]:
    """For each question with two kinds of answers its names, in the order of the columns, and the chances."""
    given = Labels.of(study).real(images.train)
    groups: list[tuple[str, ...]] = [_VERDICTS, tuple(sorted({*given.values()} - set(_VERDICTS)))]
    asked = [group for group in groups if len(set(group) & set(given.values())) > 1]
    if not asked:
        return []
    rng = study.rng.child("spread")
    seen, _ = feature_store(stores(study), features, images.train, images.hash, rng.child("features"), report=report)
    report(Progress("spreading the labels", 0.0))
    found: list[tuple[tuple[str, ...], Propagated]] = []
    for group in asked:
        one = Propagation().spread(seen, _numbered(given, group, len(images.train)), rng.child(group[0]).numpy())
        found.append((tuple(group[int(number)] for number in one.classes), one))
    report(Progress("spreading the labels", 1.0))
    forget_stores(stores(study), keep=1)
    return found


def next_of_kind(
    study: "Study", wanted: str, count: int, voter: str = "python", passed: Collection[int] = ()
) -> list[int]:
    """Rows whose label would tell most about which images are called ``wanted``; by chance while too little is known.

    ``passed`` rows are not asked again, nor are those that this voter labelled.
    """
    images, done = study.images, {*Labels.of(study, voter).real(study.images.train), *passed}
    given = Labels.of(study).real(images.train)
    group: list[str] = [*_VERDICTS] if wanted in _VERDICTS else sorted({*given.values(), wanted} - set(_VERDICTS))
    labels = _numbered(given, group, len(images.train))
    rng = study.rng.child("spread")
    if group.index(wanted) in labels:
        seen, _ = feature_store(stores(study), FEATURES, images.train, images.hash, rng.child("features"))
        chances = chance_of(seen, labels, group.index(wanted), rng.child(group[0]).numpy())
        if chances is not None:
            free = np.setdiff1d(np.arange(len(images.train)), np.fromiter(done, dtype=np.int64))
            return [int(row) for row in worth_asking(chances, free, count)]
    return [row for row in next_to_label(study, count + len(done), voter=voter) if row not in done][:count]


def _numbered(given: Mapping[int, str], group: Sequence[str], count: int) -> Int[np.ndarray, " n"]:
    """The labels of a group as numbers."""
    labels = np.full(count, UNLABELLED, dtype=np.int64)
    for row, name in given.items():
        if name in group:
            labels[row] = list(group).index(name)
    return labels


def stores(study: "Study") -> Path:
    """Where the features that labels are spread by are kept; a cache."""
    return study.path / "cache" / "spread"
