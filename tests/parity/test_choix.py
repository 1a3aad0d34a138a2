"""Bradley-Terry against choix, an independent implementation; a package that only the tests need."""

import choix
import numpy as np
import pytest

from penchant.bench._taste_learners import ridge_logistic
from penchant.core.contracts import Choice, Group, Votes
from penchant.preference.linear import Linear

ITEMS = 8


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


def bare(scale: float, image: float = 1e-9) -> Linear:
    """Bradley-Terry with a normal prior and nothing else, which is all that choix has.

    Left out is what a person's answers may owe something to besides the strengths: slips, the side, changes of mind.
    ``scale`` is the standard deviation of one strength (a group's scale is shared out over its columns), ``image`` of
    what is particular to an item and no feature says.
    """
    return Linear(
        scale=scale * np.sqrt(ITEMS), scale_spread=0, consistency_spread=0, lapse=0, lapse_spread=0, side=0,
        image=image, image_spread=0, half_life=np.inf, steady_votes=np.inf,
    )  # fmt: skip


def fitted(model: Linear, won: list[tuple[int, int]]) -> np.ndarray:
    """Mean weights, the items their own features; the winner is on either side by turns."""
    sides = [pair if turn % 2 else pair[::-1] for turn, pair in enumerate(won)]
    left, right = (np.eye(ITEMS)[list(side)] for side in zip(*sides, strict=True))
    choices = [Choice.LEFT if turn % 2 else Choice.RIGHT for turn in range(len(won))]
    return model.prior([Group("items", 0, ITEMS)]).refit(Votes(left, right, choices)).weights()[0]


@pytest.mark.parametrize("penalty", [0.05, 0.5, 2.0])
def test_mode_on_items_as_features_is_choix_regularised_strengths(won: list[tuple[int, int]], penalty: float):
    # choix adds penalty · Σ w² to the loss: a normal prior of variance 1 / (2 penalty).
    expected = choix.opt_pairwise(ITEMS, won, alpha=penalty, tol=1e-10)
    np.testing.assert_allclose(fitted(bare(np.sqrt(1 / (2 * penalty))), won), expected, atol=1e-5)


def test_what_is_particular_to_items_takes_its_share_of_their_strengths(won: list[tuple[int, int]]):
    # A strength is then w + e, of variance s² + τ²: choix finds the sum, of which the weights get s² / (s² + τ²).
    weight, own = 0.8, 0.6
    total = weight**2 + own**2
    expected = choix.opt_pairwise(ITEMS, won, alpha=1 / (2 * total), tol=1e-10)
    np.testing.assert_allclose(fitted(bare(weight, own), won), weight**2 / total * expected, atol=1e-5)


def test_a_side_that_pulls_takes_what_it_explains_from_the_strengths(won: list[tuple[int, int]]):
    """Why the default model differs from choix: where the left item always wins, the side is the better explanation."""
    left, right = (np.eye(ITEMS)[list(side)] for side in zip(*won, strict=True))
    belief = Linear().prior([Group("items", 0, ITEMS)]).refit(Votes(left, right, [Choice.LEFT] * len(won)))
    assert belief.side[0] > 1
    assert np.abs(belief.weights()[0]).max() < 0.1 * np.abs(choix.opt_pairwise(ITEMS, won, alpha=0.5)).max()


def test_logistic_peer_is_the_same_as_choix(won: list[tuple[int, int]]):
    differences = np.eye(ITEMS)[[a for a, _ in won]] - np.eye(ITEMS)[[b for _, b in won]]
    expected = choix.opt_pairwise(ITEMS, won, alpha=0.5, tol=1e-10)
    np.testing.assert_allclose(ridge_logistic(differences, penalty=1.0), expected, atol=1e-3)


def test_probabilities_are_those_of_choix():
    strengths = np.array([0.3, -0.7])
    assert choix.probabilities([0, 1], strengths)[0] == pytest.approx(1 / (1 + np.exp(-1.0)))
