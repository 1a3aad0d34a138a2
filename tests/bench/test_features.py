"""The benchmark of features: which sets it compares, and that it learns."""

import numpy as np
import pytest

from penchant.bench import features as bench
from penchant.bench.features import PARTS, WITH_NOISE
from penchant.core.contracts import Group
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float


def test_every_part_is_tried_alone_and_left_out_once():
    sets = bench._sets()
    for part in PARTS:
        assert sets[part] == (part,)
        assert set(sets[f"all but {part}"]) == set(PARTS) - {part}
    assert sets[WITH_NOISE] == (*sets["all"], "noise")


def test_parts_side_by_side_keep_their_groups():
    first = ("a", (Group("a/x", 0, 2), Group("a/y", 2, 3)), np.ones((5, 3)))
    second = ("b", (Group("b/z", 0, 4),), np.zeros((5, 4)))
    groups, values = bench._side_by_side([first, second])
    assert [(group.name, group.start, group.stop) for group in groups] == [("a/x", 0, 2), ("a/y", 2, 3), ("b/z", 3, 7)]
    assert values.sum(0).tolist() == [5, 5, 5, 0, 0, 0, 0]


def test_what_is_learned_grows_with_votes_and_depends_on_the_seed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench, "CHECKPOINTS", (2, 40))
    images = to_float(draw_pictures(600, 32, Rng(0)).images)
    taste = bench._HiddenTaste(images, 300, "colourful")
    features = np.stack([taste.hidden, *Rng(1).numpy().standard_normal((3, 600))], axis=1)
    groups = (Group("told", 0, 1), Group("noise", 1, 4))
    early, late = taste.learn(features, groups, 5, Rng(2))
    assert late > max(0.9, early)
    assert taste.learn(features, groups, 5, Rng(2)) == [early, late]
    assert taste.learn(features, groups, 5, Rng(3)) != [early, late]
