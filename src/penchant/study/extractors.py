"""The extractors of a study, numbered, and what each makes of the candidates."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.core.contracts import Extractor
from penchant.core.errors import StudyDamaged
from penchant.core.pretrained import load_extractor
from penchant.data import to_float
from penchant.study.files import moved_into_place
from penchant.study.pool import features_of
from penchant.study.versions import Versions

_Features = Float[np.ndarray, "n d"]


@dataclass
class Extractors:
    """0 was fitted when the generator was trained; each later one was learned from votes, and none ever changes.

    A learned one begins with the columns of 0 and keeps the features of all candidates that there were, since votes on
    them are learned from anew. Candidates that came later have the newest extractor's features beside them.
    """

    path: Path
    versions: Versions
    _extractors: dict[int, Extractor] = field(default_factory=dict[int, Extractor])
    _features: dict[tuple[int, int], _Features] = field(default_factory=dict[tuple[int, int], _Features])

    def __getitem__(self, number: int) -> Extractor:
        """The extractor with this number; each is loaded once."""
        if number not in self._extractors:
            folder = self.path / "features" if number == 0 else self._folder(number) / "extractor"
            self._extractors[number] = load_extractor(folder, self.versions.encoder())
        return self._extractors[number]

    def features(self, number: int, pool: int) -> _Features:
        """What extractor ``number`` makes of a version's candidates; memory-mapped.

        Raises:
            StudyDamaged: the file is missing or broken.
        """
        if (number, pool) not in self._features:
            path = self._folder(number) / f"pool-{pool}.npy"
            try:
                found = np.load(path, mmap_mode="r") if path.is_file() else self.versions.pool(pool).features
            except (OSError, ValueError) as error:
                raise StudyDamaged(f"the features in {path} cannot be read: {error}") from None
            width = self[number].width
            if found.shape[1] < width:
                raise StudyDamaged(f"{path} is missing or wrong; `penchant doctor {self.path}` says more")
            self._features[number, pool] = found[:, :width]
        return self._features[number, pool]

    def add(self, number: int, extractor: Extractor) -> None:
        """Keep one that was learned, with its features of all candidates there are."""
        with moved_into_place(self._folder(number)) as folder:
            extractor.save_pretrained(folder / "extractor")
            for version in self.versions.all():
                images = self.versions.pool(version.number).images
                with torch.no_grad():
                    found = [features_of(to_float(np.asarray(part)), extractor) for part in _parts(images)]
                np.save(folder / f"pool-{version.number}.npy", np.concatenate(found))
        self.versions.keep_hash(f"learned/{number}")

    def _folder(self, number: int) -> Path:
        return self.path / "learned" / str(number)


def _parts(images: UInt8[np.ndarray, "n c h w"]) -> Iterator[UInt8[np.ndarray, "k c h w"]]:
    for start in range(0, len(images), 256):
        yield images[start : start + 256]
