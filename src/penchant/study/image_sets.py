"""Which images are judged, against which, and what they may have been copied from."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from penchant.core.contracts import ImageSpec, Report, silent
from penchant.core.errors import BadConfiguration, BadImages
from penchant.data import ImageSet, ImageSettings, open_images, to_uint8
from penchant.study.settings import FILE
from penchant.study.study import Study

Images = UInt8[np.ndarray, "n c h w"]

_LEAST = 4
"""Images that any figure needs; most need more, and say so."""


@dataclass(frozen=True)
class Roles:
    """``generated`` is judged against ``real``; ``holdout`` are other images of the same kind as ``real``.

    ``training`` are what ``generated`` may have been copied from and ``unseen`` as good images that it cannot have been
    copied from; None where that is not known. ``notes`` are for the person.
    """

    generated: Images
    real: Images
    holdout: Images
    training: Images | None
    unseen: Images | None
    names: tuple[str, str]
    notes: tuple[str, ...] = ()


def gather(
    generated: str,
    real: str,
    settings: ImageSettings,
    holdout: str | None = None,
    count: int = 1000,
    seed: int = 0,
    report: Report = silent,
) -> Roles:
    """The images of two places: a folder or file of images, or ``STUDY@VERSION``.

    A study's version decides how the images of a folder are read, and knows what it was trained on. Without
    ``holdout``, half of the real folder (by content) is set aside for the floor; a version has fresh images instead.
    Copies within the generated folder count as often as they are there.

    Raises:
        BadConfiguration: fewer than 4 images asked for, or versions with images of different sizes.
        BadImages, StudyMissing, UnknownName, NotReady: there is nothing to judge there.
    """
    if count < _LEAST:
        raise BadConfiguration(f"--count must be at least {_LEAST}; found {count}")
    settings = replace(_settings_of((generated, real), settings), minimum=_LEAST)
    with tempfile.TemporaryDirectory() as cache:
        read = _Reader(settings, Path(cache), report)
        set_aside = None if holdout is None else np.array(read(holdout, 0.0).train)
        reference = _reference(real, read, set_aside, count, seed)
        judged = _judged(generated, read, count, seed)
    notes = list(judged.notes)
    if reference.paths and judged.paths:
        notes += _formats(judged.paths, reference.paths)
    known = judged if judged.training is not None else reference
    unseen = set_aside if set_aside is not None else known.unseen
    return Roles(
        judged.images, reference.images, reference.others, known.training, unseen, (generated, real), tuple(notes)
    )


@dataclass(frozen=True)
class _Side:
    """Images of one place; ``others`` of the same kind; what they were trained on, where that is known."""

    images: Images
    others: Images
    training: Images | None = None
    unseen: Images | None = None
    paths: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reader:
    settings: ImageSettings
    cache: Path
    report: Report

    def __call__(self, source: str, holdout: float) -> ImageSet:
        return open_images(source, replace(self.settings, holdout=holdout), self.cache, self.report)


def _reference(real: str, read: _Reader, set_aside: Images | None, count: int, seed: int) -> _Side:
    if version := as_version(real):
        drawn = _drawn(version, 2 * count, "real", seed)
        others = drawn.images[count:] if set_aside is None else set_aside[:count]
        return replace(drawn, images=drawn.images[:count], others=others)
    found = read(real, 0.5 if set_aside is None else 0.0)
    images = np.array(found.train)
    if set_aside is None:
        return _Side(images[:count], np.array(found.holdout[:count]), paths=found.train_paths)
    return _Side(images[:count], set_aside[:count], images, set_aside, found.train_paths)


def _judged(generated: str, read: _Reader, count: int, seed: int) -> _Side:
    if version := as_version(generated):
        # the same latents whatever the version, so that two versions can be judged one after the other
        return _drawn(version, count, "generated", seed)
    found = read(generated, 0.0)
    copies = len(found.report.duplicates)
    notes = (f"{copies} images in {generated} are copies of others there",) if copies else ()
    images = _with_copies(found)[:count]
    return _Side(images, images[:0], paths=found.train_paths, notes=notes)


def _drawn(version: tuple[Path, str], count: int, role: str, seed: int) -> _Side:
    with Study.open(version[0]) as study:
        images = to_uint8(study.generator(version[1]).sample(count, study.rng.child("judged", role, seed)))
        return _Side(images, images[:0], np.array(study.images.train), np.array(study.images.holdout))


def as_version(text: str) -> tuple[Path, str] | None:
    """The study and the version that ``STUDY@VERSION`` or ``STUDY`` names; None where it is no study.

    Raises:
        BadImages: it looks like a version, but there is no such study.
    """
    if (Path(text) / FILE).is_file():
        return Path(text), "latest"
    folder, _, version = text.rpartition("@")
    if folder and not Path(text).exists():
        if not (Path(folder) / FILE).is_file():
            raise BadImages(f"there is no study at {folder}, and nothing at {text}")
        return Path(folder), version or "latest"
    return None


def _settings_of(sides: tuple[str, str], settings: ImageSettings) -> ImageSettings:
    specs: dict[ImageSpec, ImageSettings] = {}
    for version in filter(None, map(as_version, sides)):
        with Study.open(version[0]) as study:
            specs[study.settings.images.spec] = study.settings.images
    if len(specs) > 1:
        found = " and ".join(f"{spec.channels} × {spec.size} px" for spec in specs)
        raise BadConfiguration(f"images of {found} cannot be compared; write them to folders (penchant sample) first")
    return next(iter(specs.values()), settings)


def _with_copies(found: ImageSet) -> Images:
    """All images, those that are equal to others included; in an order that any first part is a fair sample of."""
    place = {path: row for row, path in enumerate(found.train_paths)}
    copies = [place[original] for _, original in found.report.duplicates if original in place]
    rows = np.concatenate([np.arange(len(found.train)), np.array(copies, dtype=np.int64)])
    return np.asarray(found.train)[np.random.default_rng(0).permutation(rows)]


def _formats(generated: tuple[str, ...], real: tuple[str, ...]) -> list[str]:
    lossy = [bool({Path(path).suffix.lower() for path in paths} & {".jpg", ".jpeg"}) for paths in (generated, real)]
    if lossy[0] == lossy[1]:
        return []
    return ["One of the two has JPEG files and the other has not: compression alone can be told apart"]
