"""A training loop as one would write it at first, and what can be done to it, one thing after the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from penchant.training.layout import laid_out
from penchant.training.objective import Clock, Objective

_CLOCK = Clock(1000, 32_000, 10.0, 0.5)
"""Half-way through: warm-ups are over."""


@dataclass(frozen=True)
class PlainLoop:
    """A data loader of float tensors, float32, AdamW as it comes: every field is something done about it.

    Args:
        in_memory: rows gathered from one tensor of bytes, instead of a ``DataLoader`` over floats.
        fused: AdamW as one kernel.
        bfloat16: forward passes under autocast.
        channels_last: networks' and batches' memory format.
    """

    in_memory: bool = False
    fused: bool = False
    bfloat16: bool = False
    channels_last: bool = False

    def run(self, objectives: list[Objective], images: UInt8[Tensor, "n c h w"], batch: int, steps: int) -> None:
        """So many steps of each of the objectives, in turn."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        for objective in objectives:
            laid_out(objective.module.train(), layout)
        optimisers = [torch.optim.AdamW(one.module.parameters(), 1e-3, fused=self.fused) for one in objectives]
        batches, noise = self._batches(images, batch), torch.Generator().manual_seed(0)
        for _ in range(steps):
            for objective, optimiser in zip(objectives, optimisers, strict=True):
                rows = next(batches).to(memory_format=layout)
                optimiser.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                    loss = objective.loss((rows,), noise, _CLOCK).total
                loss.backward()
                optimiser.step()

    def _batches(self, images: UInt8[Tensor, "n c h w"], batch: int) -> Iterator[Tensor]:
        rows = torch.Generator().manual_seed(0)
        if self.in_memory:
            while True:
                yield images[torch.randint(len(images), (batch,), generator=rows)]
        loader = DataLoader(TensorDataset(images.float()), batch, shuffle=True, drop_last=True, generator=rows)
        while True:
            for (found,) in loader:
                yield found
