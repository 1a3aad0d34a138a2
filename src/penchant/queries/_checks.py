"""Settings, counts and features that make no sense are told the same way by all strategies."""

import numpy as np
from jaxtyping import Float, Int

from penchant.core.errors import BadConfiguration, BadImages


def checked_settings(size: int, freshness: float, spacing: float) -> None:
    """Raises ValueError where a strategy's settings make no sense."""
    if size < 2:
        raise ValueError(f"shortlist must be at least 2 images; found {size}")
    if not (0 <= freshness < np.inf and 0 <= spacing < np.inf):
        raise ValueError(f"freshness and spacing must not be negative; found {freshness:g} and {spacing:g}")


def checked_share(favourites: float) -> None:
    """Raises ValueError where ``favourites`` is no share."""
    if not 0 <= favourites <= 1:
        raise ValueError(f"favourites is a share of the shortlist, 0 to 1; found {favourites:g}")


def checked_count(count: int) -> None:
    """Raises BadConfiguration where no pair was asked for."""
    if count < 1:
        raise BadConfiguration(f"ask for at least one pair; found count={count}")


def checked_finite(values: Float[np.ndarray, " m"], rows: Int[np.ndarray, " m"]) -> None:
    """Raises BadImages, naming the candidate, where ``values`` made from its features are not finite."""
    finite = np.isfinite(values)
    if not finite.all():
        raise BadImages(
            f"the features of candidate {rows[np.argmin(finite)]} are not finite; leave it out of the pool, or use "
            f"other features"
        )
