"""Pictures whose kind is known, three of them stacked as one colour picture, and a classifier that tells the kinds."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from penchant.core.contracts import Budget
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Batch, Clock, Loss, Objective

_SIZE = 28


@dataclass(frozen=True)
class Labelled:
    """Grey pictures of 28 px, their kinds from 0, and how many kinds there are."""

    images: UInt8[np.ndarray, "n 1 28 28"]
    kinds: Int[np.ndarray, " n"]
    count: int

    def stacked(self, count: int, rng: np.random.Generator) -> UInt8[np.ndarray, "m 3 28 28"]:
        """Colour pictures whose channels are grey ones, drawn independently."""
        return self.images[rng.integers(len(self.images), size=(count, 3)), 0]


def labelled_pictures(source: str, count: int = 20_000) -> Labelled:
    """Up to ``count`` pictures: ``pictures`` for embedded ones, by layout; else a folder with MNIST's training files.

    Raises:
        BadConfiguration: the folder does not hold images with one label each.
    """
    if source == "pictures":
        drawn = draw_pictures(min(count, 6000), _SIZE, Rng(0), channels=1)
        kinds = drawn.factors["layout"].astype(np.int64)
        return Labelled(drawn.images, kinds, int(kinds.max()) + 1)
    folder = Path(source)
    try:
        data = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    except OSError as error:
        raise BadConfiguration(
            f"{source} holds no labels: train-labels-idx1-ubyte.gz cannot be read: {error}"
        ) from None
    labels = np.frombuffer(data, np.uint8, offset=8).astype(np.int64)
    pixels = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(pixels, np.uint8, offset=16)
    if images.size != len(labels) * _SIZE**2:
        raise BadConfiguration(f"{source} has {len(labels):,} labels, which is not the number of its images")
    return Labelled(images.reshape(-1, 1, _SIZE, _SIZE)[:count].copy(), labels[:count], int(labels.max()) + 1)


class Classifier(nn.Module):
    """Which kind a grey picture is of: three convolutions, some 70,000 weights."""

    def __init__(self, kinds: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 49, kinds),
        )

    def forward(self, images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n k"]:
        return self.layers(images).float()

    @torch.no_grad()
    def kinds(self, images: UInt8[np.ndarray, "n 1 28 28"]) -> Int[np.ndarray, " n"]:
        """The likeliest kind of each picture."""
        parts = torch.from_numpy(images).split(4096)
        return torch.cat([self(part.float() / 127.5 - 1).argmax(dim=1) for part in parts]).numpy()


def learned_classifier(pictures: Labelled, epochs: int = 6) -> tuple[Classifier, float]:
    """A classifier taught by nine pictures in ten, and its share of right answers on the others."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Classifier(pictures.count)

    def loss(batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        return Loss(F.cross_entropy(network(batch[0].float() / 127.5 - 1), batch[1]))

    cut = len(pictures.images) * 9 // 10
    columns = [pictures.images[:cut], pictures.kinds[:cut]]
    objective = Objective("classifier", network, loss, Adam(2e-3), half_life=None)
    train([objective], columns, Budget(images=epochs * cut), Rng(0), settings=Settings("classifier", batch=64))
    right = network.kinds(pictures.images[cut:]) == pictures.kinds[cut:]
    return network.requires_grad_(False), float(right.mean())
