"""Can a small network that looks at the pixels tell generated images from real ones?"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from scipy.stats import mannwhitneyu
from torch import Tensor, nn

from penchant.core.contracts import Budget, Measurement
from penchant.core.errors import BadFeatures
from penchant.core.rng import Rng
from penchant.core.scorer import network_of
from penchant.metrics._intervals import normal_quantile
from penchant.metrics._roc import area_under_roc, shared_teaching
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Batch, Clock, Loss, Objective

Images = UInt8[np.ndarray, "n c h w"]

PIXELS = "pixels"
"""What stands for the extractor of such a figure."""

_FOLDS = 2
_LEAST = 20
_WIDTH = 8
_BATCH = 64
_AT_ONCE = 512
_DETAIL = 0.2
"""What the detail of photographs and drawings is divided by, in standard deviations of the pixels: about its own."""


def pixel_test(
    real: Images, generated: Images, holdout: Images, rng: Rng, seen: int = 30_000, most: int = 1000
) -> Measurement:
    """Classifier two-sample test on pixels (arXiv 1610.06545): a network taught on one half, tested on the other.

    The value is the area under the ROC curve over both halves: one half where it cannot tell the sets apart, 1 where
    it always can. Beside the pixels the network is given their detail (each pixel less the mean around it), without
    which it learns colours and shapes first and misses blur, seams and compression: 200 images of 32 px whose JPEG
    quality is 20 are told at .91 with it and at .48 without. It asks for nothing but that both
    sets came the same way: files that were saved differently are told apart too. The 95% interval is DeLong's, widened
    for the shared images (Nadeau & Bengio 2003); the floor is the value for held-out real images. Each half's p-value
    is exact for the network that was taught on the other (Mann & Whitney); the smaller one counts, doubled.

    It is a fresh network every time; the discriminator that a GAN was trained against must not be asked. Where few
    images are there, :class:`penchant.metrics.classifier.Classifier` on features has more power.

    Args:
        real, generated, holdout: images of one shape; as many of each are used as the smallest set has.
        seen: images that each of the four networks is taught on, repeats included; 30,000 at 32 px take 30 seconds of
            a core for all four.
        most: images of each set that are used.

    Raises:
        BadFeatures: fewer than 20 images in a set, or images of different shapes.
    """
    sets = {"real": real, "generated": generated, "held-out": holdout}
    count = min(most, *map(len, sets.values()))
    if count < _LEAST:
        found = ", ".join(f"{len(images)} {name}" for name, images in sets.items())
        raise BadFeatures(f"the classifier on pixels needs at least {_LEAST} images of each set; found {found}")
    if len({images.shape[1:] for images in sets.values()}) > 1:
        found = ", ".join(f"{name} {images.shape[1:]}" for name, images in sets.items())
        raise BadFeatures(f"the classifier on pixels needs images of one shape; found {found}")
    reals, fakes, unseen = (
        images[np.sort(rng.child("chosen", name).numpy().permutation(len(images))[:count])]
        for name, images in sets.items()
    )
    fold = rng.child("folds").numpy().permutation(count) % _FOLDS
    value, variance, p_value = _area(reals, fakes, fold, rng.child("generated"), seen)
    floor, _, _ = _area(reals, unseen, fold, rng.child("floor"), seen)
    reach = normal_quantile(0.95) * variance**0.5
    return Measurement(value, max(0.0, value - reach), min(1.0, value + reach), floor, count, PIXELS, p_value)


def _area(
    real: Images, generated: Images, fold: Int[np.ndarray, " n"], rng: Rng, seen: int
) -> tuple[float, float, float]:
    """Mean area over the folds, its variance, and the p-value; images i of both sets are in ``fold[i]``."""
    areas: list[float] = []
    variances: list[float] = []
    p_values: list[float] = []
    for test in range(_FOLDS):
        taught, tested = fold != test, fold == test
        score = _taught(real[taught], generated[taught], rng.child(test), seen)
        positive, negative = score(generated[tested]), score(real[tested])
        area, variance = area_under_roc(positive, negative)
        areas.append(area)
        variances.append(variance)
        p_values.append(float(mannwhitneyu(positive, negative, alternative="greater").pvalue))
    spread = float(np.mean(variances)) * shared_teaching(_FOLDS)
    return float(np.mean(areas)), spread, min(1.0, _FOLDS * min(p_values))


@dataclass(frozen=True, eq=False)
class _Score:
    """What a network gives images: higher for generated ones."""

    network: nn.Sequential
    mean: float
    spread: float

    def __call__(self, images: Images) -> Float[np.ndarray, " n"]:
        with torch.no_grad():
            parts = [self.of(torch.from_numpy(images[at : at + _AT_ONCE])) for at in range(0, len(images), _AT_ONCE)]
        return torch.cat(parts).double().numpy()

    def of(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        pixels = (images.float() / 255 - self.mean) / self.spread
        detail = pixels - F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
        return self.network(torch.cat([pixels, detail / _DETAIL], 1))[:, 0]


def _taught(real: Images, generated: Images, rng: Rng, seen: int) -> _Score:
    images = np.concatenate([real, generated])
    label = np.repeat(np.array([0.0, 1.0], np.float32), len(real))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.child("initialisation").entropy % 2**63)
        network = network_of(2 * images.shape[1], _WIDTH, 0.2).train()
    score = _Score(network, float(images.mean()) / 255, max(float(images.std()) / 255, 1e-3))

    def loss(batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        return Loss(F.binary_cross_entropy_with_logits(score.of(_flipped(batch[0], noise)), batch[1]))

    adam = Adam(learning_rate=2e-3, weight_decay=0.05)
    settings = Settings(stage=PIXELS, batch=_BATCH, precision="float32")
    objective = Objective("classifier", network, loss, adam, half_life=4 * _BATCH)
    train([objective], [images, label], Budget(images=seen), rng.child("training"), None, settings)
    network.eval()
    return score


def _flipped(images: Tensor, noise: torch.Generator) -> Tensor:
    """Each image or its mirror image."""
    turned = torch.rand(len(images), 1, 1, 1, generator=noise, device=images.device) < 0.5
    return torch.where(turned, images.flip(3), images)
