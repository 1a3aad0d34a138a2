"""What every selection strategy does."""

from dataclasses import replace

import numpy as np
import pytest

from penchant.core.contracts import SELECTION, PoolView, Selected
from penchant.core.errors import BadFeatures, NotReady
from penchant.core.family import spec_of

NAMES = SELECTION.names()
FEATURELESS = {"random", "discriminator", "reconstruction", "taste"}
"""These never look at features."""


def pool(count: int = 300, width: int = 5, **changes: object) -> PoolView:
    rng = np.random.default_rng(1)
    given = {
        "features": rng.standard_normal((count, width)).astype(np.float32),
        "errors": rng.random(count),
        "realness": rng.standard_normal(count),
        "utilities": rng.standard_normal(count),
        "labels": rng.integers(-1, 3, count),
    }
    return PoolView(**(given | changes))  # pyright: ignore[reportArgumentType]


def chosen(name: str, view: PoolView, count: int = 40, seed: int = 0) -> Selected:
    return SELECTION.make(name).select(view, count, np.random.default_rng(seed))


def test_family_has_the_strategies_of_the_documents():
    assert {"random", "top_score", "adaptive", "taste", "density", "k_centre", "typicality"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_strategy_chooses_as_many_different_free_rows_as_asked(name: str):
    view = pool(taken=np.arange(50), barred=np.arange(45, 100))
    found = chosen(name, view)
    assert len(found.rows) == len(found.scores) == len(set(found.rows.tolist())) == 40
    assert found.rows.min() >= 100
    assert np.isfinite(found.scores).all()


@pytest.mark.parametrize("name", NAMES)
def test_strategy_chooses_all_free_rows_when_more_are_asked_for(name: str):
    found = chosen(name, pool(60, taken=np.arange(20)), 1000)
    assert sorted(found.rows.tolist()) == list(range(20, 60))


@pytest.mark.parametrize("name", NAMES)
def test_strategy_chooses_the_same_for_the_same_seed(name: str):
    assert chosen(name, pool()).rows.tolist() == chosen(name, pool()).rows.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_strategy_says_so_when_no_row_is_free(name: str):
    with pytest.raises(NotReady, match="20 are taken and 10 rejected"):
        chosen(name, pool(30, taken=np.arange(20), barred=np.arange(20, 30)))


@pytest.mark.parametrize("name", NAMES)
def test_strategy_copes_with_equal_images_and_a_single_one(name: str):
    same = pool(20, features=np.zeros((20, 3), np.float16), labels=np.ones(20, int))
    assert len(set(chosen(name, same, 7).rows.tolist())) == 7
    assert chosen(name, pool(1, labels=np.ones(1, int)), 3).rows.tolist() == [0]


@pytest.mark.parametrize("name", sorted(set(NAMES) - FEATURELESS - {"adaptive"}))
def test_strategy_names_images_whose_features_are_not_finite(name: str):
    features = pool().features.copy()
    features[17, 2] = np.nan
    with pytest.raises(BadFeatures, match="image 17"):
        chosen(name, pool(features=features), 250)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("reconstruction", "errors"),
        ("discriminator", "realness"),
        ("taste", "utilities"),
        ("top_score", "labels"),
        ("mixture(quality='taste')", "utilities"),
        ("mixture(quality='error')", "errors"),
    ],
)
def test_strategy_says_what_it_needs(name: str, missing: str):
    with pytest.raises(NotReady):
        chosen(name, replace(pool(), **{missing: None}))


@pytest.mark.parametrize("name", NAMES)
def test_strategy_is_made_again_from_its_settings(name: str):
    made = SELECTION.make(name)
    assert SELECTION.make(spec_of(made)) == made
