"""EUBO and the Gaussian process peer against BoTorch; a development-only package."""

import importlib
import warnings
from types import ModuleType

import numpy as np
import pytest
import torch

from penchant.bench._taste_gp import PairwiseGP
from penchant.core.contracts import Choice
from penchant.core.rng import Rng
from penchant.queries.eubo import expected_best

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def preference() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("botorch", reason="needs botorch: pip install 'penchant[parity]'")
        return importlib.import_module("botorch.acquisition.preference")


def test_eubo_of_a_gaussian_process_is_botorchs(preference: ModuleType):
    models = importlib.import_module("botorch.models.pairwise_gp")
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.random((12, 3)))
    comparisons = torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [0, 5], [3, 8]])
    model = models.PairwiseGP(points, comparisons)
    pairs = torch.from_numpy(rng.random((50, 2, 3)))
    with torch.no_grad():
        theirs = preference.AnalyticExpectedUtilityOfBestOption(pref_model=model)(pairs).numpy()
        belief = model.posterior(pairs)
        mean = belief.mean[..., 0].numpy()
        covariance = belief.distribution.covariance_matrix.numpy()
    variance = covariance[:, 0, 0] + covariance[:, 1, 1] - 2 * covariance[:, 0, 1]
    np.testing.assert_allclose(expected_best(mean[:, 0], mean[:, 1], variance), theirs, atol=1e-6)


def test_peer_learns_which_way_one_number_points(preference: ModuleType):
    pool = np.linspace(-1, 1, 40)[:, None] * np.ones(2) + Rng(0).numpy().normal(size=(40, 2)) * 0.05
    learner = PairwiseGP(pool, components=2)
    for number in range(12):
        left, right = learner.ask(Rng(1).child(number).numpy())
        learner.tell(left, right, Choice.LEFT if pool[left, 0] > pool[right, 0] else Choice.RIGHT)
    learner.catch_up()
    assert np.corrcoef(learner.mean(pool), pool[:, 0])[0, 1] > 0.8
    assert learner.predict(pool[-3:-2], pool[2:3])[0] > 0.7
    swapped = learner.predict(pool[2:3], pool[-3:-2])[0]
    assert swapped == pytest.approx(1 - learner.predict(pool[-3:-2], pool[2:3])[0], abs=1e-6)
