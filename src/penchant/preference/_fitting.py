"""Hyperparameters by evidence: one prior scale per block of columns, the lapse rate, the margin of ties."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit, logit

from penchant.preference._course import Course, present_belief, remembered_evidence
from penchant.preference._design import Block, Design
from penchant.preference._laplace import Evidence, Mode, evidence, find_mode, system_of
from penchant.preference._likelihood import VoteLikelihood

_FARTHEST = np.log(100)
"""No hyperparameter moves farther from its median than by this factor: beyond, only rounding errors grow."""

_ENOUGH = 400
"""Answers that hyperparameters are fitted to, at most: by then they are known far better than their priors say, and
every step of the search costs as many."""


@dataclass(frozen=True)
class Hyperparameters:
    """What the evidence decides: ``scales`` of the utility that each block of columns can make, and the likelihood.

    ``course`` is the parameter of how the taste changes, where it does.
    """

    scales: Float[np.ndarray, " g"]
    likelihood: VoteLikelihood
    course: float = 0.0

    def columns(self, blocks: Sequence[Block]) -> Float[np.ndarray, " c"]:
        """Prior standard deviation of every weight: a block's scale is shared out over its columns."""
        widths = np.array([block.width for block in blocks])
        return np.repeat(self.scales / np.sqrt(widths), widths)

    def evidence(self, design: Design, start: Float[np.ndarray, " c"] | None = None) -> Evidence:
        """How probable the votes are."""
        seen = design.observations
        return evidence(
            design.columns * self.columns(design.blocks), seen.ties, self.likelihood, start,
            offset=design.offset, weights=seen.weights, single=~seen.pairs,
        )  # fmt: skip

    def remembered(
        self, design: Design, course: Course, start: Float[np.ndarray, " c"] | None = None
    ) -> tuple[Evidence, float]:
        """How probable the votes are where the taste goes on in this way; and the slope in its parameter."""
        seen, columns = design.observations, design.columns * self.columns(design.blocks)
        return remembered_evidence(
            columns[:, : design.features], columns[:, design.features :], course.memory(self.course), seen.ties,
            self.likelihood, start, offset=design.offset, weights=seen.weights, single=~seen.pairs,
        )  # fmt: skip

    def present(self, design: Design, course: Course) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, "c c"]]:
        """Mean and a square root of the covariance of all weights but those of single images, as they are now."""
        seen, columns = design.observations, self.columns(design.blocks)
        scaled = design.columns * columns
        own = len(columns) - seen.images.shape[1]
        mean, root = present_belief(
            scaled[:, : design.features], scaled[:, design.features :], course.memory(self.course), seen.ties,
            self.likelihood, offset=design.offset + self.likelihood.margin * ~seen.pairs, weights=seen.weights,
            width=own,
        )  # fmt: skip
        return columns[:own] * mean, columns[:own, None] * root

    def mode(self, design: Design) -> Mode:
        """The most probable whitened weights."""
        seen = design.observations
        return find_mode(
            system_of(design.columns * self.columns(design.blocks)), seen.ties, self.likelihood,
            offset=design.offset + self.likelihood.margin * ~seen.pairs, weights=seen.weights,
        )  # fmt: skip


