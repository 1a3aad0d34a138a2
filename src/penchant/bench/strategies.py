"""Active against random: what each strategy knows of a hidden taste after so many votes, on the embedded set."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize

from penchant.bench._running import Row
from penchant.core.contracts import FEATURES, PREFERENCE, QUERIES, Candidates, Choice, Group, Progress, Report, Votes
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float
from penchant.voters import load_voter

STRATEGIES = (
    "bald",
    "favourites",
    "d_optimal",
    "disagreement",
    "uncertainty",
    "random",
    "thompson",
    "top_score",
    "eubo",
)
TASTES = ("warm", "symmetric", "high_contrast", "calm", "mixture")
CHECKPOINTS = (20, 40, 60)


@dataclass(frozen=True)
class Strategies:
    """Accuracy on pairs of images nobody voted on, mean over five hidden tastes with the standard error over seeds.

    The peer is logistic regression (ridge penalty 1) on random pairs and the same features, which is what the best
    known product appears to do. Regret is how far the image believed best is below the best, in sd of the taste.
    """

    seeds: int = 10
    pool: int = 3000
    refit_every: int = 5

    def run(self, quick: bool, report: Report) -> list[Row]:
        """A row a strategy and number of votes."""
        seeds = 2 if quick else self.seeds
        pictures = draw_pictures(2 * self.pool, 32, Rng(2026)).images
        images = to_float(pictures)
        extractor = FEATURES.make("descriptors").fit(images[:2000], None, Rng(0))
        with torch.no_grad():
            features = extractor(images).numpy()
        rows: list[Row] = []
        for strategy in STRATEGIES:
            clock = time.monotonic()
            accuracy = np.zeros((seeds, len(TASTES), len(CHECKPOINTS)))
            peer = np.zeros_like(accuracy)
            regret = np.zeros((seeds, len(TASTES)))
            for seed in range(seeds):
                for index, taste in enumerate(TASTES):
                    trial = _Trial(images, features, self.pool, taste, Rng(seed).child(taste))
                    accuracy[seed, index], regret[seed, index] = trial.learn(
                        strategy, extractor.groups, self.refit_every
                    )
                    if strategy == "random":
                        peer[seed, index] = trial.logistic()
                    report(Progress(strategy, (seed * len(TASTES) + index + 1) / (seeds * len(TASTES))))
            seconds = time.monotonic() - clock
            rows += _accuracy_rows(strategy, accuracy, seconds)
            rows.append(Row(f"{strategy}: regret after 60 votes, sd", float(regret.mean()), _error(regret)))
            if strategy == "random":
                rows += _accuracy_rows("random pairs, logistic regression", peer, None)
        return rows


class _Trial:
    """One hidden taste, one seed: 60 noisy votes on the pool, judged on images outside it."""

    def __init__(
        self,
        images: Float[torch.Tensor, "n c h w"],
        features: Float[np.ndarray, "n d"],
        pool: int,
        taste: str,
        rng: Rng,
    ):
        self.images, self.features, self.pool, self.rng = images, features, pool, rng
        self.voter = load_voter(taste, images[pool:])
        hidden = self.voter.utility(images)
        assert hidden is not None, "every taste of the benchmark is known"
        self.hidden = hidden
        self.asked: list[tuple[int, int, Choice]] = []

    def learn(self, name: str, groups: tuple[Group, ...], refit_every: int) -> tuple[list[float], float]:
        prior = PREFERENCE.make("linear").prior(groups)
        posterior, strategy = prior, QUERIES.make(name)
        shown = np.zeros(self.pool, dtype=np.int64)
        accuracies: list[float] = []
        winner: int | None = None
        for number in range(1, CHECKPOINTS[-1] + 1):
            rng = self.rng.child(name, number).numpy()
            candidates = Candidates(self.features[: self.pool], shown, winner)
            left, right = (int(row) for row in strategy.propose(candidates, posterior, 1, rng).pairs[0])
            choice = self.voter.answer(self.images[left], self.images[right], rng)
            shown[[left, right]] += 1
            winner = {Choice.LEFT: left, Choice.RIGHT: right}.get(choice)
            self.asked.append((left, right, choice))
            if number % refit_every == 0:
                posterior = prior.refit(self._votes(number))
            else:
                posterior = posterior.update(*self._pair(left, right), choice)
            if number in CHECKPOINTS:
                first, second = self._test_pairs()
                predicted = posterior.predict(self.features[first], self.features[second]) > 0.5
                accuracies.append(float((predicted == (self.hidden[first] > self.hidden[second])).mean()))
        believed = int(posterior.utility(self.features[: self.pool])[0].argmax())
        return accuracies, float(self.hidden[: self.pool].max() - self.hidden[believed])

    def logistic(self) -> list[float]:
        """Accuracies of plain logistic regression on the votes that were asked."""
        accuracies: list[float] = []
        first, second = self._test_pairs()
        for number in CHECKPOINTS:
            votes = self._votes(number)
            chosen = [i for i, choice in enumerate(votes.choices) if choice in (Choice.LEFT, Choice.RIGHT)]
            differences = (votes.left - votes.right)[chosen]
            signs = np.array([1.0 if votes.choices[i] is Choice.LEFT else -1.0 for i in chosen])
            weights = _ridge_logistic(differences * signs[:, None])
            predicted = (self.features[first] - self.features[second]) @ weights > 0
            accuracies.append(float((predicted == (self.hidden[first] > self.hidden[second])).mean()))
        return accuracies

    def _test_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rng.child("test").numpy().permutation(np.arange(self.pool, len(self.features)))
        half = len(rows) // 2
        return rows[:half], rows[half : 2 * half]

    def _pair(self, left: int, right: int) -> tuple[np.ndarray, np.ndarray]:
        return self.features[left].astype(np.float64), self.features[right].astype(np.float64)

    def _votes(self, count: int) -> Votes:
        left, right, choices = zip(*self.asked[:count], strict=True)
        return Votes(
            self.features[list(left)].astype(np.float64), self.features[list(right)].astype(np.float64), list(choices)
        )


def _ridge_logistic(differences: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = differences @ weights
        slope = -1 / (1 + np.exp(margins))
        return float(np.logaddexp(0, -margins).sum() + weights @ weights / 2), differences.T @ slope + weights

    return minimize(loss, np.zeros(differences.shape[1]), jac=True, method="L-BFGS-B").x


def _accuracy_rows(name: str, accuracy: Float[np.ndarray, "s t c"], seconds: float | None) -> list[Row]:
    return [
        Row(f"{name}: accuracy after {votes} votes", float(part.mean()), _error(part), seconds=seconds)
        for votes, part in zip(CHECKPOINTS, np.moveaxis(accuracy, -1, 0), strict=True)
    ]


def _error(values: Float[np.ndarray, "s t"]) -> float:
    """Standard error over seeds of the mean over tastes."""
    return float(values.mean(axis=1).std(ddof=1) / np.sqrt(len(values)))
