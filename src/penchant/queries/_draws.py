"""Who is best under each of many draws of the taste."""

import numpy as np
from jaxtyping import Float


def shares(utilities: Float[np.ndarray, "k m"]) -> Float[np.ndarray, " m"]:
    """Share of draws in which each image is the best one; zeros where no image is left."""
    best = utilities.argmax(axis=1)
    alive = np.isfinite(utilities[np.arange(len(utilities)), best])
    return np.bincount(best[alive], minlength=utilities.shape[1]) / len(utilities)


def rivals(
    utilities: Float[np.ndarray, "k m"], features: Float[np.ndarray, "m d"], image: int
) -> Float[np.ndarray, "k m"]:
    """The utilities without ``image`` and its twins."""
    return np.where((features == features[image]).all(axis=1), -np.inf, utilities)


def pick(chances: Float[np.ndarray, " m"], rng: np.random.Generator) -> int | None:
    """An image by its share; None where no image is left."""
    return int(rng.choice(len(chances), p=chances)) if chances.any() else None
