"""Open the images of a folder, an array or the embedded set: cached, split, and with a report of what was left out."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from penchant.core.contracts import ImageSpec, Progress, Report, silent
from penchant.core.errors import BadImages, PenchantError
from penchant.data import _cache
from penchant.data._arrays import ArraySource, is_idx, open_array_file
from penchant.data._embedded import embedded_source
from penchant.data._folder import FolderSource
from penchant.data._source import Source, hash_of
from penchant.data.captions import Captions, captions_by_name, read_captions
from penchant.data.settings import ImageSettings

_REASONS_SHOWN = 5


@dataclass(frozen=True)
class IntakeReport:
    """What became of every image that was found: ``found`` = ``used`` + duplicates + skipped.

    ``duplicates`` are pairs (left out, the one it equals); ``skipped`` are pairs (path, reason).
    """

    source: str
    found: int
    used: int
    train: int
    holdout: int
    duplicates: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain lists and numbers, for JSON."""
        return {
            "source": self.source,
            "found": self.found,
            "used": self.used,
            "train": self.train,
            "holdout": self.holdout,
            "duplicates": [list(pair) for pair in self.duplicates],
            "skipped": [list(pair) for pair in self.skipped],
        }


@dataclass(frozen=True)
class ImageSet:
    """Images as bytes, memory-mapped and read-only; the holdout is never trained on.

    Both parts are in the order of their content hashes, so that any first part of them is a fair sample.
    ``train_paths[i]`` is where ``train[i]`` came from, relative to the source; ``root`` is the folder that they lie in,
    where the source is one. ``hash`` names the contents: equal hashes mean equal images and an equal split.
    """

    train: UInt8[np.ndarray, "n c h w"]
    holdout: UInt8[np.ndarray, "m c h w"]
    train_paths: tuple[str, ...]
    holdout_paths: tuple[str, ...]
    report: IntakeReport
    spec: ImageSpec
    hash: str
    root: Path | None = None
    stored: bool = False

    @cached_property
    def captions(self) -> Captions:
        """What the training images are called, in their order; read when first asked for."""
        if self.stored:
            return captions_by_name(self.train_paths)
        if self.root is None:
            return Captions(("",) * len(self.train), ("",) * len(self.train), "none")
        return read_captions(self.root, self.train_paths)


def open_images(
    source: str | Path | np.ndarray, settings: ImageSettings, cache: Path, report: Report = silent
) -> ImageSet:
    """The images of ``source`` as ``settings`` ask for them.

    Args:
        source: a folder of PNG, JPEG, WebP, GIF (first frame) and BMP files, at any depth, or of idx files; an idx,
            .npy or .npz file; an array (n × h × w, n × h × w × c or n × c × h × w; bytes, 16-bit, or floats in
            [0, 1]); a URL of a folder in an object store (``s3://``, ``gs://``, …: whatever fsspec has a driver for);
            or the word ``pictures`` or ``pictures:COUNT`` for the embedded set (``./pictures`` is a folder).
        settings: size, colour, framing, share held out, least number of images.
        cache: folder for the decoded images. A second start finds them by names, sizes and times of the files;
            where only the times differ, a hash of the contents decides. A damaged entry is made again.
        report: told the progress.

    Broken, tiny and duplicate images are left out and listed in the report. An image is held out by a hash of its
    decoded pixels, so it stays where it is when files are renamed or added. At least two images are held out
    where any are to be.

    Raises:
        BadImages: the source is missing, cannot be read at all, or has too few usable images.
        BadConfiguration: a count that is none, or a cache folder that cannot be written.
        StorageFull: no room for the cache.

    >>> from tempfile import mkdtemp
    >>> images = open_images("pictures:100", ImageSettings(size=28), Path(mkdtemp()))
    >>> len(images.train) + len(images.holdout), images.spec
    (100, ImageSpec(channels=3, size=28))
    """
    origin = _source(source)
    look = (settings.size, settings.colour, settings.fit, settings.background, settings.holdout)
    key = hash_of(repr(look), type(origin).__name__, origin.listing())[:32]
    stamp = origin.stamp()
    entry = _cache.load(cache, key)
    if entry is None or not _is_current(entry[1], origin, stamp, lambda fresh: _cache.describe(cache, key, fresh)):
        entry = _take_in(origin, settings, cache, key, stamp, report)
    report(Progress("images", 1.0, 0.0, {"images": float(len(entry[0]))}))
    root = origin.root if isinstance(origin, FolderSource) else None
    found = _image_set(*entry, origin.label, settings, root)
    return replace(found, stored=True) if _is_url(source) else found


def _is_url(source: str | Path | np.ndarray) -> bool:
    return isinstance(source, str) and "://" in source


