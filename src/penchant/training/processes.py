"""The processes that train together, through accelerate: one, several on CPUs (gloo), or one a GPU.

``accelerate launch --multi_gpu --num_processes 2 -m penchant …`` starts two processes on GPUs, and on CPUs where there
are none or where the environment says ``ACCELERATE_USE_CPU=true``; so does ``torchrun --nproc_per_node 2``.
(``accelerate launch --cpu`` alone starts one process, whatever ``--num_processes`` says, unless MPI is there.)
"""

import atexit
import os
import sys
from collections.abc import Iterable, Sequence
from types import FunctionType

import torch
from accelerate import PartialState
from accelerate.utils import gather, reduce
from torch import Tensor, distributed, nn


class Processes:
    """This process among those that ``accelerate launch`` started (one, without it).

    Gradients are averaged in one flat message a network, which works for any way of calling it (several methods,
    second derivatives, parts that are frozen), unlike wrappers that watch ``forward``.
    """

    def __init__(self) -> None:
        asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
        self._state = PartialState(cpu=asked or not torch.accelerator.is_available())
        self.device = torch.device(self._state.device or "cpu")
        self.count: int = self._state.num_processes
        self.index: int = self._state.process_index
        if self.count > 1:
            atexit.unregister(_leave)
            atexit.register(_leave)

    @classmethod
    def alone(cls) -> "Processes":
        """This process by itself, though others may be there: for what only one of them trains."""
        this = cls()
        this.count, this.index = 1, 0
        return this

    @property
    def main(self) -> bool:
        """Whether this process writes files and reports."""
        return self.index == 0

    def mean(self, numbers: Sequence[float]) -> list[float]:
        """The mean over all processes, of each number; the same everywhere."""
        if self.count == 1:
            return list(numbers)
        return self._mean(torch.tensor(numbers, dtype=torch.float64, device=self.device)).tolist()

    def gather(self, values: Tensor) -> Tensor:
        """The rows of all processes, one after the other; the same everywhere. All must give equally many."""
        if self.count == 1:
            return values
        result = gather(values.to(self.device))
        assert isinstance(result, Tensor)
        return result.to(values.device)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes; a missing one counts as zero."""
        if self.count == 1:
            return
        chosen = list(parameters)
        for parameter in chosen:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in chosen if parameter.grad is not None]
        mean = self._mean(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, part in zip(gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            self._state.wait_for_everyone()

    def _mean(self, values: Tensor) -> Tensor:
        result = reduce(values, reduction="mean")
        assert isinstance(result, Tensor)
        return result


def _leave() -> None:
    """End the connections to the other processes, and with them the threads that torch keeps for them.

    A thread of gloo drops its last message, which needs Python, some time after the message has arrived; if Python has
    gone by then, the process aborts ("terminate called without an active exception"). Only the group's destructor
    waits for these threads, and destroying the group does not reach it: ``torch.distributed.nn.functional``, imported
    with the first optimizer, keeps the group as a default argument of its functions. They get None, which means the
    same to them.
    """
    if distributed.is_initialized():
        distributed.destroy_process_group()
    for function in vars(sys.modules.get("torch.distributed.nn.functional", object)).values():
        if isinstance(function, FunctionType) and function.__defaults__:
            kept = (None if isinstance(value, distributed.ProcessGroup) else value for value in function.__defaults__)
            function.__defaults__ = tuple(kept)
