"""A few classes, each a column of its own: for images sorted into folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import TextEncoder
from penchant.core.errors import BadConfiguration, StudyDamaged, UnknownName
from penchant.core.pretrained import read_config, write_config


@dataclass(frozen=True)
class Classes:
    """One-hot rows: every text is the name of a class, and no class is nearer to one than to another.

    For up to some hundreds of classes with several images each. Use ``hashed`` for captions, where most texts are
    different but share their words.

    Args:
        most: more classes than this are taken for captions, and refused.
    """

    most: int = 1000

    def __post_init__(self) -> None:
        if self.most < 2:
            raise ValueError(f"most must be at least 2; found {self.most}")

    def fit(self, texts: Sequence[str]) -> "ClassNames":
        """The classes that ``texts`` name; raises BadConfiguration where there is one or none, or too many."""
        names = sorted({text.strip() for text in texts})
        if not 2 <= len(names) <= self.most:
            raise BadConfiguration(
                f"classes are 2 to {self.most} sub-folders with images; found {len(names)}. "
                'Captions want conditions = "hashed"; images without either, conditions = "none"'
            )
        return ClassNames(tuple(names))

    @staticmethod
    def load(directory: Path) -> "ClassNames":
        """What :meth:`ClassNames.save_pretrained` wrote; raises StudyDamaged where it is not that."""
        names = read_config(directory).get("names")
        if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
            raise StudyDamaged(f"{directory / 'config.json'} names no classes")
        return ClassNames(tuple(names))


class ClassNames(TextEncoder):
    """What :class:`Classes` fits. Rows are scaled so that columns have about unit size."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self.width = len(names)

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n c"]:
        """One row a name, in any mixture of capitals and small letters; raises UnknownName for another name."""
        places = {name.casefold(): place for place, name in enumerate(self.names)}
        rows = np.zeros((len(texts), self.width), np.float32)
        for row, text in zip(rows, texts, strict=True):
            place = places.get(text.strip().casefold())
            if place is None:
                raise UnknownName("class", text, self.names)
            row[place] = self.width**0.5
        return rows

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json``."""
        write_config(directory, "texts/classes", {"names": list(self.names)})
