"""For a single best picture: each noise is moved to the best place in its neighbourhood."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.alignment._original import original_of
from penchant.alignment._price import require_gradients
from penchant.alignment._reference import is_flat, reference_rewards
from penchant.alignment._searched import Search, SearchedGenerator
from penchant.core.contracts import Alignment, Generator, Progress, Report, Reward, Strength, silent
from penchant.core.errors import NotCapable
from penchant.core.rng import Rng

MEASURED = 32


@dataclass(frozen=True)
class NoiseSearch:
    """Climbs r̃(G(z)) + w·log p(‖z‖) from every noise u, no further than √(2·KL) from it (ReNO, arXiv 2406.04312).

    Nothing is trained. For a linear reward every noise moves by the same a/β and the cost is the KL a²/2β², as for
    the tilt; in general ½‖z − u‖² is only a stand-in for a KL, since nobody knows the density of what is found, and
    the same hilltop may be found from many sides: look at the variety. ‖z‖ is kept where noise has it.

    An image costs ``steps`` passes forwards and backwards. For a handful of pictures, the best that can be had; use
    ``latent_tilt`` where many varied ones are wanted. Where generator or reward have no gradients, random steps are
    tried instead, ``population`` at a time, and the note says so.

    Fields:
        steps: of the search.
        population: random steps tried at a time, where there are no gradients.
        norm_weight: w, in units of the reward.
        beta: for experts, a price of ½‖z − u‖² in place of the largest distance that ``strength`` allows.
    """

    steps: int = 20
    population: int = 8
    norm_weight: float = 0.01
    beta: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.population < 1 or self.norm_weight < 0:
            raise ValueError("steps and population must be at least 1 and norm_weight at least 0")
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
        """A :class:`SearchedGenerator` of the same latents.

        Raises:
            TrainingDiverged: the reward is not finite.
        """
        started = time.monotonic()
        original = original_of(generator)
        report(Progress("aligning", 0.0))
        rewards = reference_rewards(original, reward, 256, rng.child("reference"))
        notes: list[str] = []
        try:
            require_gradients(original, reward, rng.child("trial"))
            gradients = True
        except NotCapable:
            gradients = False
            notes.append(f"no gradients, so {self.population} random steps are tried {self.steps} times an image")
        if is_flat(rewards):
            notes.append("the reward is the same for every image, so there is nothing to find")
        if self.beta is not None:
            notes.append(f"β was fixed at {self.beta:g}, so the asked strength was not used")
        search = Search(
            steps=self.steps,
            radius=0.0 if is_flat(rewards) else math.sqrt(2 * strength.target_kl) if self.beta is None else math.inf,
            beta=self.beta or 0.0,
            norm_weight=self.norm_weight,
            gradients=gradients,
            population=self.population,
            seed=rng.child("search").entropy % 2**63,
        )
        searched = SearchedGenerator(original, reward, search)
        latents = original.latents(MEASURED, rng.child("measured"))
        found = searched.find(latents)
        nats = 0.5 * (found - latents).double().square().sum(dim=1)
        with torch.no_grad():
            after = reward(original.decode(found)).double()
        if not bool(after.isfinite().all()):
            notes.append("the reward is not finite on some of the images found")
        frontier = (
            {"kl_nats": 0.0, "reward": float(rewards.mean())},
            {"kl_nats": float(nats.mean()), "reward": float(after.mean())},
        )
        report(Progress("aligning", 1.0, 0.0, frontier[-1]))
        estimator = "½‖z − u‖² of each image: a KL only where all noises move alike, else a stand-in for one"
        seconds = time.monotonic() - started
        return Alignment(searched, float(nats.mean()), estimator, frontier, seconds, "; ".join(notes))

    @staticmethod
    def load(directory: Path) -> SearchedGenerator:
        """What ``save_pretrained`` of an aligned generator wrote, its original and its reward included."""
        return SearchedGenerator.load(directory)
