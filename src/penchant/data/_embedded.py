"""The embedded picture set as a source of images: always the same pictures, the first so many of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data._source import BLOCK, Item, hash_of
from penchant.data.pictures import draw_pictures
from penchant.data.settings import ImageSettings

DEFAULT_COUNT = 12_000
_MOST = 1_000_000
_RNG = Rng(0, ("embedded",))


@dataclass(frozen=True)
class EmbeddedSource:
    """The first ``number`` pictures of the embedded set."""

    number: int

    @property
    def label(self) -> str:
        """See :class:`Source`."""
        return f"pictures:{self.number}"

    def count(self) -> int:
        """See :class:`Source`."""
        return self.number

    def listing(self) -> str:
        """See :class:`Source`."""
        return hash_of(self.label)

    def stamp(self) -> str | None:
        """See :class:`Source`."""
        return self.digest()

    def digest(self) -> str:
        """See :class:`Source`; a few pictures tell whether the drawing itself has changed."""
        return hash_of(draw_pictures(64, 16, _RNG).images.tobytes())

    def blocks(self, settings: ImageSettings) -> Iterator[list[Item]]:
        """See :class:`Source`."""
        step = 4 * BLOCK
        for start in range(0, self.number, step):
            count = min(step, self.number - start)
            images: np.ndarray = draw_pictures(count, settings.size, _RNG, settings.spec.channels, first=start).images
            yield [(f"{start + index:06}", image) for index, image in enumerate(images)]


def embedded_source(word: str) -> EmbeddedSource | None:
    """The source that ``pictures`` or ``pictures:COUNT`` names; None for any other word.

    Raises:
        BadConfiguration: the count is not a number from 1 to 1,000,000.
    """
    name, colon, count = word.partition(":")
    if name != "pictures":
        return None
    if not colon:
        return EmbeddedSource(DEFAULT_COUNT)
    if not (count.isdecimal() and 1 <= int(count) <= _MOST):
        raise BadConfiguration(f"'{word}': write pictures or pictures:COUNT with a count from 1 to {_MOST:,}")
    return EmbeddedSource(int(count))