def _source(source: str | Path | np.ndarray) -> Source:
    if isinstance(source, np.ndarray):
        return ArraySource("array", source)
    if isinstance(source, str) and _is_url(source):
        from penchant.data._remote import RemoteSource  # fsspec takes a while to import

        return RemoteSource(source)
    if isinstance(source, str) and (embedded := embedded_source(source)):
        return embedded
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return FolderSource(path)
        if not path.exists():
            raise BadImages(
                f"there is nothing at {path}; name a folder of images, an idx, .npy or .npz file, or 'pictures'"
            )
        if path.suffix.lower() in (".npy", ".npz"):
            return ArraySource(str(path), open_array_file(path), path)
        if is_idx(path):
            return FolderSource(path.parent, only=path.name)
    except (OSError, ValueError) as error:
        raise BadImages(f"{path} cannot be opened: {error}") from None
    raise BadImages(
        f"{path} is one file of a kind that holds no set of images; "
        "name the folder that the images are in (unpack an archive first), or an idx, .npy or .npz file"
    )


def _is_current(
    known: _cache.Description, origin: Source, stamp: str | None, renew: Callable[[_cache.Description], None]
) -> bool:
    if stamp is not None and known.stamp == stamp:
        return True
    if known.digest != origin.digest():
        return False
    # The entry is right either way; without the new stamp the next start only takes a little longer.
    with suppress(PenchantError):
        renew(replace(known, stamp=stamp))
    return True


def _take_in(
    origin: Source, settings: ImageSettings, cache: Path, key: str, stamp: str | None, report: Report
) -> tuple[np.ndarray, _cache.Description]:
    """Read every image once, in its own order, then write them to the cache in the order of their hashes."""
    digest, total, began = origin.digest(), max(1, origin.count()), time.monotonic()
    first: dict[bytes, str] = {}
    duplicates: list[list[str]] = []
    skipped: list[list[str]] = []
    with _cache.scratch(cache) as file:
        for block in origin.blocks(settings):
            for name, image in block:
                if isinstance(image, str):
                    skipped.append([_printable(name), image])
                    continue
                data = np.ascontiguousarray(image).tobytes()
                mark = sha256(data).digest()
                if mark in first:
                    duplicates.append([_printable(name), _printable(first[mark])])
                    continue
                first[mark] = name
                with _cache.writing(cache):
                    file.write(data)
            found = len(first) + len(duplicates) + len(skipped)
            fraction = min(1.0, found / total)
            left = (time.monotonic() - began) * (1 - fraction) / fraction if fraction else None
            report(Progress("images", fraction, left, {"images": float(len(first))}))
        found = len(first) + len(duplicates) + len(skipped)
        _check_enough(origin.label, len(first), found, duplicates, skipped, settings)
        with _cache.writing(cache):
            file.flush()
        marks, names = list(first), list(first.values())
        order = sorted(range(len(marks)), key=marks.__getitem__)
        held = sum(int.from_bytes(mark[:8], "big") / 2**64 < settings.holdout for mark in marks)
        held = min(max(held, 2), len(marks) - 1) if settings.holdout else 0
        shape = (len(marks), settings.spec.channels, settings.size, settings.size)
        description = _cache.Description(
            stamp=stamp,
            digest=digest,
            hash=hash_of(repr((shape, held)), *sorted(marks))[:16],
            holdout=held,
            names=[names[index] for index in order],
            found=found,
            duplicates=duplicates,
            skipped=skipped,
        )
        rows = np.frombuffer(mmap(file.fileno(), 0, access=ACCESS_READ), dtype=np.uint8).reshape(shape)
        _cache.save(cache, key, rows, np.array(order), description)
    entry = _cache.load(cache, key)
    if entry is None:
        raise BadImages(f"the image cache in {cache} cannot be read back just after it was written; check that disk")
    return entry


def _image_set(
    images: np.ndarray, known: _cache.Description, label: str, settings: ImageSettings, root: Path | None
) -> ImageSet:
    _check_enough(label, len(images), known.found, known.duplicates, known.skipped, settings)
    held = known.holdout
    return ImageSet(
        train=images[held:],
        holdout=images[:held],
        train_paths=tuple(known.names[held:]),
        holdout_paths=tuple(known.names[:held]),
        report=IntakeReport(
            source=_printable(label),
            found=known.found,
            used=len(images),
            train=len(images) - held,
            holdout=held,
            duplicates=tuple((name, other) for name, other in known.duplicates),
            skipped=tuple((name, reason) for name, reason in known.skipped),
        ),
        spec=settings.spec,
        hash=known.hash,
        root=root,
    )


def _check_enough(
    label: str, used: int, found: int, duplicates: list[list[str]], skipped: list[list[str]], settings: ImageSettings
) -> None:
    if used >= settings.minimum:
        return
    text = f"{_printable(label)} has {used} usable images; at least {settings.minimum} are needed. Found {found}"
    if duplicates or skipped:
        text += f", of which {len(duplicates)} were duplicates and {len(skipped)} could not be used"
    for name, reason in skipped[:_REASONS_SHOWN]:
        text += f"\n  {name}: {reason}"
    if len(skipped) > _REASONS_SHOWN:
        text += f"\n  … and {len(skipped) - _REASONS_SHOWN} more"
    if not found:
        text += "; PNG, JPEG, WebP, GIF, BMP and idx files are looked for, at any depth"
    raise BadImages(text)


def _printable(name: str) -> str:
    """A file name that can be written as UTF-8, whatever bytes it has on disk."""
    return name.encode("utf-8", "backslashreplace").decode()
