"""The benchmark of taught networks: what it compares, that nothing is peeked at, and that its rows say so."""

import numpy as np
import pytest

from penchant.bench import convolutional as bench
from penchant.bench._taste_sets import PictureSet
from penchant.bench._taste_trial import Task
from penchant.bench.convolutional import Convolutional
from penchant.core.contracts import Budget, Choice, Group
from penchant.core.rng import Rng
from penchant.data import draw_pictures, to_float


@pytest.fixture
def pictures() -> PictureSet:
    images = to_float(draw_pictures(400, 32, Rng(0)).images)
    features = Rng(1).numpy().standard_normal((400, 5)).astype(np.float32)
    groups = (Group("plain", 0, 3), Group("squares", 3, 5, optional=1))
    return PictureSet("embedded", images, features, groups, 200)


def test_sets_keep_optional_groups_last_and_in_stages(pictures: PictureSet):
    taught = np.ones((400, 4))
    sets = bench._sets(pictures, taught, 2 * taught)
    names = ["descriptors", "quadratic"]
    assert set(sets) == {
        *names, *(f"{name} and network" for name in names), *(f"{name} and noise" for name in names),
        "quadratic and early network", "network",
    }  # fmt: skip
    features, groups = sets["quadratic and network"]
    assert [group.optional for group in groups] == [0, 1, 2]
    np.testing.assert_array_equal(features[:, :5], pictures.features)
    np.testing.assert_array_equal(features[:, 5:], taught)
    np.testing.assert_array_equal(sets["quadratic and early network"][0][:, 5:], 2 * taught)
    assert [group.optional for group in sets["descriptors and noise"][1]] == [0, 1]
    assert "quadratic and early network" not in bench._sets(pictures, taught, None)


def test_run_measures_every_learner_and_pairs_the_differences(pictures: PictureSet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench, "picture_set", lambda *_: pictures)
    monkeypatch.setattr(bench, "_LESSONS", Budget(images=64))
    monkeypatch.setattr(bench, "_TEST_PAIRS", 300)
    rows = Convolutional(tastes=("warm",), votes=(6, 12), members=2).run(True, lambda progress: None)
    values = {row.what: row.value for row in rows if row.value is not None}
    assert len(values) == len(rows)
    for learner in ("one network", "ensemble", "descriptors", "quadratic and network", "network"):
        assert values[f"{learner}: accuracy after 12 votes"] == values[f"{learner} · warm: accuracy after 12 votes"]
    gain = values["ensemble: difference to one network in log-loss after 6 votes"]
    assert gain == pytest.approx(
        values["ensemble: log-loss after 6 votes"] - values["one network: log-loss after 6 votes"]
    )
    assert "quadratic and early network: difference to quadratic in accuracy after 12 votes" in values
    assert "quadratic and early network: accuracy after 6 votes" not in values


def test_networks_never_see_the_test_pictures(pictures: PictureSet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench, "_LESSONS", Budget(images=64))
    task = Task.meet(pictures, "warm", 50)
    component = Convolutional(tastes=("warm",), votes=(8,), members=1)
    before = dict(component._trial(task, "warm", 0))
    changed = pictures.images.clone()
    changed[pictures.pool :] = changed[pictures.pool :].flip(0)
    other = Task(
        PictureSet("embedded", changed, pictures.features, pictures.groups, pictures.pool),
        task.voter, task.seen, task.first, task.second,
    )  # fmt: skip
    after = dict(component._trial(other, "warm", 0))
    assert after["descriptors", 8] == before["descriptors", 8]
    assert after["one network", 8] != before["one network", 8]  # judged on what changed
    dark = np.zeros((1, 3, 32, 32), np.uint8)
    model = bench.Model(width=4).fit(dark, dark, [Choice.LEFT], Budget(images=32), Rng(0))
    one, same = (
        bench._columns(model, PictureSet("", images, pictures.features, pictures.groups, 200))[:200]
        for images in (pictures.images, changed)
    )
    np.testing.assert_array_equal(one, same)  # standardised on what did not
