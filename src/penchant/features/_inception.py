"""The Inception network of 2015 (inception-2015-12-05) up to its last pooling: what FID looks through."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SIDE = 299


@dataclass(frozen=True)
class _Conv:
    """A convolution within a block: ``kernel`` is height × width, padded to keep the size where the stride is 1."""

    name: str
    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1

    @property
    def padding(self) -> tuple[int, int]:
        return (0, 0) if self.stride > 1 else (self.kernel[0] // 2, self.kernel[1] // 2)


_THREE, _FIVE, _WIDE, _TALL = (3, 3), (5, 5), (1, 7), (7, 1)
_Path = Sequence[_Conv]


class _Normalisation(nn.Module):
    """Batch normalisation by the statistics kept, which never change."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=1e-3)


class _Convolution(nn.Module):
    """Convolution, batch normalisation with frozen statistics, rectifier."""

    def __init__(
        self, before: int, after: int, kernel: tuple[int, int], stride: int = 1, padding: tuple[int, int] = (0, 0)
    ):
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = _Normalisation(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Block(nn.Module):
    """Paths beside each other, joined along the channels; the last one pools.

    The pooling of 2015 leaves the padding out of its averages, and the very last block takes maxima: both as in the
    original graph, unlike later Inception networks.

    Args:
        before: channels.
        paths: each a chain of convolutions. Two convolutions whose names end in ``a`` and ``b`` both take what comes
            before them.
        pooled: channels of the convolution behind the pooling; 0 where the block halves the size, pooling maxima.
        maxima: whether the pooling takes maxima all the same.
    """

    def __init__(self, before: int, paths: Sequence[_Path], pooled: int, maxima: bool = False):
        super().__init__()
        self._paths, self._pooled, self._maxima = paths, pooled, maxima
        for path in paths:
            width = before
            for layer in path:
                added = _Convolution(width, layer.channels, layer.kernel, layer.stride, layer.padding)
                self.add_module(layer.name, added)
                width = width if layer.name.endswith("a") else layer.channels
        if pooled:
            self.branch_pool = _Convolution(before, pooled, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        found = [self._along(path, x) for path in self._paths]
        if not self._pooled:
            return torch.cat([*found, F.max_pool2d(x, 3, 2)], 1)
        pool = F.max_pool2d(x, 3, 1, 1) if self._maxima else F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.cat([*found, self.branch_pool(pool)], 1)

    def _along(self, path: _Path, x: Tensor) -> Tensor:
        sides: list[Tensor] = []
        for layer in path:
            result = self.get_submodule(layer.name)(x)
            if layer.name.endswith(("a", "b")):
                sides.append(result)
            else:
                x = result
        return torch.cat(sides, 1) if sides else x


def _a(before: int, pooled: int) -> _Block:
    one = [_Conv("branch1x1", 64)]
    five = [_Conv("branch5x5_1", 48), _Conv("branch5x5_2", 64, _FIVE)]
    double = [_Conv("branch3x3dbl_1", 64), _Conv("branch3x3dbl_2", 96, _THREE), _Conv("branch3x3dbl_3", 96, _THREE)]
    return _Block(before, [one, five, double], pooled)


def _b(before: int) -> _Block:
    single = [_Conv("branch3x3", 384, _THREE, 2)]
    double = [_Conv("branch3x3dbl_1", 64), _Conv("branch3x3dbl_2", 96, _THREE), _Conv("branch3x3dbl_3", 96, _THREE, 2)]
    return _Block(before, [single, double], 0)


def _c(before: int, width: int) -> _Block:
    one = [_Conv("branch1x1", 192)]
    single = [_Conv("branch7x7_1", width), _Conv("branch7x7_2", width, _WIDE), _Conv("branch7x7_3", 192, _TALL)]
    double = [
        _Conv("branch7x7dbl_1", width), _Conv("branch7x7dbl_2", width, _TALL), _Conv("branch7x7dbl_3", width, _WIDE),
        _Conv("branch7x7dbl_4", width, _TALL), _Conv("branch7x7dbl_5", 192, _WIDE),
    ]  # fmt: skip
    return _Block(before, [one, single, double], 192)


def _d(before: int) -> _Block:
    three = [_Conv("branch3x3_1", 192), _Conv("branch3x3_2", 320, _THREE, 2)]
    seven = [
        _Conv("branch7x7x3_1", 192), _Conv("branch7x7x3_2", 192, _WIDE), _Conv("branch7x7x3_3", 192, _TALL),
        _Conv("branch7x7x3_4", 192, _THREE, 2),
    ]  # fmt: skip
    return _Block(before, [three, seven], 0)


def _e(before: int, maxima: bool) -> _Block:
    one = [_Conv("branch1x1", 320)]
    three = [_Conv("branch3x3_1", 384), _Conv("branch3x3_2a", 384, (1, 3)), _Conv("branch3x3_2b", 384, (3, 1))]
    double = [
        _Conv("branch3x3dbl_1", 448), _Conv("branch3x3dbl_2", 384, _THREE),
        _Conv("branch3x3dbl_3a", 384, (1, 3)), _Conv("branch3x3dbl_3b", 384, (3, 1)),
    ]  # fmt: skip
    return _Block(before, [one, three, double], 192, maxima)


class Inception(nn.Module):
    """Pixels from 0 to 255 of any size to the 2,048 numbers of the last pooling (Szegedy et al., arXiv 1512.00567).

    Parameters are called as in torchvision, so that the published files fit.
    """

    width = 2048
    unused = ("fc.", "AuxLogits.")

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, _THREE, 2)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, _THREE)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, _THREE, padding=(1, 1))
        self.Conv2d_3b_1x1 = _Convolution(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = _Convolution(80, 192, _THREE)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _a(192, 32), _a(256, 64), _a(288, 64)
        self.Mixed_6a = _b(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (_c(768, width) for width in (128, 160, 160, 192))
        self.Mixed_7a, self.Mixed_7b, self.Mixed_7c = _d(768), _e(1280, maxima=False), _e(2048, maxima=True)

    def forward(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2048"]:
        """Resized as TensorFlow 1 did, scaled to about [−1, 1], and through the network."""
        x = (resized(pixels, SIDE) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean((2, 3))


def resized(pixels: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c s s"]:
    """Bilinear, as TensorFlow 1 did: place i of the result lies at i·(old / new), and nothing is averaged away."""
    down, across = (_bilinear(int(length), side).to(pixels) for length in pixels.shape[2:])
    return down @ pixels @ across.T


def _bilinear(before: int, after: int) -> Float[Tensor, "after before"]:
    places = torch.arange(after, dtype=torch.float32) * torch.tensor(before / after, dtype=torch.float32)
    low = places.floor().long().clamp(max=before - 1)
    high, share = (low + 1).clamp(max=before - 1), places - low
    rows = torch.arange(after)
    weights = torch.zeros(after, before)
    weights[rows, low] += 1 - share
    weights[rows, high] += share
    return weights
