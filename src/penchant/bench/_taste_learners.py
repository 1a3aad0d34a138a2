"""Who learns: our preference models with each strategy, and plain peers on the same features."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import expit

from penchant.core.contracts import (
    PREFERENCE,
    QUERIES,
    Asked,
    Candidates,
    Choice,
    Group,
    Posterior,
    PriorTaste,
    Skippability,
    Votes,
)
from penchant.preference import skippability

LOGISTIC, COMMITTEE, PAIRWISE_GP = "random + logistic", "committee", "PairwiseGP + EUBO"
PEERS = (LOGISTIC, COMMITTEE, PAIRWISE_GP)
"""Random pairs with logistic regression is what the best known product appears to do."""

RANDOM = "random"


class Learner(ABC):
    """What one trial knows; ``pool`` are the features of the images that may be asked about.

    A ``lazy`` one asks whatever it knows, and so learns only when it is looked at.
    """

    lazy: bool = True

    def __init__(self, pool: Float[np.ndarray, "n d"]):
        self.pool = pool
        self.shown: Int[np.ndarray, " n"] = np.zeros(len(pool), dtype=np.int64)
        self.left: list[int] = []
        self.right: list[int] = []
        self.choices: list[Choice] = []

    @abstractmethod
    def ask(self, rng: np.random.Generator) -> tuple[int, int]:
        """Two rows of the pool."""

    def tell(self, left: int, right: int, choice: Choice) -> None:
        """Take an answer in."""
        self.shown[[left, right]] += 1
        self.left.append(left)
        self.right.append(right)
        self.choices.append(choice)

    @abstractmethod
    def catch_up(self) -> None:
        """Make what follows rest on all votes told."""

    @abstractmethod
    def mean(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Believed utilities."""

    @abstractmethod
    def predict(self, left: Float[np.ndarray, "p d"], right: Float[np.ndarray, "p d"]) -> Float[np.ndarray, " p"]:
        """P(left | one of the two is chosen)."""

    def votes(self) -> Votes:
        """Everything told so far."""
        return Votes(self.pool[self.left].astype(np.float64), self.pool[self.right].astype(np.float64), self.choices)


