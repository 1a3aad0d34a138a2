"""A flow in pixels that goes on training."""

import copy
from typing import TYPE_CHECKING

from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from penchant.core.contracts import Continued
from penchant.generators._velocity import VelocityMatching
from penchant.training.objective import Clock

if TYPE_CHECKING:
    from penchant.generators.flow import FlowImages


class ContinuedFlow(Continued):
    """A copy of the velocity, learning images under their conditions; it has no likelihood that is cheap to tell."""

    def __init__(self, original: "FlowImages"):
        learning = copy.deepcopy(original)
        self.generator = learning
        self._network = learning.network
        self.parameters = [parameter.requires_grad_() for parameter in learning.network.parameters()]
        self._matching = VelocityMatching(learning.network)

    def loss(
        self, images: UInt8[Tensor, "n c h w"], noise: Generator, conditions: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, ""]:
        """The mean squared error of the velocity."""
        device = next(self._network.parameters()).device
        told = () if conditions is None or not self._network.condition_dim else (conditions.to(device),)
        return self._matching((images.to(device), *told), noise, Clock(fraction=1.0)).total
