"""The order of rows: every row once an epoch, the same for the same seed, dealt out without loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.training.order import Batches

CPU = torch.device("cpu")


def batches(rows: int, size: int, share: tuple[int, int] = (0, 1), seed: int = 0) -> Batches:
    return Batches([np.arange(rows), np.arange(rows) * 10], size, Rng(seed), CPU, share)


@given(rows=st.integers(1, 40), size=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_batches_show_every_row_once_an_epoch(rows: int, size: int) -> None:
    order = batches(rows, size)
    steps = -(-3 * rows // size)
    stream = np.concatenate([order.indices(step * size) for step in range(steps)])
    for epoch in range(3):
        assert sorted(stream[epoch * rows : (epoch + 1) * rows]) == list(range(rows))


def test_batches_depend_on_seed_and_clock_alone() -> None:
    order = batches(10, 4)
    order.at(0)
    assert torch.equal(order.at(24)[0], batches(10, 4).at(24)[0])
    assert not np.array_equal(batches(100, 50).indices(0), batches(100, 50, seed=1).indices(0))


def test_batches_keep_columns_together() -> None:
    first, second = batches(10, 4).at(8)
    assert torch.equal(first * 10, second)


def test_batches_are_dealt_out_to_processes() -> None:
    shares = [batches(10, 6, (index, 3)).at(12)[0] for index in range(3)]
    assert sorted(torch.cat(shares).tolist()) == sorted(batches(10, 6).at(12)[0].tolist())
    assert [len(share) for share in shares] == [2, 2, 2]


def test_batches_read_memory_maps(tmp_path: "object") -> None:
    path = f"{tmp_path}/rows.npy"
    np.save(path, np.arange(12, dtype=np.uint8).reshape(6, 2))
    mapped = np.load(path, mmap_mode="r")
    (rows,) = Batches([mapped], 6, Rng(0), CPU, (0, 1)).at(0)
    assert rows.dtype == torch.uint8
    assert sorted(rows[:, 0].tolist()) == [0, 2, 4, 6, 8, 10]


def test_batches_show_rows_in_proportion_to_their_weights() -> None:
    weights = np.array([0, 1, 2, 3.5, 0.25, 0])
    order = Batches([np.arange(6)], 6, Rng(0), CPU, (0, 1), weights)
    stream = np.concatenate([order.indices(epoch * 6) for epoch in range(2000)])
    seen = np.bincount(stream, minlength=6) / len(stream)
    assert seen[[0, 5]].sum() == 0
    assert np.abs(seen - weights / weights.sum()).max() < 0.01


def test_batches_show_a_row_as_often_as_the_whole_part_of_its_share_says() -> None:
    order = Batches([np.arange(4)], 4, Rng(0), CPU, (0, 1), np.array([2.5, 0.5, 0.5, 0.5]))
    for epoch in range(50):
        assert np.bincount(order.indices(epoch * 4), minlength=4)[0] in (2, 3)


@pytest.mark.parametrize("weights", [[1, -1], [0, 0], [1, np.nan], [1, 1, 1]])
def test_batches_refuse_weights_that_are_none(weights: list[float]) -> None:
    with pytest.raises(BadConfiguration, match="weights must be 2 finite numbers"):
        Batches([np.arange(2)], 2, Rng(0), CPU, (0, 1), np.array(weights))
