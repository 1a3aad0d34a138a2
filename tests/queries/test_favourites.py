"""Favourites: a coin between knowing and finding."""

import numpy as np
import pytest
from tests.queries.test_family import belief, pool, unordered

from penchant.core.errors import UnknownName
from penchant.queries.bald import Bald
from penchant.queries.eubo import Eubo
from penchant.queries.favourites import Favourites


def test_one_question_in_three_looks_for_the_best():
    strategy = Favourites()
    found = [strategy.propose(pool(20), belief(), 1, np.random.default_rng(seed)) for seed in range(300)]
    finding = [proposal.strategy == "eubo" for proposal in found]
    assert 75 < sum(finding) < 125  # three standard deviations
    for proposal in found:
        assert proposal.strategy in ("bald", "eubo")
        assert proposal.propensities[0] == pytest.approx(1 / 3 if proposal.strategy == "eubo" else 2 / 3)


def test_the_pairs_are_those_of_the_strategy_named():
    candidates, settings = pool(20), {"freshness": 0.0}
    strategy = Favourites({"name": "bald", **settings}, "eubo(freshness=0.0)", every=2)
    named: set[str | None] = set()
    for seed in range(8):
        found = strategy.propose(candidates, belief(), 2, np.random.default_rng(seed))
        named.add(found.strategy)
        plain = Eubo(freshness=0) if found.strategy == "eubo" else Bald(freshness=0)
        # The pool is smaller than the shortlist, so nothing else is left to chance.
        assert unordered(found) == unordered(plain.propose(candidates, belief(), 2, np.random.default_rng(0)))
    assert named == {"bald", "eubo"}


def test_every_one_always_finds():
    always = Favourites(every=1)
    assert {always.propose(pool(9), belief(), 1, np.random.default_rng(s)).strategy for s in range(9)} == {"eubo"}


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="every must be at least 1"):
        Favourites(every=0)
    with pytest.raises(UnknownName, match="Did you mean 'eubo'"):
        Favourites(finding="eub0")
