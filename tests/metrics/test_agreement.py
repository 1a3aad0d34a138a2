"""Krippendorff's α against his own example, by hand, and where it is not defined."""

import numpy as np
import pytest

from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.metrics import agreement
from penchant.metrics._agreement import Level

N = np.nan
EXAMPLE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
)
"""Four observers, twelve units: example C of Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011."""


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("interval", 0.849)])
def test_alpha_is_that_of_the_published_example(level: Level, alpha: float):
    found = agreement(EXAMPLE, Rng(0), level)
    assert found.alpha == pytest.approx(alpha, abs=5e-4)
    assert (found.things, found.answers) == (11, 40)
    assert found.low is not None
    assert found.high is not None
    assert found.low < alpha < found.high <= 1


@pytest.mark.parametrize("level", ["nominal", "interval"])
def test_alpha_equals_the_definition_written_out(level: Level):
    """Mean disagreement of all pairs of answers about one thing, over that of all pairs of answers there are."""
    numbers = Rng(1).numpy()
    table = numbers.choice([0.0, 0.5, 1.0], size=(5, 30))
    table[numbers.random(table.shape) < 0.3] = np.nan

    def apart(one: float, other: float) -> float:
        return (one - other) ** 2 if level == "interval" else float(one != other)

    things = [column[~np.isnan(column)] for column in table.T if (~np.isnan(column)).sum() >= 2]
    everything = np.concatenate(things)
    n = len(everything)
    observed = sum(apart(a, b) / (len(own) - 1) for own in things for a in own for b in own) / n
    expected = sum(apart(a, b) for a in everything for b in everything) / (n * (n - 1))
    assert agreement(table, Rng(0), level).alpha == pytest.approx(1 - observed / expected, abs=1e-12)


def test_agreement_in_everything_is_one_and_opposition_is_below_zero():
    first = np.array([0.0, 1, 1, 0, 1, 0])
    assert agreement(np.stack([first, first]), Rng(0)).alpha == 1
    opposed = agreement(np.stack([first, 1 - first]), Rng(0)).alpha
    assert opposed is not None
    assert opposed < -0.5


def test_coins_agree_about_not_at_all():
    coins = Rng(2).numpy().integers(2, size=(3, 400)).astype(float)
    found = agreement(coins, Rng(0))
    assert found.alpha == pytest.approx(0, abs=0.08)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


@pytest.mark.parametrize("table", [np.ones((2, 5)), np.full((2, 5), np.nan), np.zeros((1, 5)), np.zeros((3, 0))])
def test_where_nothing_can_differ_it_is_not_defined(table: np.ndarray):
    assert agreement(table, Rng(0)).alpha is None


def test_what_is_no_table_is_refused():
    with pytest.raises(BadConfiguration, match="people × things"):
        agreement(np.zeros(3), Rng(0))
    with pytest.raises(BadConfiguration, match="people × things"):
        agreement(np.full((2, 2), np.inf), Rng(0))
