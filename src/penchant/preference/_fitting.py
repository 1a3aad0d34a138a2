"""Hyperparameters by evidence: one prior scale per feature group, the lapse rate, the margin of ties."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit, logit

from penchant.core.contracts import Group
from penchant.preference._course import Course, remembered_evidence
from penchant.preference._laplace import evidence
from penchant.preference._likelihood import VoteLikelihood
from penchant.preference._observations import Observations

_FARTHEST = np.log(100)
"""No hyperparameter moves farther from its median than by this factor: beyond, only rounding errors grow."""


@dataclass(frozen=True)
class Hyperparameters:
    """What the evidence decides: ``scales`` of the utility that each group can make, and the vote likelihood.

    ``image`` is the standard deviation of what is particular to an image, in logits; 0 where it could not be told.
    ``course`` is the parameter of how the taste changes, where it does.
    """

    scales: Float[np.ndarray, " g"]
    likelihood: VoteLikelihood
    image: float = 0.0
    course: float = 0.0

    def columns(self, groups: Sequence[Group]) -> Float[np.ndarray, " d"]:
        """Prior standard deviation of every weight: a group's scale is shared out over its columns."""
        widths = np.array([group.stop - group.start for group in groups])
        return np.repeat(self.scales / np.sqrt(widths), widths)

    def apart(self, shown_often: int) -> "Hyperparameters":
        """With the last scale, which ``shown_often`` images share, taken for what it is."""
        if not shown_often:
            return self
        return replace(self, scales=self.scales[:-1], image=float(self.scales[-1] / np.sqrt(shown_often)))


@dataclass(frozen=True)
class HyperPrior:
    """Log-normal priors on the group scales and η, logit-normal on λ, by their medians and spreads in logs.

    All group scales also share a factor of at most 1, the voter's consistency, with a spread of its own (half-normal in
    its log): somebody who tosses coins is then no more surprising than somebody who does not care for one group. It
    may not exceed 1, because with more features than votes any answers can be separated, and the Laplace evidence then
    overrates ever larger scales.
    They do the work while votes are few, and keep the evidence (which is not concave) from running off to 0 or ∞.
    A spread of 0 holds a hyperparameter at its median, scales up to the shared factor.
    """

    scale: float
    image: float
    image_spread: float
    optional_share: float
    scale_spread: float
    consistency_spread: float
    lapse: float
    lapse_spread: float
    margin: float
    margin_spread: float

    def fit(
        self, observations: Observations, groups: Sequence[Group], course: Course | None = None
    ) -> tuple[Hyperparameters, float]:
        """The hyperparameters with the largest evidence × prior, by L-BFGS from the medians: no other state.

        Also gives the log of that evidence × prior, the prior's density being 1 at its peak.

        The margin is fitted when there are ties; without any, ties are taken not to be on offer (η = 0). A ``course``
        lets the weights of the groups change over the votes; its parameter is fitted along.
        """
        moving = groups[-1].stop
        ties, shown_often = bool(observations.ties.any()), observations.images.shape[1]
        images = [Group("images", groups[-1].stop, groups[-1].stop + shown_often)] if shown_often else []
        differences = np.hstack([observations.differences, observations.images])
        spreads = np.array(
            [self.scale_spread] * len(groups)
            + [self.image_spread] * len(images)
            + [self.consistency_spread, self.lapse_spread * (self.lapse > 0), self.margin_spread * ties]
            + ([course.spread] if course else [])
        )
        plain = len(spreads) - (course is not None)
        free = spreads > 0
        point = np.zeros(len(spreads))
        medians = self.scale * np.where([group.optional for group in groups], self.optional_share, 1.0)
        medians = np.array([*medians, *[self.image * np.sqrt(shown_often) for _ in images]])
        groups = [*groups, *images]
        if not len(observations):
            return self._at(point[:plain], medians, ties), 0.0
        edges = [group.start for group in groups]
        warm: Float[np.ndarray, " c"] | None = None

        def loss(moved: Float[np.ndarray, " h"]) -> tuple[float, Float[np.ndarray, " h"]]:
            nonlocal warm
            point[free] = moved
            moves = point * spreads
            now = self._at(moves[:plain], medians, ties)
            design = differences * now.columns(groups)
            by_course: list[float] = []
            if course is None:
                found = evidence(design, observations.ties, now.likelihood, warm)
            else:
                found, slope_of_course = remembered_evidence(
                    design[:, :moving], design[:, moving:], course.memory(float(moves[-1])), observations.ties,
                    now.likelihood, warm,
                )  # fmt: skip
                by_course = [slope_of_course]
            warm = found.coefficients
            lapse, margin = now.likelihood.lapse, now.likelihood.margin
            by_group = np.add.reduceat(found.by_column, edges)
            slope = np.array(
                [
                    *by_group,
                    by_group.sum(),
                    found.by_lapse * lapse * (1 - lapse),
                    found.by_margin * margin,
                    *by_course,
                ]
            )
            return 0.5 * float(moved @ moved) - found.value, moved - (slope * spreads)[free]

        if not free.any():
            return self._at(point[:plain], medians, ties).apart(shown_often), -loss(np.zeros(0))[0]
        widest = np.minimum(6, _FARTHEST / spreads[free])
        highest = np.where(np.arange(len(spreads)) == len(groups), 0.0, np.inf)[free]
        bounds = np.stack([-widest, np.minimum(widest, highest)], 1)
        found = minimize(
            loss, np.zeros(free.sum()), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 60, "ftol": 1e-7, "gtol": 1e-3},
        )  # fmt: skip
        point[free] = found.x
        fitted = self._at((point * spreads)[:plain], medians, ties).apart(shown_often)
        return replace(fitted, course=float((point * spreads)[-1]) if course else 0.0), -float(found.fun)

    def _at(self, moved: Float[np.ndarray, " h"], medians: Float[np.ndarray, " g"], ties: bool) -> Hyperparameters:
        """Hyperparameters that are ``moved`` away from the medians, in logs (λ in logits)."""
        lapse = float(expit(logit(self.lapse) + moved[-2])) if self.lapse > 0 else 0.0
        margin = self.margin * float(np.exp(moved[-1])) if ties else 0.0
        return Hyperparameters(medians * np.exp(moved[:-3] + moved[-3]), VoteLikelihood(lapse, margin))
