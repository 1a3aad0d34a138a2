"""Settings of optimisers: the decay rate that moves along the budget."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from penchant.core.contracts import Budget
from penchant.core.rng import Rng
from penchant.training.loop import train
from penchant.training.objective import Adam, Clock, Loss, Objective


def test_second_beta_moves_evenly_in_its_logarithm() -> None:
    adam = Adam(betas=(0.0, 0.9), last_beta=0.99)
    assert [adam.betas_at(fraction)[1] for fraction in (0.0, 0.5, 1.0)] == pytest.approx([0.9, 1 - 0.1**1.5, 0.99])
    assert adam.betas_at(0.5)[0] == 0.0
    assert Adam(betas=(0.5, 0.9)).betas_at(0.7) == (0.5, 0.9)


def test_training_uses_the_beta_of_its_moment() -> None:
    def trained(adam: Adam) -> float:
        layer = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(layer.weight)

        def loss(batch: tuple[Tensor, ...], noise: Generator, clock: Clock) -> Loss:
            return Loss((layer(batch[0]) * (1 + 9 * clock.fraction)).square().mean())

        train([Objective("layer", layer, loss, adam)], [np.ones((8, 1), "float32")], Budget(images=1280), Rng(0))
        return layer.weight.item()

    assert trained(Adam(betas=(0.0, 0.5), last_beta=0.5)) == pytest.approx(trained(Adam(betas=(0.0, 0.5))), rel=1e-5)
    assert trained(Adam(betas=(0.0, 0.5), last_beta=0.999)) != pytest.approx(trained(Adam(betas=(0.0, 0.5))), rel=1e-5)
