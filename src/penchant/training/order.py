"""Which rows make up which batch: decided by the seed and the image clock alone, so resuming needs no state."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from penchant.core.errors import BadConfiguration, BadImages
from penchant.core.rng import Rng
from penchant.training.objective import Batch

_DEVICE_BYTES = 2 * 2**30


class Batches:
    """An endless shuffled stream of rows, cut into batches and dealt out to the processes.

    The stream is a chain of permutations, one an epoch, so every row is seen before any is seen again; sets smaller
    than a batch work. Rows are gathered from memory (or a memory map) in the data's own type, 0.1 ms for 128 images
    as bytes, so no worker processes are needed.

    With weights an epoch, still as many rows as there are, holds each row in proportion to its weight: as often as the
    whole part of its share says, and once more by systematic sampling of the rest (Kitagawa 1996), so that a mean over
    epochs is the weighted mean. Rows of weight 0 are never seen.

    Args:
        columns: arrays with the same number of rows (images; or left, right, label …).
        size: rows of one step over all processes.
        weights: how often each row is seen, relative to the others; all alike without.

    Raises:
        BadImages: there are no rows, or the columns disagree about how many.
        BadConfiguration: weights that are negative, not finite, all 0, or not one a row.
    """

    def __init__(
        self,
        columns: Sequence[np.ndarray],
        size: int,
        rng: Rng,
        device: torch.device,
        share: tuple[int, int],
        weights: Float[np.ndarray, " n"] | None = None,
    ):
        counts = {len(column) for column in columns}
        if len(counts) != 1 or counts == {0}:
            raise BadImages(f"training needs columns of one length, at least one row; found {sorted(counts)}")
        self.rows = counts.pop()
        self._expected = None if weights is None else _expected_counts(weights, self.rows)
        self.size = size
        self.device = device
        self._rng = rng
        self._index, self._count = share
        self._columns = [np.asarray(column) for column in columns]
        on_device = device.type != "cpu" and sum(column.nbytes for column in self._columns) <= _DEVICE_BYTES
        self._resident = [_tensor(column).to(device) for column in self._columns] if on_device else None
        self._epochs: dict[int, np.ndarray] = {}

    def at(self, images: int) -> Batch:
        """This process's part of the batch that starts after ``images`` rows of the stream."""
        rows = self.indices(images)[self._index :: self._count]
        if self._resident is not None:
            chosen = torch.from_numpy(rows).to(self.device)
            return tuple(column[chosen] for column in self._resident)
        return tuple(_tensor(column.take(rows, axis=0)).to(self.device) for column in self._columns)

    def indices(self, images: int) -> np.ndarray:
        """Rows of the whole step, over all processes."""
        first, last = images // self.rows, (images + self.size - 1) // self.rows
        self._epochs = {epoch: self._epoch(epoch) for epoch in range(first, last + 1)}
        stream = np.concatenate(list(self._epochs.values()))
        return stream[images - first * self.rows :][: self.size]

    def _epoch(self, epoch: int) -> np.ndarray:
        if epoch in self._epochs:
            return self._epochs[epoch]
        rng = self._rng.child("order", epoch).numpy()
        if self._expected is None:
            return rng.permutation(self.rows)
        shuffled = rng.permutation(self.rows)
        edges = np.cumsum(self._expected[shuffled])
        edges[-1] = self.rows
        counts = np.diff(np.floor(edges + rng.random()), prepend=0.0).astype(int)
        return rng.permutation(np.repeat(shuffled, counts))


def _expected_counts(weights: Float[np.ndarray, " n"], rows: int) -> Float[np.ndarray, " n"]:
    """How often each row is expected in an epoch of ``rows`` rows."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (rows,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise BadConfiguration(
            f"weights must be {rows} finite numbers of at least 0, not all 0; found {weights.shape} "
            f"from {weights.min(initial=0):g} to {weights.max(initial=0):g}"
        )
    return weights * (rows / weights.sum())


def _tensor(array: np.ndarray) -> torch.Tensor:
    """A tensor of the array; read-only memory (a memory map) is copied, since torch cannot promise not to write."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())
