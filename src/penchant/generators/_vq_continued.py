"""A model of tokens that goes on training, what the tokens look like staying as it is."""

import copy
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from penchant.core.contracts import Continued
from penchant.generators._autoencoder import to_pixels
from penchant.generators._token_model import TokenLikelihood
from penchant.training.objective import Clock

if TYPE_CHECKING:
    from penchant.generators.vq_vae import TokenImages


class ContinuedTokens(Continued):
    """A copy of the token model, learning the tokens of images under their conditions.

    Its likelihood is that of tokens, not of pixels, and its images have no gradients, so it has no ``error``.
    """

    def __init__(self, original: "TokenImages"):
        learning = copy.deepcopy(original)
        self.generator = learning
        self._network = learning.network
        self._model = learning.model
        self.parameters = [parameter.requires_grad_() for parameter in learning.model.parameters()]
        self._likelihood = TokenLikelihood(learning.model)

    def loss(
        self, images: UInt8[Tensor, "n c h w"], noise: Generator, conditions: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, ""]:
        """−log p(tokens of the images), in nats a token."""
        device = next(self._model.parameters()).device
        with torch.no_grad():
            levels = self._network.encode(to_pixels(images.to(device)))
        told = () if conditions is None or not self._model.condition_dim else (conditions.to(device),)
        return self._likelihood((levels, *told), noise, Clock(fraction=1.0)).total
