"""The default way to bend a generator: its noise is tilted, the generator itself stays frozen."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.optimize import root_scalar

from penchant.alignment._original import original_of
from penchant.alignment._price import REFERENCE, first_price, require_gradients
from penchant.alignment._rehearsal import Course, Rehearsal, rehearsed
from penchant.alignment._tilt_training import BudgetPrice, Price, Schedule, train
from penchant.alignment._tilted import TiltedGenerator, kl_draws
from penchant.alignment._transport import Transport, antithetic, latent_kl
from penchant.core.contracts import Alignment, Generator, Progress, Report, Reward, Strength, silent
from penchant.core.rng import Rng

CLOSE_ENOUGH = 0.1
"""The asked KL is reached within this share of it; a note says so where it is not."""

LARGEST_DIAL = 2.0
"""What was learned is scaled up by at most this much to meet the budget."""

_SHARE, _BOLDNESS = 0.7, 0.5
"""The rehearsal's share of the time, and how bold the steps after it are."""


@dataclass(frozen=True)
class LatentTilt:
    """Learns an invertible map T of the noise, so that G(T(u)) is liked and stays as varied as the budget allows.

    L = E_{u~N(0,I)}[ −r̃(G(T(u))) + β·( ½‖T(u)‖² − ½‖u‖² − log|det J_T(u)| ) ]. The bracket is the exact latent KL
    in nats; the KL of the images is at most that. (HyperNoise, arXiv 2508.09968, is the same without the
    determinant.) β is a dual variable that follows the budget of ``strength``; at the end T is scaled a little so
    that the budget is met, within a tenth of it, on fresh latents.

    T is trained mostly on a stand-in: a small network that learns from a quarter of the images what latents come to
    (features, rewards and gradients), then from more images made by T itself, ``rounds`` times, where that matters
    most. A step on it costs a tenth, so that there are many more. The rest of the images are for steps on the reward
    itself, which leave no error of the stand-in behind.

    One sample costs one pass of the generator. Training costs ``steps × batch`` images forwards and backwards, and as
    much again for the stand-in: a minute of one core for a 32 px VAE. Use ``best_of_n`` where generator or reward have
    no gradients.

    Fields:
        steps, batch: how long; the batch is even (latents come as pairs u, −u).
        couplings, hidden: the size of T.
        learning_rate: of Adam, warmed up and then lowered along a cosine.
        rounds: how often the stand-in sees what T makes; 0 for training on the reward alone.
        beta: for experts, a fixed price of a nat in units of the reward; the budget of ``strength`` is then not used.
    """

    steps: int = 160
    batch: int = 64
    couplings: int = 6
    hidden: int = 128
    learning_rate: float = 6e-3
    rounds: int = 3
    beta: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.couplings < 0 or self.hidden < 1 or self.learning_rate <= 0 or self.rounds < 0:
            raise ValueError(
                "steps, hidden and learning_rate must be positive, couplings and rounds at least 0; found "
                f"{self.steps}, {self.hidden}, {self.learning_rate:g}, {self.couplings}, {self.rounds}"
            )
        if self.batch < 2 or self.batch % 2:
            raise ValueError(f"batch must be even and at least 2; found {self.batch}")
        if self.beta is not None and self.beta <= 0:
            raise ValueError(f"beta must be positive; found {self.beta:g}")

    def align(
        self,
        generator: Generator,
        reward: Reward,
        strength: Strength,
        rng: Rng,
        report: Report = silent,
        images: UInt8[np.ndarray, "n c h w"] | None = None,
        conditions: Float[np.ndarray, "n k"] | None = None,
    ) -> Alignment:
        """A :class:`TiltedGenerator` of the same latents. Ctrl-C leaves nothing behind.

        A generator that is tilted already is tilted afresh from its original, so that the nats of several rounds
        never add up unseen.

        Raises:
            NotCapable: generator or reward have no gradients.
            TrainingDiverged: reward or tilt are not finite.
        """
        started = time.monotonic()
        original = original_of(generator)
        require_gradients(original, reward, rng.child("trial"))
        transport = Transport(original.latent_dim, self.couplings, self.hidden, rng.child("transport"))
        price, note = first_price(self.beta, original, reward, strength, rng.child("reference"))
        dial = 1.0
        if price is not None:
            transport = self._trained(transport, original, reward, price, rng.child("steps"), report)
        if isinstance(price, BudgetPrice):
            dial = dial_for(transport, strength.target_kl, rng.child("calibration"))
        tilted = TiltedGenerator(original, transport, dial)
        kl_nats, error = tilted.kl_nats(rng.child("kl"))
        if isinstance(price, BudgetPrice) and abs(kl_nats / strength.target_kl - 1) > CLOSE_ENOUGH:
            note = (
                f"{kl_nats:.2f} of {strength.target_kl:.2f} nats were spent: the reward shows no slope worth the rest; "
                "more votes or more steps may give it one"
            )
        frontier = _frontier(tilted, reward, rng.child("frontier"))
        report(Progress("aligning", 1.0, 0.0, {"kl_nats": kl_nats, "reward": frontier[-1]["reward"]}))
        estimator = f"exact latent KL of an invertible map (± {error:.2g}), an upper bound for the images"
        return Alignment(tilted, kl_nats, estimator, frontier, time.monotonic() - started, note)

    def _trained(
        self, transport: Transport, original: Generator, reward: Reward, price: Price, rng: Rng, report: Report
    ) -> Transport:
        course = Course(report, started=time.monotonic())
        prepared, used = transport, 0
        if self.rounds:
            how = Rehearsal(self.steps, self.batch, self.hidden, self.learning_rate, self.rounds)
            prepared, used = rehearsed(transport, original, reward, price, how, rng.child("rehearsal"), course, _SHARE)
        share, boldness = (0.0, 1.0) if prepared is transport else (_SHARE, _BOLDNESS)
        schedule = Schedule(max(1, self.steps - used // self.batch), self.batch, boldness * self.learning_rate)
        last = course.part(share, 1.0)
        return train(prepared, lambda z: reward(original.decode(z)), price, schedule, rng.child("last"), last)

    @staticmethod
    def load(directory: Path) -> TiltedGenerator:
        """What ``save_pretrained`` of an aligned generator wrote, its original included."""
        return TiltedGenerator.load(directory)


def dial_for(transport: Transport, target_kl: float, rng: Rng) -> float:
    """The dial at which ``transport`` costs ``target_kl`` nats, or the largest one where that is not enough."""
    u = antithetic(kl_draws(len(transport.shift)), len(transport.shift), rng.torch())

    @torch.no_grad()
    def excess(dial: float) -> float:
        return float(latent_kl(u, *transport(u, dial)).double().mean()) - target_kl

    if excess(LARGEST_DIAL) < 0:
        return LARGEST_DIAL
    return float(root_scalar(excess, bracket=(0.0, LARGEST_DIAL), x0=1.0, method="brentq", xtol=2e-3).root)


@torch.no_grad()
def _frontier(tilted: TiltedGenerator, reward: Reward, rng: Rng) -> tuple[Mapping[str, float], ...]:
    """Reward against KL while the dial is turned from the original up to what is handed over, same latents."""
    rows: list[Mapping[str, float]] = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        version = tilted.dialled(share)
        mean_reward = float(reward(version.sample(REFERENCE, rng)).double().mean())
        rows.append({"dial": share, "kl_nats": version.kl_nats(rng.child("kl"))[0], "reward": mean_reward})
    return tuple(rows)
