"""Real batches that cover many real images: core-sets, and strata that keep every mean unbiased."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from penchant.generators._autoencoder import to_pixels
from penchant.training.objective import Batch

_SIDE = 7


@dataclass(frozen=True)
class CoreSet:
    """Of ``drawn`` times as many real images, the batch that covers them (Small-GAN, Sinha et al. 2019).

    A batch by chance repeats what is common and misses what is rare; greedy k-centre over small copies of the images
    takes one of every kind. That changes what is learned: rare kinds count more. Where that is not wanted,
    ``unbiased``: the centres only divide the drawn images into cells, one image is drawn uniformly from each, and
    weighs as many as its cell holds (stratified sampling). The mean of anything over the batch, weighted so, then has
    the expectation of a batch by chance, and varies less where the cells tell something about it.

    Args:
        drawn: real images that are looked at, relative to the batch; 1 takes what comes.
        unbiased: strata with weights instead of the centres themselves.
    """

    drawn: int = 1
    unbiased: bool = False

    def __post_init__(self) -> None:
        if self.drawn < 1:
            raise ValueError(f"at least as many images as the batch must be drawn; found {self.drawn} times as many")
        if self.unbiased and self.drawn == 1:
            raise ValueError("strata need more drawn images than the batch holds; set core_set to 2 or more")

    def __call__(self, batch: Batch, noise: torch.Generator) -> tuple[Batch, Float[Tensor, " n"] | None]:
        """The rows to learn from, of every column, and their weights, whose mean is 1; None where all are alike."""
        if self.drawn == 1:
            return batch, None
        count = max(1, len(batch[0]) // self.drawn)
        points = F.adaptive_avg_pool2d(to_pixels(batch[0]).float(), _SIDE).flatten(1)
        centres = farthest(points, count, noise)
        rows, weights = strata(points, centres, noise) if self.unbiased else (centres, None)
        # Losses look at the first part of a batch for what is dear; it must be like the rest.
        order = torch.randperm(len(rows), generator=noise, device=noise.device).to(rows.device)
        rows = rows[order]
        return tuple(column[rows] for column in batch), None if weights is None else weights[order]


def farthest(points: Float[Tensor, "m d"], count: int, noise: torch.Generator) -> Int[Tensor, " n"]:
    """Greedy k-centre from a point by chance: each the farthest from those before (Sener & Savarese 2018)."""
    first = int(torch.randint(len(points), (1,), generator=noise, device=noise.device))
    chosen, nearest = [first], (points - points[first]).square().sum(1)
    for _ in range(count - 1):
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (points - points[chosen[-1]]).square().sum(1))
    return torch.tensor(chosen, device=points.device)


def strata(
    points: Float[Tensor, "m d"], centres: Int[Tensor, " n"], noise: torch.Generator
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """One row by chance of each centre's cell, and n · (size of the cell) / m as its weight."""
    cell = torch.cdist(points, points[centres]).argmin(1)
    sizes = torch.bincount(cell, minlength=len(centres))
    lots = torch.rand(len(points), generator=noise, device=noise.device).to(points.device)
    # The row with the largest lot of each cell: uniform over the cell.
    order = torch.argsort(cell.double() + 0.5 * lots.double())
    last = sizes.cumsum(0) - 1
    rows, held = order[last.clamp_min(0)], sizes > 0
    return rows[held], (len(centres) * sizes / len(points)).to(points.dtype)[held] * held.sum() / len(centres)
