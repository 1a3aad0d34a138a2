import numpy as np
import torch

from penchant.data.convert import to_float, to_uint8


def test_bytes_survive_the_way_to_floats_and_back() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    floats = to_float(every)
    assert floats.dtype == torch.float32
    assert (floats.min(), floats.max()) == (0, 1)
    assert (to_uint8(floats) == every).all()


def test_to_float_leaves_a_read_only_array_alone() -> None:
    source = np.full((1, 1, 2, 2), 7, np.uint8)
    source.setflags(write=False)
    to_float(source).add_(1)
    assert (source == 7).all()


def test_to_uint8_clips_and_rounds_to_nearest() -> None:
    images = torch.tensor([[[[-0.2, 1.3, 0.9999 / 255, 1.4 / 255]]]], requires_grad=True)
    assert to_uint8(images).ravel().tolist() == [0, 255, 1, 1]
