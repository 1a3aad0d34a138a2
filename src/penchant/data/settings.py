"""What images become on the way in: their size, colour, framing, and how many are held out."""

from dataclasses import dataclass
from typing import Literal

from penchant.core.contracts import ImageSpec
from penchant.core.errors import BadConfiguration

SIZES = (28, 32, 48, 64, 128)
"""The sizes in pixels that generators are built for."""


@dataclass(frozen=True)
class ImageSettings:
    """How images are read; every image becomes a square of ``size`` pixels.

    Args:
        size: 28, 32, 48, 64 or 128.
        colour: three channels, or one (grey) where false.
        fit: ``"crop"`` keeps the middle square; ``"pad"`` keeps everything, on the background.
        background: red, green, blue from 0 to 255, seen through transparent pixels and around padded images.
        holdout: share of the images that is never trained on.
        minimum: fewer usable images than this are an error.

    Raises:
        BadConfiguration: a value that is not one of these.

    >>> ImageSettings(size=28, colour=False).spec
    ImageSpec(channels=1, size=28)
    """

    size: int = 32
    colour: bool = True
    fit: Literal["crop", "pad"] = "crop"
    background: tuple[int, int, int] = (255, 255, 255)
    holdout: float = 0.1
    minimum: int = 64

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            sizes = ", ".join(map(str, SIZES))
            raise BadConfiguration(f"images can have a size of {sizes} pixels; found {self.size}")
        if self.fit not in ("crop", "pad"):
            raise BadConfiguration(f"images are made square by 'crop' or 'pad'; found '{self.fit}'")
        if len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background):
            raise BadConfiguration(f"a background is three numbers from 0 to 255; found {self.background}")
        if not 0 <= self.holdout <= 0.5:
            raise BadConfiguration(f"the holdout is a share from 0 to 0.5; found {self.holdout:g}")
        if self.minimum < 1:
            raise BadConfiguration(f"the minimum of images is at least 1; found {self.minimum}")

    @property
    def spec(self) -> ImageSpec:
        """Channels and size of every image."""
        return ImageSpec(channels=3 if self.colour else 1, size=self.size)
