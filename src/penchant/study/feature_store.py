"""What an extractor sees of a whole pool: half-precision features on disk, filled by one process or by several."""

import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.core.contracts import FEATURES, Extractor, Report, silent
from penchant.core.errors import StudyDamaged
from penchant.core.pretrained import load_extractor
from penchant.core.rng import Rng
from penchant.data import to_float
from penchant.study.files import moved_into_place
from penchant.study.shards import Rows, fill
from penchant.training.processes import Processes

_FITTED_TO = 2000
_AT_ONCE = 512
_NAME = "features"


def feature_store(
    folder: Path,
    spec: str,
    images: UInt8[np.ndarray, "n c h w"],
    images_hash: str,
    rng: Rng,
    processes: Processes | None = None,
    report: Report = silent,
    held: UInt8[np.ndarray, "h c h w"] | None = None,
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "h d"] | None]:
    """The features of images, memory-mapped, and those of ``held`` images by the same extractor.

    Made once for each extractor and set of images: read when they are there, gone on with where a call was
    interrupted. Under ``accelerate launch`` every process fills its share of the blocks and all read the same file,
    which is to the bit that of one process; the extractor is fitted by the first one alone. In memory are 1,024
    images a process. Cost: that of the extractor, 1 ms an image at 32 px for ``descriptors``.

    Args:
        folder: where stores are kept, one folder each.
        spec: an extractor, fitted to 2,000 of the images by chance.
        images: the pool, memory-mapped is fine.
        images_hash: of the images, so that those that changed are looked at anew.
        rng: which images it is fitted to.
        processes: who shares the work.
        report: hears how far this process is.
        held: further images to look at.

    Raises:
        StudyDamaged: what is stored there cannot be read.
    """
    processes = processes or Processes.alone()
    key = sha256(f"{spec}\n{images_hash}\n{images.shape}\n{rng.seed} {rng.path}".encode()).hexdigest()[:16]
    place, eyes = folder / key, folder / f"{key}.extractor"
    if not place.is_dir():
        if processes.main and not eyes.is_dir():
            _fitted(spec, images, rng, eyes)
        processes.wait()
        looking = load_extractor(eyes, None)

        def make(rows: slice) -> Rows:
            return {_NAME: _seen(looking, images[rows])}

        arrays = {_NAME: ((looking.width,), "float16")}
        fill(place, len(images), arrays, f"{key} {looking.hash}", make, processes, report)
    try:
        features = np.load(place / f"{_NAME}.npy", mmap_mode="r")
        unseen = None if held is None else _seen(load_extractor(eyes, None), held)
    except (OSError, ValueError) as error:
        raise StudyDamaged(f"the features at {place} cannot be read: {error}; remove that folder") from None
    return features, unseen


def forget_stores(folder: Path, keep: int = 0) -> None:
    """Remove the stores of a folder but the ``keep`` newest; they are made again when they are needed."""
    if folder.is_dir():
        stores = sorted((one for one in folder.iterdir() if one.is_dir()), key=lambda one: -one.stat().st_mtime)
        for place in [one for one in stores if not one.name.endswith(".extractor")][keep:]:
            shutil.rmtree(place, ignore_errors=True)
            shutil.rmtree(place.with_name(f"{place.name}.extractor"), ignore_errors=True)


def _fitted(spec: str, images: UInt8[np.ndarray, "n c h w"], rng: Rng, eyes: Path) -> None:
    sample = images[np.sort(rng.numpy().permutation(len(images))[:_FITTED_TO])]
    extractor: Extractor = FEATURES.make(spec).fit(to_float(np.asarray(sample)), None, rng)
    eyes.parent.mkdir(parents=True, exist_ok=True)
    with moved_into_place(eyes) as folder:
        extractor.save_pretrained(folder)


def _seen(extractor: Extractor, images: UInt8[np.ndarray, "n c h w"]) -> Float[np.ndarray, "n d"]:
    parts: list[np.ndarray] = []
    for start in range(0, len(images), _AT_ONCE):
        with torch.no_grad():
            parts.append(extractor(to_float(np.asarray(images[start : start + _AT_ONCE]))).numpy().astype(np.float16))
    return np.concatenate(parts) if parts else np.zeros((0, extractor.width), np.float16)
