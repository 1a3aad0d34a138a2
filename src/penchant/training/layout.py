"""In which order a network's numbers lie in memory: by measurement, convolutions without norms like channels last."""

import torch
from torch import nn

_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


def laid_out(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """The module, its kernels in that order of memory; torch's stubs do not know that ``Module.to`` takes one."""
    for part in module.modules():
        for tensor in [*part.parameters(recurse=False), *part.buffers(recurse=False)]:
            if tensor.ndim == 4:
                tensor.data = tensor.data.contiguous(memory_format=layout)
    return module


def memory_format(module: nn.Module) -> torch.memory_format:
    """Channels last for networks without normalisation layers, else as tensors are made.

    Measured under bfloat16 on one core with AVX512-BF16 (`penchant bench speed`, docs/benchmarks/generators.md): the
    GAN's networks take steps 1.17 times as quick, a VAE's, whose group norms want each channel in one piece, .95 times.
    Kernels alone are laid out; what comes in follows them.

    >>> memory_format(nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU()))
    torch.channels_last
    >>> memory_format(nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(1, 8)))
    torch.contiguous_format
    """
    normed = any(isinstance(part, _NORMS) for part in module.modules())
    return torch.contiguous_format if normed else torch.channels_last
