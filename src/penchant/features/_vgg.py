"""VGG16 up to its second layer of 4,096 numbers: what precision and recall were first measured by."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SIDE = 224
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg16(nn.Module):
    """Pixels from 0 to 255 of any size to fc2 after its rectifier (Simonyan & Zisserman, arXiv 1409.1556).

    Parameters are called as in torchvision. ``base`` and ``width`` are those of the paper; other numbers are for tests.
    """

    unused = ("classifier.6.",)

    def __init__(self, base: int = 64, width: int = 4096):
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for wide, times in ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3)):
            for _ in range(times):
                layers += [nn.Conv2d(before, wide * base, 3, padding=1), nn.ReLU()]
                before = wide * base
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(7 * 7 * before, width), nn.ReLU(), nn.Dropout(), nn.Linear(width, width), nn.ReLU()
        )
        self.width = width

    def forward(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Resized to 224 px (bilinear, antialiased), standardised as for ImageNet, and through the network."""
        x = F.interpolate(pixels / 255, (SIDE, SIDE), mode="bilinear", antialias=True)
        mean, deviation = (x.new_tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
        return self.classifier(torch.flatten(self.features((x - mean) / deviation), 1))
