"""Squares and products after the features they are made of."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import Choice, Group, Votes
from penchant.core.errors import BadConfiguration
from penchant.core.pretrained import load_extractor
from penchant.core.rng import Rng
from penchant.features.descriptors import Descriptors
from penchant.features.quadratic import Quadratic
from penchant.preference.linear import Linear


def images(seed: int = 0) -> Tensor:
    return torch.rand(60, 3, 32, 32, generator=Rng(seed).torch()) * torch.linspace(0.2, 1, 60)[:, None, None, None]


def test_quadratic_begins_with_the_features_it_is_made_of():
    base, extractor = Descriptors().fit(images(), None, Rng(0)), Quadratic("descriptors").fit(images(), None, Rng(0))
    assert torch.equal(extractor(images(1))[:, : base.width], base(images(1)))
    assert extractor.groups[: len(base.groups)] == base.groups
    assert all(group.optional and not group.names for group in extractor.groups[len(base.groups) :])


def test_squares_and_products_are_those_of_the_columns():
    extractor = Quadratic("descriptors").fit(images(), None, Rng(0))
    values = extractor(images()).double().numpy()
    base = [group for group in extractor.groups if not group.optional]
    squares = next(group for group in extractor.groups if group.name == f"squares of {base[1].name}")
    column = values[:, base[1].start + 2]
    square = (column - column.mean()) ** 2
    expected = (square - square.mean()) / square.std()
    np.testing.assert_allclose(values[:, squares.start + 2], expected.clip(-4, 4), atol=1e-3)
    first = [np.linalg.svd(centred(values[:, g.start : g.stop]), full_matrices=False)[0][:, 0] for g in base[:2]]
    product = first[0] * first[1]
    found = values[:, extractor.groups[-1].start]
    assert abs(np.corrcoef(product, found)[0, 1]) > 0.99


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(0)


def test_quadratic_is_read_back(tmp_path: Path):
    extractor = Quadratic("descriptors").fit(images(), None, Rng(0))
    extractor.save_pretrained(tmp_path)
    again = load_extractor(tmp_path)
    assert torch.equal(again(images(2)), extractor(images(2)))
    assert again.groups == extractor.groups


def test_quadratic_of_itself_is_refused():
    with pytest.raises(BadConfiguration, match="quadratic features of"):
        Quadratic("quadratic")


def test_a_taste_for_the_middle_is_learned_only_with_squares():
    rng = np.random.default_rng(0)
    column = rng.normal(size=(2, 400, 1))
    features = np.concatenate([column, (column**2 - 1) / np.sqrt(2)], axis=2)
    groups = (Group("light", 0, 1), Group("squares of light", 1, 2, optional=True))
    liking = -(column[..., 0] ** 2)
    choices = [Choice.LEFT if a > b else Choice.RIGHT for a, b in zip(*liking, strict=True)]
    taught, asked = slice(0, 80), slice(80, 400)
    votes = Votes(features[0, taught], features[1, taught], choices[taught])
    belief = Linear().prior(groups).refit(votes)
    plain = Linear().prior(groups[:1]).refit(Votes(votes.left[:, :1], votes.right[:, :1], votes.choices))
    truth = np.array([choice is Choice.LEFT for choice in choices[asked]])
    with_squares = ((belief.predict(features[0, asked], features[1, asked]) > 0.5) == truth).mean()
    without = ((plain.predict(features[0, asked, :1], features[1, asked, :1]) > 0.5) == truth).mean()
    assert belief.used == groups
    assert with_squares > 0.95
    assert without < 0.65
