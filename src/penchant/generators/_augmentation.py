"""Differentiable augmentation: what a discriminator sees of real and made images alike, so that it cannot memorise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from penchant.training.objective import Clock

KNOWN = ("flip", "turn", "shift", "colour", "cutout")
_HARMLESS, _OFTEN = 50, 200
"""How often each image may be seen before a discriminator learns it by heart, and when all of the help is needed."""


@dataclass(frozen=True)
class Augmentation:
    """Flip, quarter turn, shift, colour, cutout, each with the same probability; then noise (Zhao et al. 2020).

    Below a probability of about one half the game's only solution is still the data itself, not augmented data
    (Karras et al. 2020, section 2.2). The probability rises to ``probability`` over the first half of training, or
    with ``learned_from`` as images repeat: from none while each was seen 50 times to all at 200 times. The deviation of
    the noise falls from ``noise`` to 0 over the first half (instance noise, Sønderby et al. 2017). All geometry is one
    gather of pixels, which has second derivatives, as gradient penalties need.

    Args:
        names: which ones.
        probability: of each, at its top.
        noise: deviation of the noise at the start.
        learned_from: how many training images there are, where their repetition is to decide.

    Raises:
        ValueError: a name that is none, or a probability beyond [0, 1].
    """

    names: tuple[str, ...]
    probability: float
    noise: float
    learned_from: int | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in KNOWN]
        if unknown:
            raise ValueError(f"augmentations must be of {', '.join(KNOWN)}; found {', '.join(unknown)}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"augmentation must be a probability; found {self.probability:g}")

    def probability_at(self, clock: Clock) -> float:
        """How likely each augmentation is now."""
        if self.learned_from is None:
            return self.probability * min(1.0, 2 * clock.fraction)
        often = clock.images / max(1, self.learned_from)
        return self.probability * min(1.0, max(0.0, (often - _HARMLESS) / (_OFTEN - _HARMLESS)))

    def __call__(self, pixels: Float[Tensor, "n c h w"], noise: Generator, clock: Clock) -> Float[Tensor, "n c h w"]:
        ramp = min(1.0, 2 * clock.fraction)
        probability, deviation = self.probability_at(clock), self.noise * (1 - ramp)
        if self.names and probability > 0:
            chosen = torch.rand(len(KNOWN), len(pixels), generator=noise, device=pixels.device) < probability
            which = {name: chosen[index] & (name in self.names) for index, name in enumerate(KNOWN)}
            if {"flip", "turn", "shift"} & {*self.names}:
                pixels = _moved(pixels, which, noise)
            if "colour" in self.names:
                pixels = _recoloured(pixels, which["colour"], noise)
            if "cutout" in self.names:
                pixels = _covered(pixels, which["cutout"], noise)
        if deviation > 0:
            pixels = pixels + deviation * torch.randn(pixels.shape, generator=noise, device=pixels.device)
        return pixels


def _moved(pixels: Tensor, which: dict[str, Tensor], noise: Generator) -> Tensor:
    """Flipped, turned by quarters, shifted by up to an eighth of the side; what comes in is the mirrored border."""
    count, channels, side, _ = pixels.shape
    places = torch.arange(side, device=pixels.device)
    most = side // 8
    shift = torch.randint(-most, most + 1, (2, count), generator=noise, device=pixels.device) * which["shift"]
    turns = torch.randint(1, 4, (count,), generator=noise, device=pixels.device) * which["turn"]
    y, x = (_mirrored(places + by[:, None], side) for by in shift)
    y, x = y[:, :, None].expand(-1, -1, side), x[:, None, :].expand(-1, side, -1)
    for quarter in range(3):
        turned = (turns > quarter)[:, None, None]
        y, x = torch.where(turned, x, y), torch.where(turned, side - 1 - y, x)
    x = torch.where(which["flip"][:, None, None], side - 1 - x, x)
    index = (y * side + x).reshape(count, 1, -1).expand(-1, channels, -1)
    return pixels.flatten(2).gather(2, index).view_as(pixels)


def _mirrored(places: Tensor, side: int) -> Tensor:
    places = places.abs()
    return torch.where(places >= side, 2 * (side - 1) - places, places)


def _recoloured(pixels: Tensor, chosen: Tensor, noise: Generator) -> Tensor:
    """Brightness by up to ±.25 (of 2), saturation and contrast by factors of .5 to 1.5."""
    amounts = torch.rand(3, len(pixels), 1, 1, 1, generator=noise, device=pixels.device) - 0.5
    brightness, saturation, contrast = amounts
    changed = pixels + 0.5 * brightness
    grey = changed.mean(dim=1, keepdim=True)
    changed = grey + (changed - grey) * (1 + saturation)
    level = changed.mean(dim=(1, 2, 3), keepdim=True)
    changed = level + (changed - level) * (1 + contrast)
    return torch.where(chosen[:, None, None, None], changed, pixels)


def _covered(pixels: Tensor, chosen: Tensor, noise: Generator) -> Tensor:
    """A square of half the side, anywhere, is middle grey."""
    count, _, side, _ = pixels.shape
    places = torch.arange(side, device=pixels.device)
    centre = torch.randint(0, side, (2, count, 1), generator=noise, device=pixels.device)
    inside = (places - centre).abs() < side / 4
    covered = inside[0][:, :, None] & inside[1][:, None, :] & chosen[:, None, None]
    return pixels * ~covered[:, None]
