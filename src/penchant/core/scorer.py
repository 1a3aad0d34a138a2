"""Small convolutional networks that give an image a score, and how they are kept.

The convolutional preference model trains them and the features ``convolutional`` read their penultimate layer; neither
imports the other, so what both know of the networks is here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

SAVED_AS = "preference/convolutional"
"""What ``config.json`` of a folder with a trained model says."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """An ensemble of m networks of one outline; ``mean`` and ``spread`` are of the pixels they were trained on.

    Weights follow the images' device and precision; gradients flow to the images alone.
    """

    channels: int
    width: int
    mean: float
    spread: float
    networks: Sequence[nn.Sequential]

    def scores(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "m n"]:
        """The score that each network gives each image."""
        return torch.stack([self._through(network, images)[:, 0] for network in self.networks])

    def penultimate(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """The last hidden layers of all networks side by side: k = 2·width·m."""
        return torch.cat([self._through(nn.Sequential(*list(network)[:-2]), images) for network in self.networks], 1)

    def first(self, count: int) -> "Scorer":
        """The scorer of the first ``count`` networks alone."""
        return replace(self, networks=self.networks[:count])

    def settings(self) -> dict[str, Any]:
        """What :meth:`restored` needs beside the tensors, ready for JSON."""
        outline = {"channels": self.channels, "width": self.width, "members": len(self.networks)}
        return {**outline, "mean": self.mean, "spread": self.spread}

    def tensors(self) -> dict[str, Tensor]:
        """The weights, as ``"member.layer.weight"``."""
        return {
            f"{place}.{name}": value
            for place, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
        }

    @staticmethod
    def restored(settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Scorer":
        """The scorer of these settings and tensors; others beside them do not matter.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: something is missing or has another shape.
        """
        channels, width, members = (int(settings[name]) for name in ("channels", "width", "members"))
        if min(channels, width, members) < 1:
            raise ValueError(f"a scorer needs channels, width and members; found {channels}, {width} and {members}")
        networks = [network_of(channels, width) for _ in range(members)]
        for place, network in enumerate(networks):
            prefix = f"{place}."
            own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            network.load_state_dict(own)
        mean, spread = float(settings["mean"]), float(settings["spread"])
        return Scorer(channels, width, mean, spread, [network.eval() for network in networks])

    def _through(self, network: nn.Sequential, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        weights = {name: value.to(images) for name, value in network.state_dict().items()}
        return functional_call(network, weights, ((images - self.mean) / self.spread,))


def network_of(channels: int, width: int, dropout: float = 0.0) -> nn.Sequential:
    """Three convolutions with pooling, means over the four quarters, two dense layers; weights from N(0, 1/inputs)."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.SiLU(), nn.AvgPool2d(2, ceil_mode=True)]
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout)]
    layers += [nn.Linear(16 * width, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, 1)]
    network = nn.Sequential(*layers)
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.weight[0].numel()))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
