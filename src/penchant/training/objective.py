"""What is trained: a network, its optimiser and the loss that it lowers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class Clock:
    """How far a training run is. Images are counted over all processes; seconds over all resumed parts.

    ``fraction`` is the share of the budget that is used up, by time or by images, whichever is further.
    """

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    fraction: float = 0.0


@dataclass(frozen=True)
class Loss:
    """The number to lower, and figures worth showing while it falls (all scalars)."""

    total: Tensor
    figures: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


Batch = tuple[Tensor, ...]
"""One tensor for each column of the data, on the device of training, in the data's own type."""


@dataclass(frozen=True)
class Adam:
    """AdamW (Loshchilov & Hutter 2019): decay applies to weight matrices and kernels, not to biases and norms.

    ``clip`` bounds the norm of the whole gradient. With ``last_beta`` the second of ``betas`` moves there along the
    budget, evenly in log(1 − β): quick to adapt at first, steady in the end.
    """

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    last_beta: float | None = None

    def betas_at(self, fraction: float) -> tuple[float, float]:
        """Both decay rates when ``fraction`` of the budget is used up."""
        first, second = self.betas
        if self.last_beta is None:
            return self.betas
        return first, 1 - (1 - second) ** (1 - fraction) * (1 - self.last_beta) ** fraction


@dataclass(frozen=True)
class MuonAdam:
    """:class:`~penchant.training.muon.Muon` for matrices and kernels, ``adam`` for everything else.

    The quicker choice for networks that are made of convolutions and linear layers; the steps do not depend on the
    scale of the loss.
    """

    learning_rate: float = 0.01
    momentum: float = 0.95
    adam: Adam = Adam(learning_rate=2e-3)


@dataclass(frozen=True)
class Objective:
    """A network with the loss that it lowers; two of them, played in turn, make an adversarial game.

    Args:
        name: prefix of its weights in checkpoints.
        module: the network; only parameters that require gradients are trained.
        loss: takes a batch, the generator of this step's noise (on the batch's device) and the clock. Dropout and
            other draws from torch's default generator are seeded per step too, so that resuming is exact.
        optimiser: its settings.
        half_life: of the averaged weights, in images; None trains without averaging.
        starts: share of the budget from which it is trained; a judge need not learn before it is asked.
    """

    name: str
    module: nn.Module
    loss: Callable[[Batch, Generator, Clock], Loss]
    optimiser: Adam | MuonAdam = field(default_factory=Adam)
    half_life: int | None = 20_000
    starts: float = 0.0
