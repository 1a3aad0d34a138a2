"""Between stored bytes and the float images in [0, 1] that every public boundary uses."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def to_float(images: UInt8[np.ndarray, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Stored bytes as a float32 tensor in [0, 1]; copies, so a memory-mapped array is read once.

    >>> to_float(np.full((1, 1, 1, 2), 255, np.uint8))
    tensor([[[[1., 1.]]]])
    """
    return torch.from_numpy(np.array(images)).float().div_(255)


def to_uint8(images: Float[Tensor, "n c h w"]) -> UInt8[np.ndarray, "n c h w"]:
    """Float images as bytes: clipped to [0, 1], rounded to the nearest of 256 steps.

    >>> to_uint8(torch.tensor([[[[-1.0, 0.5, 2.0]]]])).tolist()
    [[[[0, 128, 255]]]]
    """
    return images.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
