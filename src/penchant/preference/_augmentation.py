"""Small random changes of an image that leave most tastes alone: against learning 60 votes by heart."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Flips, rotations and crops, as one resampling.

    Attributes:
        flip: probability of a left-right flip.
        rotate: largest rotation either way, in degrees.
        crop: largest share of the side cut away; what is left is stretched to the whole.
    """

    flip: float = 0.5
    rotate: float = 5.0
    crop: float = 0.1

    def __post_init__(self) -> None:
        if not (0 <= self.flip <= 1 and 0 <= self.rotate <= 180 and 0 <= self.crop < 1):
            raise ValueError(f"flip must be in [0, 1], rotate in [0, 180], crop in [0, 1); found {self}")

    def apply(self, images: Float[Tensor, "n c h w"], noise: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Every image changed by its own draw; edges are continued where a rotation uncovers them."""
        if self.flip == self.rotate == self.crop == 0:
            return images
        flip, angle, scale, x, y = torch.rand(5, len(images), generator=noise, device=noise.device).to(images.device)
        mirrored = torch.where(flip < self.flip, -1.0, 1.0)
        angle = (2 * angle - 1) * math.radians(self.rotate)
        kept = 1 - self.crop * scale
        cosine, sine = kept * torch.cos(angle), kept * torch.sin(angle)
        shift_x, shift_y = (2 * x - 1) * (1 - kept), (2 * y - 1) * (1 - kept)
        rows = [torch.stack([mirrored * cosine, -sine, shift_x], 1), torch.stack([mirrored * sine, cosine, shift_y], 1)]
        grid = F.affine_grid(torch.stack(rows, 1).to(images.dtype), list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
