"""Feature sets that can be judged: finite, of one width, at matched n."""

import numpy as np
from jaxtyping import Float

from penchant.core.errors import BadFeatures

Features = Float[np.ndarray, "n d"]


def checked(name: str, features: Features, at_least: int) -> Features:
    """``features`` as float64.

    Raises:
        BadFeatures: not a table of numbers, not finite, or fewer rows than ``at_least``.
    """
    if features.ndim != 2 or features.shape[1] == 0:
        raise BadFeatures(f"the {name} features must be a table, images × features; found the shape {features.shape}")
    if len(features) < at_least:
        raise BadFeatures(f"{len(features)} {name} images cannot be judged; this figure needs at least {at_least}")
    table = np.asarray(features, dtype=np.float64)
    bad = int((~np.isfinite(table)).any(axis=1).sum())
    if bad:
        raise BadFeatures(f"the features of {bad} of {len(table)} {name} images are not finite (NaN or infinite)")
    return table


def matched(tables: dict[str, Features], at_least: int, rng: np.random.Generator) -> tuple[Features, ...]:
    """Each table cut to the length of the shortest by a random draw without replacement, in the order given.

    Raises:
        BadFeatures: as :func:`checked`, or tables of different widths.
    """
    good = {name: checked(name, table, at_least) for name, table in tables.items()}
    widths = {name: table.shape[1] for name, table in good.items()}
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise BadFeatures(f"features of different widths cannot be compared ({found}); use one extractor for all")
    n = min(map(len, good.values()))
    return tuple(table if len(table) == n else rng.permutation(table)[:n] for table in good.values())
