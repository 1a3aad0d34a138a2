"""Four figures from nearest neighbours, counted in one pass over the distances."""

from dataclasses import astuple, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import Measurement
from penchant.core.errors import BadFeatures
from penchant.metrics._distances import distance_passes
from penchant.metrics._features import Features, matched
from penchant.metrics._half_samples import half_sample_sds
from penchant.metrics._intervals import normal_quantile

NAMES = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class NeighbourFigures:
    """Precision and recall (arXiv 1904.06991), density and coverage (arXiv 2002.09797); density may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbour_measurements(
    real: Features,
    generated: Features,
    holdout: Features,
    extractor: str,
    rng: np.random.Generator,
    neighbours: int = 5,
    repeats: int = 20,
) -> dict[str, Measurement]:
    """All four by name, with 95% intervals (half-samples) and floors; costs hardly more than one of them.

    Raises:
        BadFeatures: no more than 2k + 1 images in a set, numbers that are not finite, or different widths.
    """
    tables = {"real": real, "generated": generated, "held-out": holdout}
    reals, fakes, unseen = matched(tables, at_least=2 * neighbours + 2, rng=rng)
    radii = _radii(reals, neighbours)
    values = _figures(reals, fakes, radii, _radii(fakes, neighbours), neighbours)
    floors = _figures(reals, unseen, radii, _radii(unseen, neighbours), neighbours)

    def of_part(real_part: Features, generated_part: Features) -> Float[np.ndarray, " s"]:
        return np.array(astuple(neighbour_figures(real_part, generated_part, neighbours)))

    reach = normal_quantile(0.95) * half_sample_sds(of_part, (reals, fakes), repeats, rng)
    tops = {"density": np.inf}
    return {
        name: Measurement(
            value=value,
            low=max(0.0, value - own),
            high=min(tops.get(name, 1.0), value + own),
            floor=floor,
            n=len(reals),
            extractor=extractor,
        )
        for name, value, floor, own in zip(NAMES, astuple(values), astuple(floors), reach.tolist(), strict=True)
    }


def neighbour_figures(real: Features, generated: Features, neighbours: int = 5) -> NeighbourFigures:
    """All four at once. An image lies in another's ball where it is strictly closer than its k-th neighbour.

    precision: share of generated images in the ball of a real one. recall: share of real images in the ball of a
    generated one. density: real balls that hold a generated image, over k. coverage: share of real balls that hold
    a generated image. The sets may differ in length. Memory: 1,024 rows of distances.

    Raises:
        BadFeatures: a set has no k-th neighbour.
    """
    if min(len(real), len(generated)) <= neighbours:
        raise BadFeatures(
            f"the {neighbours}-th nearest neighbour needs more than {neighbours} images a set; "
            f"found {len(real)} real and {len(generated)} generated"
        )
    return _figures(real, generated, _radii(real, neighbours), _radii(generated, neighbours), neighbours)


def check_settings(neighbours: int, repeats: int) -> None:
    """Raise ValueError where there is no neighbour or no spread."""
    if neighbours < 1 or repeats < 2:
        raise ValueError(f"neighbours must be at least 1 and repeats at least 2; found {neighbours}, {repeats}")


def _figures(
    real: Features,
    generated: Features,
    real_radii: Float[Tensor, " n"],
    generated_radii: Float[Tensor, " m"],
    neighbours: int,
) -> NeighbourFigures:
    precise = torch.zeros(len(generated), dtype=torch.bool)
    recalled = covered = inside = 0
    for start, distances in distance_passes(real, generated):
        in_real_ball = distances < real_radii[start : start + len(distances), None]
        precise |= in_real_ball.any(dim=0)
        inside += int(in_real_ball.sum())
        covered += int(in_real_ball.any(dim=1).sum())
        recalled += int((distances < generated_radii[None]).any(dim=1).sum())
    return NeighbourFigures(
        precision=float(precise.double().mean()),
        recall=recalled / len(real),
        density=inside / (neighbours * len(generated)),
        coverage=covered / len(real),
    )


def _radii(features: Features, neighbours: int) -> Float[Tensor, " n"]:
    """Squared distance of every row to its k-th nearest other row."""
    found: list[Float[Tensor, " r"]] = []
    for start, distances in distance_passes(features, features):
        own = torch.arange(len(distances))
        distances[own, start + own] = -1.0
        nearest = distances.topk(neighbours + 1, dim=1, largest=False, sorted=False).values
        found.append(nearest.amax(dim=1))
    return torch.cat(found)
