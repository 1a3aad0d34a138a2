"""The hot path of the taste: a Bayesian linear utility on frozen features, one prior scale per group of features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import expit, logit
from torch import Tensor

from penchant.core.contracts import LIKE, Change, Choice, Encoder, Extractor, Group, Posterior, PriorTaste, Votes
from penchant.core.errors import BadConfiguration
from penchant.core.threads import one_blas_thread
from penchant.preference._channels import at_first, strengths
from penchant.preference._design import Design, Scales, design
from penchant.preference._drift import Drift, Followed
from penchant.preference._fitting import Hyperparameters, HyperPrior
from penchant.preference._information import information, information_table
from penchant.preference._likelihood import VoteLikelihood
from penchant.preference._observations import SILENT, Observations, checked, observe, oriented, side_of
from penchant.preference._reward import LinearReward

_DOUBT_KNOWN = 0.1
"""Doubt is at most so much where something was known before the first vote."""

_FEEBLE = 0.05
"""Pulls of a side below so many logits do not matter for what to ask."""


@dataclass(frozen=True)
class Linear:
    """Bradley-Terry with lapses and ties on u(x) = wᵀφ(x), w ~ N(0, Σ₀), Σ₀ diagonal with one scale per group.

    What it is for: learning a taste from 5 to some thousand votes and answering in well under a millisecond. A vote
    updates the belief by assumed density filtering; :meth:`LinearPosterior.refit` fits all votes at once by Laplace
    and sets the group scales, the lapse rate and the margin of ties by their evidence (MacKay 1992; Rasmussen &
    Williams 2006, chapter 5), so groups that do not help fade and nobody tunes anything. Features decide what it can
    see: a taste that is not linear in them is out of its reach; compare :class:`Convolutional`, which learns from
    pixels.

    Groups that are :attr:`~penchant.core.contracts.Group.optional` (squares, products) stay out until a refit finds
    that the votes are more probable with them; then predictions, questions and reward use them too. Predictions are
    drawn towards 1/2 by the probability that the voter has no taste that these features see, from the evidence
    against coin tosses: after some ten decided votes of somebody who means it there is little left of it.

    A taste may change. :meth:`LinearPosterior.refit` looks for a change of mind, and for a slow drift of the weights
    (Ornstein-Uhlenbeck: w_t = ρw_{t−1} + √(1−ρ²)·N(0, Σ₀), ρ = 2^(−1/half-life)) with the half-life by evidence. Where
    the votes speak for one of them the belief is about the taste at the next vote, and older votes count less;
    otherwise all count alike, in whatever order they came.

    Beside the taste, answers may owe something to other things, each one more weight with a scale of its own: the side
    an image is shown on; for likes and dislikes of single images a threshold, u(x) − c; for ``both_bad`` another one,
    of what is good enough to be chosen. Implicit signals (downloads, clicks) have a threshold each as well, and count
    for as much of a vote as makes all the answers most probable, at first nothing. ``skip`` says nothing about taste.

    A taste known before (:class:`~penchant.core.contracts.PriorTaste`) is where the belief starts, and is dropped where
    the votes are more probable without it.

    A voter's consistency is a factor that all scales share. All medians and spreads are of the hyperparameters' priors;
    a spread of 0 holds one fixed; ``lapse=0`` without ties is plain Bradley-Terry.

    Attributes:
        scale: median of the utility that one group can make, in logits.
        scale_spread: standard deviation of its logarithm.
        consistency_spread: the same of a factor, at most 1, that all groups share (how consistently the voter answers).
        lapse: median of the share of votes that are coin tosses.
        lapse_spread: standard deviation of its logit.
        margin: median of the tie margin η, in logits (fitted once there are ties).
        margin_spread: standard deviation of its logarithm.
        image: median standard deviation of what is particular to an image (slips of people belong to images more than
            to pairs), in logits; told apart from the features' part once images were voted on three times. Where the
            same two dozen images make all the pairs, the two cannot be told apart and some of the taste is lost to it.
        image_spread: standard deviation of its logarithm.
        optional_share: median scale of an optional group, as a share of ``scale``.
        doubt: prior probability that there is no taste to be seen, at evidence that the fitted scales flatter; 0
            for none.
        side: median of how strongly the side of an image pulls, in logits; 0 for no such pull.
        side_spread: standard deviation of its logarithm.
        threshold: standard deviation of the thresholds of single images, in logits.
        half_life: median of the votes after which a drifting taste has kept half of its correlation with itself;
            infinite for no drift.
        half_life_spread: standard deviation of its logarithm.
        drift_odds: prior odds of a taste that drifts against one that stays.
        steady_votes: in how many votes one change of mind is expected; a false alarm is about as rare. Infinite for
            none.

    >>> from penchant.core.contracts import Choice, Group
    >>> belief = Linear().prior([Group("colour", 0, 2)])
    >>> warm, cold = np.array([1.0, 0.0]), np.array([-1.0, 0.0])
    >>> belief = belief.update(warm, cold, Choice.LEFT)
    >>> bool(belief.predict(warm[None], cold[None])[0] > 0.5)
    True
    """

    scale: float = 0.4
    scale_spread: float = 1.25
    consistency_spread: float = 3.0
    lapse: float = 0.03
    lapse_spread: float = 0.4
    margin: float = 0.3
    margin_spread: float = 0.7
    image: float = 0.3
    image_spread: float = 1.0
    optional_share: float = 0.5
    doubt: float = 0.7
    side: float = 0.1
    side_spread: float = 1.0
    threshold: float = 2.0
    half_life: float = 100.0
    half_life_spread: float = 1.0
    drift_odds: float = 0.2
    steady_votes: float = 3000.0

    def __post_init__(self) -> None:
        positive = ("scale", "margin", "image", "threshold")
        if not all(0 < getattr(self, name) < np.inf for name in positive):
            found = ", ".join(f"{name}={getattr(self, name):g}" for name in positive)
            raise ValueError(f"{', '.join(positive)} must be positive; found {found}")
        if not 0 <= self.lapse < 1:
            raise ValueError(f"lapse is a share of votes, from 0 to below 1; found {self.lapse:g}")
        if not (self.half_life > 0 and self.half_life_spread >= 0 and self.drift_odds >= 0 and self.steady_votes > 1):
            raise ValueError(
                f"half_life must be positive, its spread and drift_odds not negative and steady_votes above 1; found "
                f"{self.half_life:g}, {self.half_life_spread:g}, {self.drift_odds:g} and {self.steady_votes:g}"
            )
        if not (0 < self.optional_share < np.inf and 0 <= self.doubt < 1):
            raise ValueError(
                f"optional_share must be positive and doubt from 0 to below 1; found {self.optional_share:g} and "
                f"{self.doubt:g}"
            )
        spreads = (
            "scale_spread", "consistency_spread", "lapse_spread", "margin_spread", "image_spread",
            "side", "side_spread",
        )  # fmt: skip
        if not all(getattr(self, name) >= 0 for name in spreads):
            raise ValueError(f"{', '.join(spreads)} must not be negative")

    def prior(self, groups: Sequence[Group], known: PriorTaste | None = None) -> "LinearPosterior":
        """The belief before any vote.

        Raises:
            BadConfiguration: the groups do not follow one another without gaps from column 0, optional ones last; or
                ``known`` is over more features than there are.
        """
        stop = 0
        for group in groups:
            if group.start != stop or group.stop <= group.start:
                raise BadConfiguration(
                    f"group '{group.name}' has columns {group.start}:{group.stop}; "
                    f"it must begin at {stop} and not be empty"
                )
            stop = group.stop
        optional = [group.optional for group in groups]
        if not groups or optional[0]:
            raise BadConfiguration("a taste needs at least one group of features that is not optional; found none")
        if optional != sorted(optional):
            raise BadConfiguration("optional groups must come after all others, so that they can be left out")
        if known is not None and len(known.weights) > stop:
            raise BadConfiguration(f"the known taste is over {len(known.weights)} features; here there are {stop}")
        return _fitted(self, tuple(groups), known, Votes(np.zeros((0, stop)), np.zeros((0, stop)), []))

    @staticmethod
    def load(directory: Path, encoder: Encoder | None = None) -> LinearReward:
        """The reward that :meth:`LinearReward.save_pretrained` wrote; ``encoder`` as its extractor needs it."""
        return LinearReward.load(directory, encoder)


@dataclass(frozen=True, eq=False)
class LinearPosterior(Posterior):
    """w ~ N(mean, A Aᵀ): the covariance is kept as a square root A, so it stays positive definite by construction.

    The weights are those of the features in use; columns beyond them belong to optional groups left out.
    ``nuisance_mean`` and ``nuisance_factor`` are the same of what is no taste: the pull of the left side, then the
    threshold of every channel in ``strengths``, which says how much of a vote each counts for. ``image`` is the
    standard deviation of what is particular to an image; 0 where it could not be told. ``conviction`` is the
    probability that there is a taste to be seen. ``half_life``, in votes, is that of a drift, infinite where there is
    none; ``change`` is the last change of mind that was noticed.
    """

    component: Linear
    groups: tuple[Group, ...]
    known: PriorTaste | None
    mean_weights: Float[np.ndarray, " d"]
    factor: Float[np.ndarray, "d k"]
    nuisance_mean: Float[np.ndarray, " e"]
    nuisance_factor: Float[np.ndarray, "e k"]
    scales: Float[np.ndarray, " g"] = field(repr=False)
    likelihood: VoteLikelihood
    image: float = 0.0
    strengths: Mapping[str, float] = field(default_factory=dict[str, float])
    conviction: float = 1.0
    half_life: float = np.inf
    change: Change | None = None

    @property
    def used(self) -> tuple[Group, ...]:
        """The groups in use."""
        return self.groups[: len(self.scales)]

    @property
    def side(self) -> tuple[float, float]:
        """How strongly the left side pulls, in logits: mean and standard deviation."""
        return float(self.nuisance_mean[0]), float(np.linalg.norm(self.nuisance_factor[0]))

    def update(
        self, left: Float[np.ndarray, " d"], right: Float[np.ndarray, " d"], choice: Choice
    ) -> "LinearPosterior":
        """Assumed density filtering (Opper 1998; Minka 2001): match the moments of the one-dimensional posterior.

        With δ = dᵀm, v = dᵀΣd + 2τ² (τ is what is particular to an image) and z ~ N(δ, v):
        m ← m + Σd·(E[z|y] − δ)/v, Σ ← Σ − Σd dᵀΣ·(v − Var[z|y])/v². In the square root A ← A(I − c·qqᵀ) with
        q = Aᵀd/|Aᵀd| and (1 − c)² = 1 − |Aᵀd|²·(v − Var[z|y])/v². About 0.1 ms at 100-150 features.
        The conviction follows Bayes' rule: the odds of a taste against coin tosses times p(y) / p(y | toss).
        A ``both_bad`` waits for the next refit, which finds the threshold first.

        Raises:
            BadVote: features of another width or not finite.
        """
        if choice in SILENT:
            return self
        left, right = self._seen(left), self._seen(right)
        difference = oriented(left, right, choice)
        if not difference.any():
            return self
        nuisance = np.zeros(len(self.nuisance_mean))
        nuisance[0] = side_of(left, right, difference)
        return self._told(difference, nuisance, choice == Choice.TIE, images=2)

    def update_single(self, image: Float[np.ndarray, " d"], positive: bool, channel: str = LIKE) -> "LinearPosterior":
        """The same for a like or dislike; a channel that was not there at the last refit waits for the next."""
        strength = self.strengths.get(channel, 0.0)
        image = self._seen(image)
        if not strength:
            return self
        sign = 1.0 if positive else -1.0
        nuisance = np.zeros(len(self.nuisance_mean))
        nuisance[1 + list(self.strengths).index(channel)] = -sign
        return self._told(sign * strength * image, nuisance, False, images=1, margin=self.likelihood.margin)

    def _told(
        self,
        difference: Float[np.ndarray, " d"],
        nuisance: Float[np.ndarray, " e"],
        tie: bool,
        images: int,
        margin: float = 0.0,
    ) -> "LinearPosterior":
        push = difference @ self.factor + nuisance @ self.nuisance_factor
        length = float(push @ push)
        if length < 1e-12:
            return self
        variance = length + images * self.image**2
        expected = float(difference @ self.mean_weights + nuisance @ self.nuisance_mean)
        mean, after, probability = self.likelihood.moments(expected + margin, variance, tie)
        without = np.array([float(nuisance @ self.nuisance_mean) + margin])
        tossed = float(np.exp(self.likelihood.log_probability(without, np.array([tie]))[0]))
        meant = self.conviction * probability
        direction = push / np.sqrt(length)
        kept = 1 - np.sqrt(max(1 - length * (variance - after) / variance**2, 1e-12))
        moved = np.sqrt(length) * (mean - margin - expected) / variance
        gain, aside = self.factor @ direction, self.nuisance_factor @ direction
        return replace(
            self,
            mean_weights=self.mean_weights + gain * moved,
            factor=self.factor - np.outer(gain, kept * direction),
            nuisance_mean=self.nuisance_mean + aside * moved,
            nuisance_factor=self.nuisance_factor - np.outer(aside, kept * direction),
            conviction=meant / max(meant + (1 - self.conviction) * tossed, 1e-300),
        )

    def refit(self, votes: Votes) -> "LinearPosterior":
        """The belief from all ``votes`` at once, scales, lapse rate and tie margin by evidence.

        It depends on nothing but the component's settings, the groups, what was known before and the votes: not on this
        belief, nor, where no change of the taste is found, on the votes' order; equal votes give equal bits. Some tens
        of milliseconds for 100 votes. Call it every 5-10 votes or in idle time: the online update depends on order and
        drifts from it.

        Raises:
            BadVote: features of another width or not finite.
        """
        with one_blas_thread():
            return _fitted(self.component, self.groups, self.known, votes)

    def predict(self, left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """P(left | one is chosen), lapses and doubt included, at δ/√(1 + πv/8) (MacKay 1992).

        Swapping gives 1 − P exactly.
        """
        difference = self._seen(left) - self._seen(right)
        variance = ((difference @ self.factor) ** 2).sum(1) + 2 * self.image**2
        return self._chosen(difference @ self.mean_weights, variance, 0.0)

    def foretell(self, left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The same with the pull of the left side."""
        difference = self._seen(left) - self._seen(right)
        variance = ((difference @ self.factor + self.nuisance_factor[0]) ** 2).sum(1) + 2 * self.image**2
        return self._chosen(difference @ self.mean_weights, variance, float(self.nuisance_mean[0]))

    def _chosen(
        self, difference: Float[np.ndarray, " n"], variance: Float[np.ndarray, " n"], side: float
    ) -> Float[np.ndarray, " n"]:
        """P(left | one is chosen), the side alone deciding as far as there is no taste."""
        seen = self.likelihood.prefer((difference + side) / np.sqrt(1 + np.pi * variance / 8))
        without = float(self.likelihood.prefer(np.array([side]))[0]) if side else 0.5
        return without + self.conviction * (seen - without)

    def mean(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Expected utility only: one pass over the pool."""
        features = self._cut(features)
        return features @ self._like(self.mean_weights, features)

    def utility(self, features: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Mean and standard deviation of u, in the features' precision, single at least.

        Cost n·d²: for 10,000 × 150 some 20 ms.
        """
        features = self._cut(features)
        sd = np.empty(len(features), features.dtype)
        factor = self._like(self.factor, features)
        for start in range(0, len(features), 4096):
            sd[start : start + 4096] = np.sqrt(((features[start : start + 4096] @ factor) ** 2).sum(1))
        return features @ self._like(self.mean_weights, features), sd

    def covariance(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
        """Posterior covariance of u between images: the Gram matrix of φA."""
        features = self._cut(features)
        root = features @ self._like(self.factor, features)
        return root @ root.T

    def information(
        self, difference: Float[np.ndarray, " p"], variance: Float[np.ndarray, " p"]
    ) -> Float[np.ndarray, " p"]:
        """By quadrature over left, right and tie with the fitted lapse rate and margin, looked up in a table.

        Sides are a fair coin, so a pull to one of them is averaged over both.
        """
        side = self.side[0]
        if abs(side) < _FEEBLE:
            return information(self.likelihood, difference, variance)
        either = [information(self.likelihood, difference + pull, variance) for pull in (side, -side)]
        return (either[0] + either[1]) / 2

    def draw(
        self, features: Float[np.ndarray, "n d"], count: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "k n"]:
        """``count`` utilities u = φᵀw, w drawn from the posterior: joint over images, one pass over the pool."""
        weights = self.mean_weights[:, None] + self.factor @ rng.standard_normal((self.factor.shape[1], count))
        features = self._cut(features)
        return (features @ self._like(weights, features)).T

    def weights(self) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
        """Mean and standard deviation of every weight: the taste in words, dimension by dimension.

        In logits per unit of the feature; an interval is mean ± 1.96·sd, and one that covers 0 is no claim.
        """
        return self.mean_weights, np.sqrt((self.factor**2).sum(1))

    def group_summary(self) -> list[Mapping[str, str | float]]:
        """Per group in use: ``name``, prior ``scale`` by evidence, ``weight`` = √Σm² and its uncertainty √Σ sd²."""
        mean, sd = self.weights()
        return [
            {
                "name": group.name,
                "scale": float(scale),
                "weight": float(np.linalg.norm(mean[group.start : group.stop])),
                "sd": float(np.linalg.norm(sd[group.start : group.stop])),
            }
            for group, scale in zip(self.used, self.scales, strict=True)
        ]

    def reward(self, extractor: Extractor, reference: Float[Tensor, "n c h w"], caution: float) -> LinearReward:
        """The lower bound mean − caution·sd for alignment; see :class:`LinearReward`.

        Raises:
            NotReady: no vote has said anything yet, so that there is nothing to align to.
            BadConfiguration: an extractor of another width, or a negative caution.
        """
        if extractor.width != self.groups[-1].stop:
            raise BadConfiguration(
                f"the taste is over {self.groups[-1].stop} features; the extractor gives {extractor.width}"
            )
        return LinearReward.standardised(extractor, self.mean_weights, self.factor, reference, caution)

    def state(self) -> dict[str, np.ndarray]:
        """Taste and nuisance with their covariance, group scales, and all else that the evidence decides."""
        return {
            "mean": self.mean_weights,
            "factor": self.factor,
            "nuisance_mean": self.nuisance_mean,
            "nuisance_factor": self.nuisance_factor,
            "scales": self.scales,
            "lapse": np.array(self.likelihood.lapse),
            "margin": np.array(self.likelihood.margin),
            "image": np.array(self.image),
            "strengths": np.array(list(self.strengths.values()), dtype=np.float64),
            "conviction": np.array(self.conviction),
            "retention": np.array(0.5 ** (1 / self.half_life)),
            "change": np.array([] if self.change is None else [self.change.at, self.change.probability]),
        }

    def _seen(self, features: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... k"]:
        """The columns in use, checked, in double precision."""
        return self._cut(checked(features, self.groups[-1].stop))

    def _cut(self, features: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... k"]:
        """The columns in use, without a copy; half precision as single, by torch, which is six times as quick at it."""
        used = features[..., : len(self.mean_weights)]
        return torch.from_numpy(np.array(used)).float().numpy() if used.dtype == np.float16 else used

    def _like(self, array: Float[np.ndarray, "..."], features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "..."]:
        return array.astype(features.dtype, copy=False)


def _fitted(component: Linear, groups: tuple[Group, ...], known: PriorTaste | None, votes: Votes) -> LinearPosterior:
    """With what makes the votes most probable: what was known or nothing, stages of optional groups, a change."""
    observations = observe(votes, groups[-1].stop)
    starts = [known] if known is None or not len(observations) else [known, None]
    problems = [_Problem(component, start, observations, len(votes)) for start in starts]
    fits = [(problem, problem.staged(groups)) for problem in problems]
    problem, fit = max(fits, key=lambda pair: pair[1].followed.plausible)
    posterior = problem.posterior(problem.brought_up_to_date(fit), groups)
    information_table(posterior.likelihood)  # made now, while nobody waits
    return replace(posterior, known=known)


@dataclass(frozen=True)
class _Fit:
    """How far the channels are believed, for some of the groups, and all else that was fitted for them."""

    groups: tuple[Group, ...]
    strengths: Mapping[str, float]
    followed: Followed


@dataclass(frozen=True)
class _Problem:
    """What is to be fitted: the votes, what was known before them, and the priors of everything."""

    component: Linear
    known: PriorTaste | None
    observations: Observations
    votes: int

    @property
    def prior(self) -> HyperPrior:
        component = self.component
        return HyperPrior(
            component.consistency_spread, component.lapse, component.lapse_spread, component.margin,
            component.margin_spread,
        )  # fmt: skip

    def design(
        self, groups: tuple[Group, ...], strengths: Mapping[str, float], observations: Observations | None = None
    ) -> Design:
        component = self.component
        scales = Scales(
            component.scale, component.scale_spread, component.optional_share, component.side, component.side_spread,
            component.threshold, component.image, component.image_spread,
        )  # fmt: skip
        return design(
            self.observations if observations is None else observations, groups, scales, strengths, self.known
        )

    def staged(self, groups: tuple[Group, ...]) -> _Fit:
        """With as many stages of optional groups as make the votes most probable."""
        fit = self.fit(tuple(group for group in groups if not group.optional))
        for stage in sorted({group.optional for group in groups} - {0}) if len(self.observations) else ():
            richer = self.fit(tuple(group for group in groups if group.optional <= stage))
            if richer.followed.plausible > fit.followed.plausible:
                fit = richer
        return fit

    def fit(self, groups: tuple[Group, ...]) -> _Fit:
        """The groups' scales and all other hyperparameters, the taste taken for constant."""
        names = self.observations.names
        believed = at_first(names)
        hyper, plausible = self.prior.fit(self.design(groups, believed))
        if names:
            found = strengths(lambda tried: self.design(groups, tried), hyper, names)
            if found != believed:
                believed = found
                hyper, plausible = self.prior.fit(self.design(groups, believed))
        return _Fit(groups, believed, Followed(self.design(groups, believed), hyper, plausible))

    def brought_up_to_date(self, fit: _Fit) -> _Fit:
        """With the change or the drift that the votes speak for, if any."""
        component = self.component
        drift = Drift(component.half_life, component.half_life_spread, component.drift_odds, component.steady_votes)

        def build(observations: Observations) -> Design:
            return self.design(fit.groups, fit.strengths, observations)

        return replace(fit, followed=drift.follow(fit.followed, self.prior, build, self.votes))

    def posterior(self, fit: _Fit, groups: tuple[Group, ...]) -> LinearPosterior:
        """The belief about the taste as it is now."""
        followed, known = fit.followed, self.known
        design, hyper = followed.design, followed.hyper
        mean, factor = hyper.present(design, followed.course) if followed.course else _laplace(design, hyper)
        nuisance = slice(design.features, design.features + design.nuisance)
        weights, root = mean[: design.features], factor[: design.features]
        if known is not None:
            width = max(design.features, len(known.weights))
            direction = np.zeros(width)
            direction[: len(known.weights)] = known.weights
            weights = np.pad(weights, (0, width - len(weights))) + direction * (known.trust + mean[nuisance.stop])
            root = np.pad(root, ((0, width - len(root)), (0, 0))) + np.outer(direction, factor[nuisance.stop])
        shown_often = design.observations.images.shape[1]
        return LinearPosterior(
            self.component, groups, known, weights, root, mean[nuisance], factor[nuisance],
            hyper.scales[: len(fit.groups)], hyper.likelihood,
            float(hyper.scales[-1] / np.sqrt(shown_often)) if shown_often else 0.0,
            fit.strengths, self._conviction(followed), followed.half_life, followed.change,
        )  # fmt: skip

    def _conviction(self, followed: Followed) -> float:
        """P(there is a taste): the evidence against that of the nuisance alone."""
        something = self.known is not None and bool(self.known.weights.any())
        doubt = min(self.component.doubt, _DOUBT_KNOWN) if something else self.component.doubt
        if not doubt:
            return 1.0
        design, hyper = followed.design, followed.hyper
        bare = replace(hyper, scales=hyper.scales[design.aside])
        tossed = bare.evidence(design.without_taste()).value if len(design.observations) else 0.0
        return float(expit(followed.plausible - tossed - logit(doubt)))


def _laplace(design: Design, hyper: Hyperparameters) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, "c c"]]:
    """Mean and a square root of Σ = S (I + XᵀVX)⁻¹ S with X = DS, at the mode.

    V = (W⁻¹ + τ²EEᵀ)⁻¹ is the information W of the votes without what is particular to the images E in them.
    """
    columns = hyper.columns(design.blocks)
    shown_often = design.observations.images.shape[1]
    own = len(columns) - shown_often
    if not len(design.observations):
        return np.zeros(own), np.diag(columns[:own])
    mode = hyper.mode(design)
    root = np.sqrt(mode.terms.information)[:, None]
    scaled = root * design.columns * columns
    seen, blurred = scaled[:, :own], scaled[:, own:]
    precision = np.eye(own) + seen.T @ seen
    if shown_often:
        inner = np.linalg.inv(np.eye(shown_often) + blurred.T @ blurred)
        precision -= seen.T @ blurred @ inner @ blurred.T @ seen
    # With B = LLᵀ, S L⁻ᵀ is a square root of S B⁻¹ S.
    inverse = np.linalg.inv(np.linalg.cholesky(precision))
    return columns[:own] * mode.omega[:own], columns[:own, None] * inverse.T
