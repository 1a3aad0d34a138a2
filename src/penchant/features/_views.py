"""Random views of an image that a taste would judge about alike: what a self-supervised encoder learns to ignore."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Views:
    """Crops, shifts, small turns, flips, weak changes of colour, and a square covered up, drawn anew for each image.

    Strong colour jitter and conversion to grey, which self-supervised learning on photographs relies on, are left out
    on purpose: they would teach the encoder to ignore colour, and tastes do not.

    Attributes:
        crop: largest share of the side cut away; what is left is stretched to the whole.
        turn: largest rotation either way, in degrees.
        flip: probability of a left-right flip.
        colour: largest change of brightness and contrast, and half as much of each channel, as a share.
        cover: side of the square that takes the image's mean colour, as a share of the image's side; 0 for none.
    """

    crop: float = 0.2
    turn: float = 5.0
    flip: float = 0.5
    colour: float = 0.1
    cover: float = 0.3

    def __post_init__(self) -> None:
        shares = (self.crop, self.colour, self.cover)
        if not (all(0 <= share < 1 for share in shares) and 0 <= self.flip <= 1 and 0 <= self.turn <= 180):
            raise ValueError(
                f"crop, colour and cover must be in [0, 1), flip in [0, 1], turn in [0, 180]; found {self}"
            )

    def draw(self, images: Float[Tensor, "n c h w"], noise: torch.Generator) -> Float[Tensor, "n c h w"]:
        """One view of every image; ``noise`` is on the images' device."""
        return self._covered(self._coloured(self._moved(images, noise), noise), noise)

    def _moved(self, images: Float[Tensor, "n c h w"], noise: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Crop, shift, turn and flip, as one resampling; edges are continued where it reaches beyond them."""
        flip, angle, cut, x, y = _uniform((5, len(images)), images, noise)
        mirrored = torch.where(flip < 2 * self.flip - 1, -1.0, 1.0)
        angle = angle * math.radians(self.turn)
        kept = 1 - self.crop * (cut + 1) / 2
        cosine, sine = kept * torch.cos(angle), kept * torch.sin(angle)
        rows = [
            torch.stack([mirrored * cosine, -sine, x * (1 - kept)], 1),
            torch.stack([mirrored * sine, cosine, y * (1 - kept)], 1),
        ]
        grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)

    def _coloured(self, images: Float[Tensor, "n c h w"], noise: torch.Generator) -> Float[Tensor, "n c h w"]:
        brightness, contrast = 1 + self.colour * _uniform((2, len(images), 1, 1, 1), images, noise)
        tint = 1 + self.colour / 2 * _uniform((*images.shape[:2], 1, 1), images, noise)
        mean = images.mean((1, 2, 3), keepdim=True)
        return (mean + contrast * (images - mean)) * brightness * tint

    def _covered(self, images: Float[Tensor, "n c h w"], noise: torch.Generator) -> Float[Tensor, "n c h w"]:
        height, width = images.shape[2:]
        x, y = _uniform((2, len(images), 1, 1, 1), images, noise)
        down = torch.linspace(-1, 1, height, device=images.device)[:, None]
        across = torch.linspace(-1, 1, width, device=images.device)
        inside = ((down - y).abs() < self.cover) & ((across - x).abs() < self.cover)
        return torch.where(inside, images.mean((2, 3), keepdim=True), images)


def _uniform(shape: tuple[int, ...], images: Tensor, noise: torch.Generator) -> Tensor:
    """Numbers in [−1, 1)."""
    return 2 * torch.rand(shape, generator=noise, device=noise.device).to(images) - 1
