"""All metrics of two sets, sharing what can be shared."""

from collections.abc import Sequence

from penchant.core.contracts import METRICS, Measurement
from penchant.core.errors import BadFeatures
from penchant.core.rng import Rng
from penchant.metrics._features import Features
from penchant.metrics._neighbours import NAMES, neighbour_measurements


def measure_all(
    real: Features, generated: Features, holdout: Features, extractor: str, rng: Rng, names: Sequence[str] = ()
) -> dict[str, Measurement | BadFeatures]:
    """Every metric with its default settings, by name; where one cannot judge these sets, its reason.

    ``names`` picks some. The four figures of nearest neighbours cost one pass together.
    """
    found: dict[str, Measurement | BadFeatures] = {}
    for name in names or METRICS.names():
        if name in found:
            continue
        numbers = rng.child("neighbours" if name in NAMES else name).numpy()
        try:
            if name in NAMES:
                found |= neighbour_measurements(real, generated, holdout, extractor, numbers)
            else:
                found[name] = METRICS.make(name).measure(real, generated, holdout, extractor, numbers)
        except BadFeatures as error:
            found |= dict.fromkeys(NAMES if name in NAMES else (name,), error)
    return {name: found[name] for name in names or METRICS.names()}
