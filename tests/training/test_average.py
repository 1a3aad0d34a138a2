"""Averaged weights against values worked out by hand."""

import torch
from torch import nn

from penchant.training.average import WeightAverage


def test_average_halves_the_distance_after_one_half_life() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = WeightAverage(module, half_life=100)
    nn.init.ones_(module.weight)
    average.update(images=1_000_000, step_images=100)
    assert average.weights["weight"].item() == 0.5
    average.update(images=1_000_000, step_images=200)
    assert average.weights["weight"].item() == 0.875


def test_average_forgets_quickly_when_few_images_were_seen() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = WeightAverage(module, half_life=100)
    nn.init.ones_(module.weight)
    average.update(images=200, step_images=100)
    assert average.weights["weight"].item() == 1 - 2**-10


def test_average_copies_counters() -> None:
    module = nn.BatchNorm1d(2)
    average = WeightAverage(module, half_life=100)
    module(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)))
    average.update(images=100, step_images=4)
    assert average.weights["num_batches_tracked"].item() == 1
