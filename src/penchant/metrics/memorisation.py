"""Does the generator copy the images it was trained on?"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from penchant.core.contracts import Measurement
from penchant.metrics._distances import distance_passes
from penchant.metrics._features import Features, matched
from penchant.metrics._half_samples import half_sample_sd
from penchant.metrics._intervals import normal_quantile


@dataclass(frozen=True)
class Memorisation:
    """Share of generated images nearer to a training image than to any of as many held-out ones; a draw is a half.

    One half where nothing is copied, which is the floor; 1 where everything is; well below one half tells that the
    training images are of another kind than the held-out ones, or are not what the generator was trained on. ``real``
    must be the training images. After Meehan et al. (arXiv 2004.05675), without their cells.

    No figure is reliable here: a copied image that was moved or recoloured can pass as new, and the features decide
    what near means. Look at the sheet of nearest training images too (:func:`nearest` finds them). The 95% interval
    is of sampling images of all three sets (half-samples). Cost: 2n² distances, in passes of 1,024 rows.

    Fields:
        repeats: half-samples for the interval.
    """

    repeats: int = 20

    def __post_init__(self) -> None:
        if self.repeats < 2:
            raise ValueError(f"repeats must be at least 2; found {self.repeats}")

    def measure(
        self, real: Features, generated: Features, holdout: Features, extractor: str, rng: np.random.Generator
    ) -> Measurement:
        """The share of ``generated`` that is nearer to ``real`` than to ``holdout``, with its interval.

        Raises:
            BadFeatures: fewer than 4 images in a set, numbers that are not finite, or different widths.
        """
        tables = {"real": real, "generated": generated, "held-out": holdout}
        sets = matched(tables, at_least=4, rng=rng)
        value = memorised_share(*sets)
        reach = normal_quantile(0.95) * half_sample_sd(memorised_share, sets, self.repeats, rng)
        return Measurement(value, max(0.0, value - reach), min(1.0, value + reach), 0.5, len(sets[0]), extractor)


def memorised_share(training: Features, generated: Features, holdout: Features) -> float:
    """The share among all rows; ``training`` and ``holdout`` must be equally many for one half to mean nothing copied.

    >>> training, holdout = np.array([[0.0], [10.0]]), np.array([[5.0], [15.0]])
    >>> memorised_share(training, np.array([[0.5], [9.0], [14.0], [7.5]]), holdout)
    0.625
    """
    own, other = nearest(generated, training)[1], nearest(generated, holdout)[1]
    return float(((own < other) + 0.5 * (own == other)).mean())


def nearest(of: Features, among: Features) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """For every row of ``of`` the row of ``among`` that is nearest, and its squared distance."""
    found = [distances.min(dim=1) for _, distances in distance_passes(of, among)]
    rows, distances = (torch.cat([part[which] for part in found]).numpy() for which in (1, 0))
    return rows, distances
