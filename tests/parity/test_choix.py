"""Bradley-Terry against choix, an independent implementation; a development-only package."""

from typing import Any

import numpy as np
import pytest

from penchant.bench._taste_learners import ridge_logistic
from penchant.core.contracts import Choice, Group, Votes
from penchant.preference.linear import Linear

ITEMS = 8


@pytest.fixture(scope="module")
def choix() -> Any:
    return pytest.importorskip("choix", reason="needs choix: pip install 'penchant[parity]'")


@pytest.fixture(scope="module")
def won() -> list[tuple[int, int]]:
    """80 comparisons, winner first."""
    rng = np.random.default_rng(0)
    strength = rng.normal(size=ITEMS)
    pairs = [rng.choice(ITEMS, 2, replace=False) for _ in range(80)]
    chances = [1 / (1 + np.exp(strength[b] - strength[a])) for a, b in pairs]
    return [
        (int(a), int(b)) if rng.random() < p else (int(b), int(a)) for (a, b), p in zip(pairs, chances, strict=True)
    ]


@pytest.mark.parametrize("penalty", [0.05, 0.5, 2.0])
def test_mode_on_items_as_features_is_choix_regularised_strengths(
    choix: Any, won: list[tuple[int, int]], penalty: float
):
    # choix adds penalty · Σ w², a normal prior of variance 1 / (2 penalty); a group's scale is shared over its columns.
    scale = float(np.sqrt(ITEMS / (2 * penalty)))
    model = Linear(scale=scale, scale_spread=0, consistency_spread=0, lapse=0, lapse_spread=0)
    winners, losers = (np.eye(ITEMS)[list(side)] for side in zip(*won, strict=True))
    posterior = model.prior([Group("items", 0, ITEMS)]).refit(Votes(winners, losers, [Choice.LEFT] * len(won)))
    expected = choix.opt_pairwise(ITEMS, won, alpha=penalty, tol=1e-10)
    np.testing.assert_allclose(posterior.mean_weights, expected, atol=1e-4)


def test_logistic_peer_is_the_same_as_choix(choix: Any, won: list[tuple[int, int]]):
    differences = np.eye(ITEMS)[[a for a, _ in won]] - np.eye(ITEMS)[[b for _, b in won]]
    expected = choix.opt_pairwise(ITEMS, won, alpha=0.5, tol=1e-10)
    np.testing.assert_allclose(ridge_logistic(differences, penalty=1.0), expected, atol=1e-3)


def test_probabilities_are_those_of_choix(choix: Any):
    strengths = np.array([0.3, -0.7])
    assert choix.probabilities([0, 1], strengths)[0] == pytest.approx(1 / (1 + np.exp(-1.0)))
