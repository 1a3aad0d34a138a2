"""The pictures that hidden tastes are about: the embedded ones, and packs of real ones where they are at hand."""

import gzip
import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from penchant.core.contracts import FEATURES, Group
from penchant.core.errors import BadImages, UnknownName
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float

SETS = ("embedded", "flowers", "emoji", "fashion")
PACKS_AT = "PENCHANT_DATA"
"""The environment variable that names the folder of packs."""


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Images with their features; the first ``pool`` may be asked about, the others are for testing."""

    name: str
    images: Float[Tensor, "n c h w"]
    features: Float[np.ndarray, "n d"]
    groups: Sequence[Group]
    pool: int

    @property
    def plain(self) -> Float[np.ndarray, "n d"]:
        """Without optional columns: squares and products are for models that know when to leave them out."""
        return self.features[:, : max(group.stop for group in self.groups if not group.optional)]


def picture_set(name: str, features: str, most: int, packs: str | None) -> PictureSet:
    """At most ``most`` pictures, half of them the pool; ``features`` is fitted to the pool alone.

    Raises:
        UnknownName: there is no such set.
        BadImages: its pack is not there; the text says what to do.
    """
    images = to_float(_pixels(name, most, packs))
    pool = len(images) // 2
    extractor = FEATURES.make(features).fit(images[:pool], None, Rng(0))
    with torch.no_grad():
        return PictureSet(name, images, extractor(images).numpy(), extractor.groups, pool)


def pack_path(name: str, packs: str | None) -> Path:
    """Where the pack ``name`` is: in ``packs``, or in the folder that PENCHANT_DATA names.

    Raises:
        BadImages: it is not there.
    """
    folder = packs or os.environ.get(PACKS_AT)
    if folder is None or not (Path(folder) / name).exists():
        at = f"{folder} has none" if folder else f"{PACKS_AT} is not set"
        raise BadImages(f"needs the pack {name}: {at}; set {PACKS_AT} to the folder that holds it")
    return Path(folder) / name


def _pixels(name: str, most: int, packs: str | None) -> UInt8[np.ndarray, "n c h w"]:
    match name:
        case "embedded":
            return draw_pictures(most, 32, Rng(2026)).images
        case "flowers":
            return _zipped(pack_path("flowers_96.zip", packs), "", ".jpg", most)
        case "emoji":
            return _zipped(pack_path("noto_emoji_64.zip", packs), "base/", ".png", most)
        case "fashion":
            with gzip.open(pack_path("fashion_mnist", packs) / "t10k-images-idx3-ubyte.gz") as file:
                pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16)
            return pixels.reshape(-1, 1, 28, 28)[:most].copy()
        case _:
            raise UnknownName("set of pictures", name, SETS)


def _zipped(path: Path, prefix: str, ending: str, most: int) -> UInt8[np.ndarray, "n c h w"]:
    """Images of a zip at 32 px on white, in an order that has nothing to do with their names."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith(prefix) and name.endswith(ending))
        order = Rng(2026).child(path.name).numpy().permutation(len(names))[:most]
        return np.stack([_opened(archive.read(names[place])) for place in order])


def _opened(data: bytes) -> UInt8[np.ndarray, "3 32 32"]:
    with Image.open(io.BytesIO(data)) as image:
        shown = image.convert("RGBA")
        ground = Image.new("RGBA", shown.size, "white")
        ground.alpha_composite(shown)
        small = ground.convert("RGB").resize((32, 32), Image.Resampling.LANCZOS)
    return np.asarray(small).transpose(2, 0, 1).copy()
