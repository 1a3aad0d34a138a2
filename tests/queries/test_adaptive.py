"""Adaptive: which arm asks follows from the answered pairs alone."""

from dataclasses import replace

import numpy as np
import pytest
from tests.queries.test_family import belief, pool, propose

from penchant.core.contracts import Asked, Candidates
from penchant.core.errors import UnknownName
from penchant.core.exp3 import Exp3
from penchant.queries._exp3 import replay
from penchant.queries.adaptive import Adaptive
from penchant.queries.random import Random


def asked(candidates: Candidates, strategy: Adaptive | None = None, seeds: int = 200) -> list[str | None]:
    strategy = strategy or Adaptive()
    return [strategy.propose(candidates, belief(), 1, np.random.default_rng(seed)).strategy for seed in range(seeds)]


def after(*turns: tuple[str, float]) -> Candidates:
    """A pool after turns of one arm each, with the surprise of the audit that ended them."""
    history = [
        entry
        for arm, surprise in turns
        for entry in (Asked(arm, False, 0.1), Asked(arm, False, None), Asked("random", True, surprise))
    ]
    return replace(pool(12), history=tuple(history))


def test_without_audits_all_arms_are_as_likely():
    skips = tuple(Asked("bald", True, None) for _ in range(30))
    for history in ((), skips):
        names = asked(replace(pool(12), history=history))
        for arm in ("bald", "d_optimal", "random"):
            assert 45 < names.count(arm) < 90


def test_the_arm_that_made_the_audit_better_asks_more_often():
    turns = [("bald", 0.6 - 0.1 * (number % 2)) if number % 2 else ("random", 0.9) for number in range(30)]
    names = asked(after(*turns))
    assert names.count("bald") > 2 * names.count("random")


def test_an_arm_keeps_its_turn_and_its_chance():
    candidates = after(("bald", 0.3), ("random", 0.8))
    chances = Exp3(0.2, 0.2, 0.95).probabilities(
        replay(Exp3(0.2, 0.2, 0.95), candidates.history, ["bald", "d_optimal", "random"])[0]
    )
    going_on = replace(candidates, history=(*candidates.history, Asked("random", False, 0.2)))
    assert set(asked(going_on, seeds=10)) == {"random"}
    found = Adaptive().propose(going_on, belief(), 2, np.random.default_rng(0))
    own = Random().propose(going_on, belief(), 2, np.random.default_rng(0)).propensities
    np.testing.assert_allclose(found.propensities, chances[2] * own)


def test_the_arm_is_named_as_history_names_it():
    strategy = Adaptive(arms=("bald(shortlist=16)", "favourites"))
    assert set(asked(pool(12), strategy, 40)) == {"bald", "favourites"}
    going_on = replace(pool(12), history=(Asked("favourites", False, 0.2),))
    assert set(asked(going_on, strategy, 10)) == {"favourites"}


def test_equal_history_gives_equal_questions():
    candidates = after(("bald", 0.3), ("random", 0.8), ("d_optimal", 0.7))
    for seed in range(5):
        one, other = propose("adaptive", candidates, 2, seed), propose("adaptive", candidates, 2, seed)
        assert one.strategy == other.strategy
        np.testing.assert_array_equal(one.pairs, other.pairs)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"arms": ("bald",)}, "at least two strategies"),
        ({"arms": ("bald", "bald(shortlist=9)")}, "different names"),
        ({"exploration": 0.0}, "above 0"),
        ({"discount": 1.5}, "at most 1"),
        ({"rate": -1.0}, "not negative"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, tuple[str, ...]], told: str):
    with pytest.raises(ValueError, match=told):
        Adaptive(**settings)  # pyright: ignore[reportArgumentType]


def test_an_unknown_arm_is_told():
    with pytest.raises(UnknownName, match="Did you mean 'bald'"):
        Adaptive(arms=("bald", "blad"))
