"""A variational autoencoder that goes on training: the evidence lower bound, and the flow on its codes."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from penchant.core.contracts import Continued
from penchant.generators._adversaries import Discriminator
from penchant.generators._autoencoder import NegativeElbo, to_pixels
from penchant.generators._code_flow import FlowMatching
from penchant.generators._judged_autoencoder import Judged
from penchant.training.objective import Clock

if TYPE_CHECKING:
    from penchant.generators._coded import CodedImages

WHOLE = Clock(fraction=1.0)


class ContinuedVAE(Continued):
    """Copies of the autoencoder and of the flow, learning together; which codes are used stays as it was.

    Where there is a judge, what its layers see counts beside the pixels as in training. Its score does not: it was made
    for telling, and one that learns no more would be led astray.
    """

    def __init__(self, original: "CodedImages"):
        self._copy = copy.deepcopy(original)
        self.generator = self._copy
        networks = (self._copy.network, self._copy.flow)
        self.parameters: Sequence[Tensor] = [
            parameter.requires_grad_() for network in networks for parameter in network.parameters()
        ]
        settings = self._copy.settings
        self._elbo: NegativeElbo | Judged = NegativeElbo(self._copy.network, settings.beta, settings.free_bits)
        if isinstance(self._copy.judge, Discriminator):
            weights = (settings.beta, settings.free_bits, settings.features, 0.0, 0.0)
            self._elbo = Judged(self._copy.network, self._copy.judge, *weights)
        self._matching = FlowMatching(self._copy.flow)

    def loss(
        self, images: UInt8[Tensor, "n c h w"], noise: Generator, conditions: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, ""]:
        """−ELBO in nats a pixel value, plus the flow's error on the codes as they are now."""
        device = next(self._copy.network.parameters()).device
        batch = images.to(device)
        with torch.no_grad():
            codes = self._copy.scale.to(device).standardise(*self._copy.network.encode(to_pixels(batch)))
        if conditions is not None and self._copy.condition_dim:
            codes.append(conditions.to(device))
        return self._elbo((batch,), noise, WHOLE).total + self._matching(tuple(codes), noise, WHOLE).total

    @torch.no_grad()
    def error(self, images: UInt8[Tensor, "n c h w"]) -> float:
        """The root mean squared error of giving the images back."""
        inputs = images.float() / 255
        parts = [(self._copy.reconstruct(batch) - batch).square().flatten() for batch in inputs.split(128)]
        return max(float(torch.cat(parts).double().mean().sqrt()), 1e-3)