@dataclass(frozen=True)
class HyperPrior:
    """Log-normal priors on the scales of blocks and η, logit-normal on λ, by their medians and spreads in logs.

    Scales of blocks that say what somebody likes also share a factor of at most 1, the voter's consistency, with a
    spread of its own (half-normal in its log): somebody who tosses coins is then no more surprising than somebody who
    does not care for one group. It may not exceed 1, because with more features than votes any answers can be
    separated, and the Laplace evidence then overrates ever larger scales.
    They do the work while votes are few, and keep the evidence (which is not concave) from running off to 0 or ∞.
    A spread of 0 holds a hyperparameter at its median, scales up to the shared factor.
    """

    consistency_spread: float
    lapse: float
    lapse_spread: float
    margin: float
    margin_spread: float

    def fit(self, design: Design, course: Course | None = None) -> tuple[Hyperparameters, float]:
        """The hyperparameters with the largest evidence × prior, by L-BFGS from the medians: no other state.

        Also gives the log of that evidence × prior, the prior's density being 1 at its peak. Of more than 400 answers
        a sample of 400 makes the search (Rasmussen & Williams 2006, section 8.3: a subset of data), and all of them
        that number: otherwise a refit would cost minutes at some thousand votes. A course is fitted to all it is given.

        The margin is fitted when there are ties; without any, ties are taken not to be on offer (η = 0). A ``course``
        lets the weights of the features change over the votes; its parameter is fitted along.
        """
        blocks, observations = design.blocks, design.observations
        ties = bool(observations.ties.any())
        spreads = np.array(
            [block.spread for block in blocks]
            + [self.consistency_spread, self.lapse_spread * (self.lapse > 0), self.margin_spread * ties]
            + ([course.spread] if course else [])
        )
        point = np.zeros(len(spreads))
        start = _Scales(self, blocks, ties, course is not None)
        if not len(observations):
            return start.at(point), 0.0
        sample = design if course else design.sample(_ENOUGH)
        free = spreads > 0
        edges = [block.start for block in blocks]
        warm: Float[np.ndarray, " c"] | None = None

        def loss(moved: Float[np.ndarray, " h"]) -> tuple[float, Float[np.ndarray, " h"]]:
            nonlocal warm
            point[free] = moved
            now = start.at(point * spreads)
            found, by_course = now.remembered(design, course, warm) if course else (now.evidence(sample, warm), 0.0)
            warm = found.coefficients
            lapse, margin = now.likelihood.lapse, now.likelihood.margin
            by_block = np.add.reduceat(found.by_column, edges)
            slope = np.array(
                [
                    *by_block,
                    float(by_block @ start.consistent),
                    found.by_lapse * lapse * (1 - lapse),
                    found.by_margin * margin,
                    *([by_course] if course else []),
                ]
            )
            return 0.5 * float(moved @ moved) - found.value, moved - (slope * spreads)[free]

        if not free.any():
            sample = design
            return start.at(point), -loss(np.zeros(0))[0]
        widest = np.minimum(6, _FARTHEST / spreads[free])
        highest = np.where(np.arange(len(spreads)) == len(blocks), 0.0, np.inf)[free]
        bounds = np.stack([-widest, np.minimum(widest, highest)], 1)
        found = minimize(
            loss, np.zeros(free.sum()), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 60, "ftol": 1e-7, "gtol": 1e-3},
        )  # fmt: skip
        point[free] = found.x
        best = start.at(point * spreads)
        if sample is design:
            return best, -float(found.fun)
        return best, best.evidence(design).value - 0.5 * float(found.x @ found.x)


@dataclass(frozen=True)
class _Scales:
    """Hyperparameters as functions of how far they moved from their medians, in logs (λ in logits)."""

    prior: HyperPrior
    blocks: Sequence[Block]
    ties: bool
    moving: bool

    @cached_property
    def consistent(self) -> Float[np.ndarray, " g"]:
        return np.array([float(block.liked) for block in self.blocks])

    @cached_property
    def medians(self) -> Float[np.ndarray, " g"]:
        return np.array([block.median for block in self.blocks])

    def at(self, moved: Float[np.ndarray, " h"]) -> Hyperparameters:
        moved, course = (moved[:-1], float(moved[-1])) if self.moving else (moved, 0.0)
        lapse = float(expit(logit(self.prior.lapse) + moved[-2])) if self.prior.lapse > 0 else 0.0
        margin = self.prior.margin * float(np.exp(moved[-1])) if self.ties else 0.0
        scales = self.medians * np.exp(moved[:-3] + moved[-3] * self.consistent)
        return Hyperparameters(scales, VoteLikelihood(lapse, margin), course)
