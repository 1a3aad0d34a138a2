"""What a generator's samples are worth while it trains: their distance from images that are never trained on."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, UInt8

from penchant.core.contracts import Examined, Extractor, Generator
from penchant.core.rng import Rng
from penchant.data import to_float, to_uint8
from penchant.metrics.kid import Kid

_IMAGES, _SLOW_IMAGES = 256, 128
_FEWEST = 32
_KID = Kid(repeats=30, permutations=0)
_WITHIN = 1.96
_PER_MILLE = 1000


def examiner(
    judge: Extractor, train: UInt8[np.ndarray, "n c h w"], holdout: UInt8[np.ndarray, "m c h w"], rng: Rng
) -> Callable[[Generator], Examined] | None:
    """Measures KID of samples, always of the same latents, against at most 256 held-out images, as the judge sees both.

    Beside it the floor, the same of training images. None where fewer than 32 images are held out. The error is of
    which images were drawn. A look costs 256 samples, and 128 where a sample takes several passes.
    """
    if len(holdout) < _FEWEST or len(train) < _FEWEST:
        return None

    def seen(images: UInt8[np.ndarray, "k c h w"]) -> Float[np.ndarray, "k j"]:
        with torch.no_grad():
            return judge(to_float(images)).numpy().astype(np.float64)

    unseen, known = (seen(np.asarray(part[:_IMAGES])) for part in (holdout, train))

    def examine(generator: Generator) -> Examined:
        count = _IMAGES if generator.capabilities.one_step else _SLOW_IMAGES
        made = seen(to_uint8(generator.sample(count, rng.child("samples"))))
        found = _KID.measure(unseen, made, known, judge.hash, rng.child("error").numpy())
        assert found.low is not None
        assert found.high is not None
        assert found.floor is not None
        figures = {"KID ‰": found.value * _PER_MILLE, "KID ‰ of real images": found.floor * _PER_MILLE}
        return Examined(found.value, (found.high - found.low) / (2 * _WITHIN), figures)

    return examine
