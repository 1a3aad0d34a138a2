"""The game of generator and discriminator, which every adversarial family plays alike, and its best recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from penchant.core.contracts import Annotations, Budget, Generator, Workspace
from penchant.core.rng import Rng
from penchant.generators._adversarial import EVERYTHING, RelativisticDiscriminator, RelativisticGenerator
from penchant.generators._augmentation import Augmentation
from penchant.generators._collapse import watched
from penchant.generators._common import drawing, examining
from penchant.generators._core_set import CoreSet
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Batch, Clock, Loss, Objective

_AUGMENTED = 0.4
"""Probability of each augmentation once images have been seen often, where it is left to choose."""
LossOf = Callable[[Batch, torch.Generator, Clock], Loss]


@dataclass(frozen=True)
class Game:
    """Two networks with their losses, played in turn, each on real images of its own.

    Args:
        network: the generator's; the samples' weights are averaged with ``half_life``, if any.
        discriminator: its judge.
        judging: the judge's loss.
        making: the generator's loss.
        optimiser: of both.
        half_life: of the generator's averaged weights, in images; None samples from the last ones.
    """

    network: nn.Module
    discriminator: nn.Module
    judging: LossOf
    making: LossOf
    optimiser: Adam
    half_life: int | None

    def play(
        self,
        generator: Generator,
        columns: Sequence[np.ndarray],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        settings: Settings,
        annotations: Annotations,
    ) -> None:
        """Train until the budget is used up; ``generator`` draws the sheets. Raises what ``train`` raises.

        ``columns`` are the images, as bytes, and their conditions, where both networks take them.
        """
        self.network.requires_grad_(True)
        players = [
            Objective("discriminator", self.discriminator, self.judging, self.optimiser, half_life=None),
            Objective("generator", self.network, self.making, self.optimiser, half_life=self.half_life),
        ]
        train(
            players,
            columns,
            budget,
            rng,
            watched(workspace),
            settings,
            drawing(generator, rng),
            weights=annotations.weights,
            examine=examining(generator, workspace),
        )
        self.network.requires_grad_(False)


@dataclass(frozen=True)
class Recipe:
    """The relativistic game with both slopes bounded, as the fields of ``gan`` of the same names set it."""

    latent_dim: int
    batch: int
    learning_rate: float
    gamma: float
    penalised: float
    augmentation: float | None
    augmentations: tuple[str, ...]
    instance_noise: float
    top_k: float
    core_set: CoreSet = EVERYTHING

    def __post_init__(self) -> None:
        wrong = [name for name in ("latent_dim", "batch") if getattr(self, name) < 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} must be at least 1")
        if self.learning_rate <= 0 or self.gamma < 0 or self.instance_noise < 0:
            raise ValueError("learning_rate must be positive, gamma and instance_noise must not be negative")
        if not 0 < self.penalised <= 1 or not 0 < self.top_k <= 1:
            raise ValueError(f"penalised and top_k must be in (0, 1]; found {self.penalised:g} and {self.top_k:g}")
        self.view(0)

    def game(self, network: nn.Module, discriminator: nn.Module, count: int) -> Game:
        """The game of these two networks on ``count`` training images."""
        view = self.view(count)
        return Game(
            network,
            discriminator,
            RelativisticDiscriminator(
                network, discriminator, self.latent_dim, self.gamma, self.penalised, view, self.core_set
            ),
            RelativisticGenerator(network, discriminator, self.latent_dim, self.top_k, view, self.core_set),
            Adam(self.learning_rate, betas=(0.0, 0.9), last_beta=0.99, clip=100.0),
            half_life=20_000,
        )

    def view(self, count: int) -> Augmentation:
        """What the discriminator sees when there are ``count`` training images."""
        if self.augmentation is None:
            return Augmentation(self.augmentations, _AUGMENTED, self.instance_noise, learned_from=count)
        return Augmentation(self.augmentations, self.augmentation, self.instance_noise)


def check_widths(name: str, widths: tuple[int, ...]) -> None:
    """Raises ValueError for channels that are not multiples of 8."""
    if not widths or any(width < 8 or width % 8 for width in widths):
        raise ValueError(f"{name} must be multiples of 8; found {widths}")


def columns_of(images: np.ndarray, conditions: np.ndarray | None) -> tuple[list[np.ndarray], int]:
    """What both networks learn from, and how wide a condition is (0 for none)."""
    return ([images], 0) if conditions is None else ([images, conditions], conditions.shape[1])
