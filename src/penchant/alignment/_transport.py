"""An invertible map of latents with an exact log-determinant, which starts as the identity."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from penchant.core.rng import Rng

LOG_SCALE_LIMIT = 2.0
"""Each coupling stretches a dimension by at most e² either way, which keeps early steps finite."""


class Coupling(nn.Module):
    """Half of the dimensions, stretched and shifted by what the other half says (RealNVP, arXiv 1605.08803, eq. 8)."""

    order: Tensor
    place: Tensor

    def __init__(self, order: Tensor, hidden: int, rng: Rng):
        super().__init__()
        dimensions = len(order)
        self.kept = dimensions // 2
        moved = dimensions - self.kept
        self.register_buffer("order", order)
        self.register_buffer("place", torch.argsort(order))
        self.conditioner = nn.Sequential(
            seeded_linear(self.kept, hidden, rng.child(0)),
            nn.SiLU(),
            seeded_linear(hidden, hidden, rng.child(1)),
            nn.SiLU(),
            seeded_linear(hidden, 2 * moved, None),
        )

    def forward(self, u: Tensor, dial: float) -> tuple[Tensor, Tensor]:
        kept, moved = u[:, self.order[: self.kept]], u[:, self.order[self.kept :]]
        log_scale, shift = self._scale_and_shift(kept, dial)
        return self._back(kept, moved * log_scale.exp() + shift), log_scale.sum(dim=1)

    def inverse(self, z: Tensor, dial: float) -> tuple[Tensor, Tensor]:
        """The u whose image is z, and the log-determinant at u."""
        kept, moved = z[:, self.order[: self.kept]], z[:, self.order[self.kept :]]
        log_scale, shift = self._scale_and_shift(kept, dial)
        return self._back(kept, (moved - shift) * (-log_scale).exp()), log_scale.sum(dim=1)

    def _scale_and_shift(self, kept: Tensor, dial: float) -> tuple[Tensor, Tensor]:
        raw, shift = self.conditioner(kept).chunk(2, dim=1)
        return dial * LOG_SCALE_LIMIT * torch.tanh(raw / LOG_SCALE_LIMIT), dial * shift

    def _back(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.cat([kept, moved], dim=1)[:, self.place]


class Transport(nn.Module):
    """T: u → z, affine couplings and then one shift and stretch of every dimension.

    The last step is there because the best tilt for a linear reward is a mean shift, which it holds exactly.
    ``dial`` scales every shift and log-stretch: 0 is the identity, 1 what was learned, and every value between
    (or a little above) is invertible too.

    Shapes: u and z are n × dimensions; the log-determinant is n, in nats. Cost: a small network a coupling, a
    hundredth of a decoder.

    >>> transport = Transport(dimensions=8, couplings=2, hidden=16, rng=Rng(0))
    >>> z, log_det = transport(torch.ones(3, 8))
    >>> bool((z == 1).all()), log_det.tolist()
    (True, [0.0, 0.0, 0.0])
    """

    def __init__(self, dimensions: int, couplings: int, hidden: int, rng: Rng):
        super().__init__()
        self.hidden = hidden
        self.couplings = nn.ModuleList()
        for index in range(couplings if dimensions > 1 else 0):
            # Two couplings share a permutation, the second with the halves swapped: every dimension gets moved.
            order = torch.randperm(dimensions, generator=rng.child("order", index // 2).torch())
            self.couplings.append(
                Coupling(order if index % 2 == 0 else order.flip(0), hidden, rng.child("coupling", index))
            )
        self.shift = nn.Parameter(torch.zeros(dimensions))
        self.log_scale = nn.Parameter(torch.zeros(dimensions))

    def forward(self, u: Float[Tensor, "n z"], dial: float = 1.0) -> tuple[Float[Tensor, "n z"], Float[Tensor, " n"]]:
        """z = T(u) and log|det ∂T/∂u|."""
        log_det = torch.zeros(len(u), dtype=u.dtype, device=u.device)
        for coupling in self.couplings:
            u, more = coupling(u, dial)
            log_det = log_det + more
        log_scale = dial * self.log_scale
        return u * log_scale.exp() + dial * self.shift, log_det + log_scale.sum()

    def inverse(self, z: Float[Tensor, "n z"], dial: float = 1.0) -> tuple[Float[Tensor, "n z"], Float[Tensor, " n"]]:
        """u = T⁻¹(z) and log|det ∂T/∂u| there."""
        log_scale = dial * self.log_scale
        u, log_det = (z - dial * self.shift) * (-log_scale).exp(), log_scale.sum().expand(len(z))
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            u, more = coupling.inverse(u, dial)
            log_det = log_det + more
        return u, log_det


def latent_kl(u: Float[Tensor, "n z"], z: Float[Tensor, "n z"], log_det: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """log q(z) − log p(z) for z = T(u), p = N(0, I): its mean over u ~ N(0, I) is KL(T#p ‖ p), exactly, in nats.

    log q(T(u)) = log p(u) − log|det J_T(u)|, so the difference is ½‖T(u)‖² − ½‖u‖² − log|det J_T(u)|.
    """
    return 0.5 * (z.square() - u.square()).sum(dim=1) - log_det


def antithetic(count: int, dimensions: int, generator: torch.Generator) -> Float[Tensor, "n z"]:
    """``count`` (even) draws of N(0, I) as pairs u, −u: what is linear in u cancels from every mean."""
    half = torch.randn(count // 2, dimensions, generator=generator)
    return torch.cat([half, -half])


def seeded_linear(inputs: int, outputs: int, rng: Rng | None) -> nn.Linear:
    """A linear layer of seeded weights, or of zeros without ``rng``."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    assert isinstance(layer, nn.Linear)
    nn.init.zeros_(layer.bias)
    if rng is None:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.normal_(layer.weight, std=1 / math.sqrt(inputs), generator=rng.torch())
    return layer
