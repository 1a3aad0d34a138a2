"""How likely a choice between two is, ties being answers of their own."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def davidson_loss(margins: Float[Tensor, " n"], tied: Bool[Tensor, " n"], tie: float) -> Float[Tensor, " n"]:
    """−log P(what was answered), by Davidson (JASA 65, 1970): P(tie) = ν / (ν + 2 cosh(d/2)), P(first) ∝ e^(d/2).

    ``margins`` are d, the winner's logit less the loser's; of a tie either way round gives the same, and d = 0 is
    likeliest. ``tie`` is ν; at 0 it is Diffusion-DPO's −log σ(d).

    >>> d = torch.tensor([1.0, 1.0, -1.0])
    >>> [round(v, 4) for v in davidson_loss(d, torch.tensor([False, True, True]), 2.0).tolist()]
    [0.9482, 0.755, 0.755]
    """
    halves = torch.stack([margins / 2, -margins / 2])
    if tie <= 0:
        return halves.logsumexp(dim=0) - halves[0]
    level = torch.full_like(margins, math.log(tie))
    total = torch.cat([halves, level[None]]).logsumexp(dim=0)
    return total - torch.where(tied, level, halves[0])


def tie_of(ties: int, pairs: int) -> float:
    """ν at which so many of ``pairs`` of equally good ones would be ties: 2p/(1−p); 0 where there was none.

    >>> tie_of(0, 10), tie_of(5, 10)
    (0.0, 2.0)
    """
    return 2 * ties / (pairs - ties) if ties else 0.0
