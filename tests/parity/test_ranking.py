"""Bradley-Terry strengths against choix, which the tests need, and evalica, where it is there."""

import choix
import numpy as np
import pytest

from penchant.metrics import bradley_terry


def won() -> list[tuple[int, int]]:
    rng = np.random.default_rng(0)
    pairs = [rng.choice(6, 2, replace=False) for _ in range(120)]
    return [(int(a), int(b)) if rng.random() < 1 / (1 + np.exp(a - b)) else (int(b), int(a)) for a, b in pairs]


@pytest.mark.parametrize("prior", [0.5, 2.0, 20.0])
def test_strengths_are_those_of_choix(prior: float) -> None:
    expected = choix.opt_pairwise(6, won(), alpha=1 / (2 * prior**2), tol=1e-12)
    found = bradley_terry(6, np.array(won()), [1.0] * len(won()), prior=prior)
    np.testing.assert_allclose(found.scores, expected - expected.mean(), atol=1e-5)


def test_strengths_without_a_prior_are_those_of_evalica() -> None:
    evalica = pytest.importorskip("evalica", reason="needs evalica: pip install 'penchant[parity]'")
    first, second = ([str(item) for item in column] for column in zip(*won(), strict=True))
    scores = evalica.bradley_terry(
        first, second, [evalica.Winner.X] * len(first), tolerance=1e-12, limit=100_000
    ).scores
    expected = np.log([scores[str(item)] for item in range(6)])
    found = bradley_terry(6, np.array(won()), [1.0] * len(won()), prior=1e4)
    np.testing.assert_allclose(found.scores, expected - expected.mean(), atol=1e-3)