class ModelLearner(Learner):
    """A preference model and a strategy of ours, refitted every so many votes and updated in between.

    Where pairs are random the model changes nothing about them and is fitted only when it is looked at. A share of the
    questions can be audits, as in a study: uniformly random pairs that strategies may learn from.
    """

    def __init__(
        self,
        pool: Float[np.ndarray, "n d"],
        groups: Sequence[Group],
        preference: str,
        strategy: str,
        refit_every: int,
        known: PriorTaste | None = None,
        audit_share: float = 0.0,
    ):
        super().__init__(pool)
        self.strategy, self.name = QUERIES.make(strategy), strategy
        self.lazy = strategy == RANDOM
        self.refit_every, self.audit_share = refit_every, audit_share
        self.prior: Posterior = PREFERENCE.make(preference).prior(groups, known)
        self.posterior = self.prior
        self.history: list[Asked] = []
        self._winner: int | None = None
        self._skips: Skippability | None = None
        self._chosen_by = Asked(strategy, False, None)
        self._seen = 0

    def ask(self, rng: np.random.Generator) -> tuple[int, int]:
        """The strategy's pair, or now and then a random one."""
        candidates = Candidates(self.pool, self.shown, self._winner, self.history, self._skips)
        audit = self.audit_share > 0 and rng.random() < self.audit_share
        strategy = QUERIES.make(RANDOM) if audit else self.strategy
        proposal = strategy.propose(candidates, self.posterior, 1, rng)
        self._chosen_by = Asked(RANDOM if audit else proposal.strategy or self.name, audit, None)
        left, right = proposal.pairs[0]
        return int(left), int(right)

    def tell(self, left: int, right: int, choice: Choice) -> None:
        """Take an answer in."""
        super().tell(left, right, choice)
        self._winner = {Choice.LEFT: left, Choice.RIGHT: right}.get(choice)
        if self.lazy:
            return
        features = self.pool[[left, right]].astype(np.float64)
        if self._winner is not None:
            chance = float(self.posterior.foretell(features[:1], features[1:])[0])
            given = chance if choice is Choice.LEFT else 1 - chance
            self.history.append(replace(self._chosen_by, surprise=float(-np.log(max(given, 1e-12)))))
        else:
            self.history.append(self._chosen_by)
        if len(self.choices) % self.refit_every == 0:
            self.catch_up()
        else:
            self.posterior = self.posterior.update(features[0], features[1], choice)

    def catch_up(self) -> None:
        """Refit, unless that was done."""
        if self._seen == len(self.choices):
            return
        self._seen = len(self.choices)
        votes = self.votes()
        self.posterior = self.prior.refit(votes)
        if not self.lazy and Choice.SKIP in self.choices:
            self._skips = skippability(votes, self.posterior)

    def mean(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The posterior mean."""
        return self.posterior.mean(features)

    def predict(self, left: Float[np.ndarray, "p d"], right: Float[np.ndarray, "p d"]) -> Float[np.ndarray, " p"]:
        """The posterior's prediction."""
        return self.posterior.foretell(left, right)


class Logistic(Learner):
    """Random pairs and logistic regression with ridge penalty 1; ties and skips are left out."""

    def __init__(self, pool: Float[np.ndarray, "n d"]):
        super().__init__(pool)
        self.weights = np.zeros(pool.shape[1])

    def ask(self, rng: np.random.Generator) -> tuple[int, int]:
        """Two random rows."""
        left, right = rng.choice(len(self.pool), 2, replace=False)
        return int(left), int(right)

    def catch_up(self) -> None:
        """Fit to all votes."""
        self.weights = ridge_logistic(won(self.votes()))

    def mean(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The weighted sum."""
        return features @ self.weights

    def predict(self, left: Float[np.ndarray, "p d"], right: Float[np.ndarray, "p d"]) -> Float[np.ndarray, " p"]:
        """σ of the difference."""
        return expit((left - right) @ self.weights)


class Committee(Learner):
    """Five logistic regressions on resampled votes; asks about the pair on which they disagree most.

    Disagreement is the variance of their probabilities over all pairs of 128 random images of the pool; the prediction
    is the mean of the probabilities.
    """

    lazy = False
    members, shortlist = 5, 128

    def __init__(self, pool: Float[np.ndarray, "n d"], refit_every: int):
        super().__init__(pool)
        self.refit_every = refit_every
        self.weights = np.zeros((self.members, pool.shape[1]))

    def ask(self, rng: np.random.Generator) -> tuple[int, int]:
        """The pair on which the members disagree most."""
        rows = rng.choice(len(self.pool), min(self.shortlist, len(self.pool)), replace=False)
        if not self.weights.any():
            return int(rows[0]), int(rows[1])
        first, second = np.triu_indices(len(rows), 1)
        utilities = self.pool[rows] @ self.weights.T
        best = int(expit(utilities[first] - utilities[second]).var(axis=1).argmax())
        left, right = rng.permutation([rows[first[best]], rows[second[best]]])
        return int(left), int(right)

    def tell(self, left: int, right: int, choice: Choice) -> None:
        """Take an answer in."""
        super().tell(left, right, choice)
        if len(self.choices) % self.refit_every == 0:
            self.catch_up()

    def catch_up(self) -> None:
        """Fit every member to its own sample of the votes."""
        differences = won(self.votes())
        if not len(differences):
            return
        rng = np.random.default_rng(len(differences))
        samples = rng.integers(len(differences), size=(self.members, len(differences)))
        self.weights = np.stack([ridge_logistic(differences[sample]) for sample in samples])

    def mean(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """By the mean of the weights."""
        return features @ self.weights.mean(0)

    def predict(self, left: Float[np.ndarray, "p d"], right: Float[np.ndarray, "p d"]) -> Float[np.ndarray, " p"]:
        """The mean of the members' probabilities."""
        return expit((left - right) @ self.weights.T).mean(axis=1)


def won(votes: Votes) -> Float[np.ndarray, "t d"]:
    """Winner minus loser of the votes that chose one."""
    signs = np.array([{Choice.LEFT: 1.0, Choice.RIGHT: -1.0}.get(choice, 0.0) for choice in votes.choices])
    differences = (votes.left - votes.right) * signs[:, None]
    return differences[signs != 0]


def ridge_logistic(differences: Float[np.ndarray, "t d"], penalty: float = 1.0) -> Float[np.ndarray, " d"]:
    """Weights w with the least Σ log(1 + e^{−dᵀw}) + penalty·|w|²/2."""

    def loss(weights: Float[np.ndarray, " d"]) -> tuple[float, Float[np.ndarray, " d"]]:
        margins = differences @ weights
        pull = differences.T @ expit(-margins)
        return float(np.logaddexp(0, -margins).sum() + penalty * weights @ weights / 2), penalty * weights - pull

    return minimize(loss, np.zeros(differences.shape[1]), jac=True, method="L-BFGS-B").x
