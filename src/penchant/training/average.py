"""Weights averaged over training: the samples of a generator come from these."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average whose half-life grows with training: min(half_life, 0.05 × images seen).

    The ramp (Karras et al. 2020, ADA's reference code) lets early averages forget the random start. Costs one
    pass over the weights a step.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> average = WeightAverage(layer, half_life=100)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> average.update(images=2_000, step_images=100)
    >>> bool(average.weights["weight"] != 0)
    True
    """

    def __init__(self, module: nn.Module, half_life: int):
        self.half_life = half_life
        self.module = module
        self.weights: dict[str, Tensor] = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, images: int, step_images: int) -> None:
        """Move towards the module's weights; ``images`` were seen in all, ``step_images`` in this step."""
        half_life = min(self.half_life, 0.05 * images)
        keep = 0.5 ** (step_images / half_life)
        current = self.module.state_dict()
        smooth = {name for name, value in current.items() if value.is_floating_point()}
        for name in smooth:
            self.weights[name].lerp_(current[name], 1 - keep)
        for name in current.keys() - smooth:
            self.weights[name].copy_(current[name])

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Continue from saved averages."""
        for name, value in self.weights.items():
            value.copy_(weights[name])
