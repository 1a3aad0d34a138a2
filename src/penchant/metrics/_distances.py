"""Distances between all rows of two tables, some at a time: the memory is used again, which is half of the time."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from penchant.metrics._features import Features

ROWS_A_PASS = 1024
"""Rows of distances kept at once: 80 MB for 10,000 columns."""


def distance_passes(left: Features, right: Features) -> Iterator[tuple[int, Float[Tensor, "r m"]]]:
    """‖x − y‖² of every row x of ``left`` and y of ``right``, in double precision; 1,024 rows at a time.

    Yields the number of the first row and the distances, which the next pass overwrites. A fresh array each time would
    cost as much as the product itself, since its memory has to be found first.
    """
    rows, columns = table(left), table(right)
    of_rows, of_columns = rows.square().sum(dim=1), columns.square().sum(dim=1)
    room = torch.empty(min(ROWS_A_PASS, len(rows)), len(columns), dtype=torch.float64)
    for start in range(0, len(rows), ROWS_A_PASS):
        part = rows[start : start + ROWS_A_PASS]
        found = room[: len(part)]
        torch.addmm(of_columns[None], part, columns.T, alpha=-2, out=found)
        found += of_rows[start : start + ROWS_A_PASS, None]
        yield start, found.clamp_(min=0)


def squared_distances(left: Features, right: Features) -> Float[Tensor, "n m"]:
    """The same, all at once."""
    rows, columns = table(left), table(right)
    found = torch.addmm(columns.square().sum(dim=1)[None], rows, columns.T, alpha=-2)
    found += rows.square().sum(dim=1)[:, None]
    return found.clamp_(min=0)


def table(features: Features) -> Float[Tensor, "n d"]:
    """As torch has it, the numbers shared where they can be."""
    return torch.from_numpy(np.ascontiguousarray(features, dtype=np.float64))
