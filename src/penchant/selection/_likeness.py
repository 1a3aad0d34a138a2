"""How like a set of images is to others that nobody can choose, and how sure that is."""

import numpy as np
from jaxtyping import Float


def likeness(chosen: Float[np.ndarray, "n d"], held: Float[np.ndarray, "h d"]) -> tuple[float, float]:
    """KID's unbiased estimate (Bińkowski et al. 2018, equation 4) less its part that ``held`` alone decides; its error.

    The lower the more alike. Sets of different sizes are compared as they are, so that twenty chosen images are held
    against all the others. The standard error is the jackknife's over the chosen images, in one pass: the sums of what
    is left without each of them are known. Needs 3 chosen images. Cost: n·(n + h)·d operations.
    """
    count = len(chosen)
    within, between = _kernel(chosen, chosen), _kernel(chosen, held).mean(1)
    rows = within.sum(1) - np.diag(within)
    value = rows.sum() / (count * (count - 1)) - 2 * between.mean()
    without = (rows.sum() - 2 * rows) / ((count - 1) * (count - 2))
    without -= 2 * (between.sum() - between) / (count - 1)
    error = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    return float(value), float(error)


def _kernel(left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    found = left.astype(np.float64) @ right.T.astype(np.float64) / left.shape[1] + 1
    return found**3
