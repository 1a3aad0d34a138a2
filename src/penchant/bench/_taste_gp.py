"""The peer from Bayesian optimisation: BoTorch's PairwiseGP with EUBO. Used where it is installed, never needed."""

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import ndtr

from penchant.bench._taste_learners import Learner
from penchant.core.contracts import Choice
from penchant.core.errors import NotCapable
from penchant.queries.eubo import expected_best

SHORTLIST = 128


class PairwiseGP(Learner):
    """A Gaussian process on the first principal components of the same features, fitted anew for every question.

    Chu & Ghahramani (2005) as in ``botorch.models.pairwise_gp``, with its default kernel and priors; the next pair is
    the best by EUBO (Lin et al. 2022) of all pairs of 128 random images. On all 94 descriptors instead of 16 components
    it knew less (accuracy .61 against .69 after 20 votes, one run) and took longer.

    Raises:
        NotCapable: botorch is not installed.
    """

    def __init__(self, pool: Float[np.ndarray, "n d"], components: int = 16):
        if find_spec("botorch") is None:
            raise NotCapable("needs botorch, which is not installed; pip install 'penchant[parity]'")
        super().__init__(pool)
        self._centre = pool.mean(0, dtype=np.float64)
        _, _, axes = np.linalg.svd(pool - self._centre, full_matrices=False)
        self._axes = axes[:components].T
        low, high = self._project(pool).min(0), self._project(pool).max(0)
        self._low, self._range = low, high - low
        self._model: Any = None
        self._seen = 0

    def ask(self, rng: np.random.Generator) -> tuple[int, int]:
        """The best of all pairs of a random shortlist by EUBO."""
        rows = rng.choice(len(self.pool), min(SHORTLIST, len(self.pool)), replace=False)
        self.catch_up()
        if self._model is None:
            return int(rows[0]), int(rows[1])
        first, second = np.triu_indices(len(rows), 1)
        mean, covariance = self._belief(self.pool[rows])
        own = np.diag(covariance)
        variance = np.maximum(own[first] + own[second] - 2 * covariance[first, second], 0)
        best = int(expected_best(mean[first], mean[second], variance).argmax())
        left, right = rng.permutation([rows[first[best]], rows[second[best]]])
        return int(left), int(right)

    def catch_up(self) -> None:
        """Fit the hyperparameters and the mode to all votes, unless that was done."""
        chosen = [place for place, choice in enumerate(self.choices) if choice in (Choice.LEFT, Choice.RIGHT)]
        if not chosen or self._seen == len(self.choices):
            return
        self._seen = len(self.choices)
        pairs = np.array([[self.left[i], self.right[i]] for i in chosen])
        lost = np.array([self.choices[i] is Choice.RIGHT for i in chosen])
        pairs[lost] = pairs[lost, ::-1]
        rows, places = np.unique(pairs, return_inverse=True)
        self._model = _fitted(self._unit(self.pool[rows]), places.reshape(-1, 2))

    def mean(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The posterior mean, in blocks: BoTorch makes the covariance too."""
        return np.concatenate([self._belief(block)[0] for block in np.split(features, range(500, len(features), 500))])

    def predict(self, left: Float[np.ndarray, "p d"], right: Float[np.ndarray, "p d"]) -> Float[np.ndarray, " p"]:
        """Φ(δ/√(2 + v)): the likelihood is Φ(δ/√2)."""
        images, places = np.unique(np.concatenate([left, right]), axis=0, return_inverse=True)
        first, second = places.reshape(2, -1)
        mean, covariance = self._belief(images)
        own = np.diag(covariance)
        variance = np.maximum(own[first] + own[second] - 2 * covariance[first, second], 0)
        return ndtr((mean[first] - mean[second]) / np.sqrt(2 + variance))

    def _belief(self, features: Float[np.ndarray, "n d"]) -> tuple[np.ndarray, np.ndarray]:
        if self._model is None:
            return np.zeros(len(features)), np.eye(len(features))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            belief = self._model.posterior(torch.from_numpy(self._unit(features)))
            return belief.mean[:, 0].numpy(), belief.distribution.covariance_matrix.numpy()

    def _project(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        return (features - self._centre) @ self._axes

    def _unit(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        return (self._project(features) - self._low) / self._range


def _fitted(points: Float[np.ndarray, "n k"], won: np.ndarray) -> Any:
    models, fit = import_module("botorch.models.pairwise_gp"), import_module("botorch.fit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = models.PairwiseGP(torch.from_numpy(points), torch.from_numpy(won))
        fit.fit_gpytorch_mll(models.PairwiseLaplaceMarginalLogLikelihood(model.likelihood, model))
    return model
