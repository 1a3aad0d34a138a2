"""An aligned generator at less than its full strength, without training again."""

from collections.abc import Sequence

import numpy as np
import torch

from penchant.alignment._best_of import BestOfGenerator
from penchant.alignment._tilted import TiltedGenerator
from penchant.alignment._transport import Transport, antithetic, latent_kl
from penchant.alignment.latent_tilt import LARGEST_DIAL, dial_for
from penchant.core.contracts import Generator, Strength
from penchant.core.rng import Rng

_DIALS, _DRAWS = 21, 4096


def turned_down(full: Generator, like_best_of: float, rng: Rng) -> Generator | None:
    """``full`` at the strength ``like_best_of``, at most its own; None where it knows only its own.

    A tilt is turned down to the dial that costs log N − (N−1)/N nats: a root search of a second with exact KL.
    Best of N draws fewer candidates, a whole number.
    """
    if like_best_of <= 1 and isinstance(full, TiltedGenerator | BestOfGenerator):
        return full.base
    if isinstance(full, TiltedGenerator):
        dial = dial_for(full.transport, Strength(like_best_of).target_kl, rng)
        return TiltedGenerator(full.base, full.transport, min(dial, full.dial))
    if isinstance(full, BestOfGenerator):
        return BestOfGenerator(full.base, full.reward, min(round(like_best_of), full.candidates), full.seed)
    return None


def at_strengths(full: Generator, strengths: Sequence[float], rng: Rng) -> list[tuple[Generator, float]]:
    """``full`` at each of ``strengths`` that it knows, with its nats; of one that knows only its own, ``full`` itself.

    The dials of a tilt are read off one curve of KL against dial (4,096 latents at 21 dials), so that a whole frontier
    costs two seconds; within a hundredth of a nat of :func:`turned_down`.
    """
    targets = [Strength(strength).target_kl for strength in strengths]
    if isinstance(full, TiltedGenerator):
        dials, nats = _curve(full.transport, rng)
        # The root of the KL is nearly straight in the dial, as that of a shift is.
        found = np.minimum(np.interp(np.sqrt(targets), np.sqrt(nats), dials), full.dial)
        reached = np.interp(found, dials, np.sqrt(nats)) ** 2
        return [
            (TiltedGenerator(full.base, full.transport, float(dial)) if dial > 0 else full.base, float(kl))
            for dial, kl in zip(found, reached, strict=True)
        ]
    return [
        (turned_down(full, strength, rng) or full, target) for strength, target in zip(strengths, targets, strict=True)
    ]


@torch.no_grad()
def _curve(transport: Transport, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    dimensions = len(transport.shift)
    u = antithetic(_DRAWS, dimensions, rng.torch())
    dials = np.linspace(0.0, LARGEST_DIAL, _DIALS)
    nats = [float(latent_kl(u, *transport(u, float(dial))).double().mean()) for dial in dials]
    return dials, np.maximum.accumulate(np.maximum(nats, 0.0))
