"""What a pretrained model's own image processor does to an image, in torch, so that gradients flow through it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from penchant.core.errors import BadConfiguration

_MODES = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}
"""PIL's numbers for the ways of resampling, and torch's names."""


@dataclass(frozen=True)
class Preprocessing:
    """Resize, cut out the middle, standardise the channels; in that order.

    Attributes:
        resize: height and width; a width of 0 means that the shorter side becomes ``height`` and the shape stays;
            (0, 0) leaves the size alone.
        mode: torch's name of the way of resampling.
        crop: height and width of the middle that is kept; (0, 0) keeps everything.
        factor: what pixel values in [0, 1] are multiplied by before the standardisation.
        mean, deviation: of the channels.
    """

    resize: tuple[int, int]
    mode: str
    crop: tuple[int, int]
    factor: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 s t"]:
        """What the network is given. Resampling is antialiased as PIL's, and clipped to [0, 1] as bytes are."""
        images = images.expand(-1, 3, -1, -1)
        height, width = self._resized(int(images.shape[2]), int(images.shape[3]))
        if (height, width) != tuple(images.shape[2:]):
            smooth = self.mode != "nearest-exact"
            images = F.interpolate(images, (height, width), mode=self.mode, antialias=smooth).clamp(0, 1)
        if self.crop != (0, 0):
            top, left = (height - self.crop[0]) // 2, (width - self.crop[1]) // 2
            images = images[:, :, top : top + self.crop[0], left : left + self.crop[1]]
        mean, deviation = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        return (images * self.factor - mean) / deviation

    def at(self, side: int) -> "Preprocessing":
        """The same with another side in the end, cutting away the same share."""
        if self.crop != (0, 0):
            height, width = (round(length * side / self.crop[0]) for length in self.resize)
            return Preprocessing((height, width), self.mode, (side, side), self.factor, self.mean, self.deviation)
        return Preprocessing((side, side), self.mode, (0, 0), self.factor, self.mean, self.deviation)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        wanted, across = self.resize
        if wanted == 0:
            return height, width
        if across != 0:
            return wanted, across
        short = min(height, width)
        return (wanted, wanted * width // short) if height == short else (wanted * height // short, wanted)


def preprocessing_of(config: Mapping[str, Any], where: str) -> Preprocessing:
    """From the contents of a ``preprocessor_config.json``.

    Raises:
        BadConfiguration: it asks for something that is not done here.
    """
    cropped = bool(config.get("do_center_crop", False)) and "crop_size" in config
    crop = _square(config["crop_size"], where) if cropped else (0, 0)
    resize = (0, 0)
    if config.get("do_resize", True):
        size = config.get("size")
        if isinstance(size, Mapping) and "shortest_edge" in size:
            resize = (int(size["shortest_edge"]), 0)
        elif isinstance(size, int) and cropped:
            resize = (size, 0)
        else:
            resize = _square(size, where)
    resample = config.get("resample", 2)
    if resample not in _MODES:
        raise BadConfiguration(
            f"{where} asks for PIL's way of resampling {resample!r}; there are: 0 (nearest), 2 (bilinear), 3 (bicubic)"
        )
    rescaled = config.get("do_rescale", True)
    factor = 255 * float(config.get("rescale_factor", 1 / 255)) if rescaled else 255.0
    normal = bool(config.get("do_normalize", True))
    mean = _channels(config["image_mean"]) if normal else (0.0, 0.0, 0.0)
    deviation = _channels(config["image_std"]) if normal else (1.0, 1.0, 1.0)
    return Preprocessing(resize, _MODES[resample], crop, factor, mean, deviation)


def _square(size: Any, where: str) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping) and {"height", "width"} <= set(size):
        return int(size["height"]), int(size["width"])
    raise BadConfiguration(
        f"{where} asks for the size {size!r}; there are: a number, shortest_edge, or height and width"
    )


def _channels(values: Any) -> tuple[float, float, float]:
    first, second, third = values if isinstance(values, list | tuple) else [values] * 3
    return float(first), float(second), float(third)
