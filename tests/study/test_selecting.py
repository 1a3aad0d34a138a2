"""Training on selected images: the loop by its steps, what is kept of it, and what it refuses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penchant.core.errors import BadConfiguration, NotReady, StudyDamaged, StudyExists
from penchant.data import ImageSettings
from penchant.study import SelectionPlan, Study, StudySettings, evaluate, write_report
from penchant.study.selecting import (
    _gain,  # pyright: ignore[reportPrivateUsage]
    asked_for,
    chosen_rows,
    rounds_of,
    told_of,
)

SETTINGS = StudySettings(
    source="pictures:260", train_images=400, pool=40, images=ImageSettings(size=28), judge="descriptors"
)
PLAN = SelectionPlan("adaptive(arms=('k_centre', 'density'))", images=100, rounds=3)


@pytest.fixture
def untrained(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", SETTINGS) as study:
        yield study


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with Study.create(tmp_path_factory.mktemp("selected") / "study", SETTINGS) as study:
        study.train(selection=PLAN)
        yield study


def test_each_round_chooses_new_images_and_is_measured_on_others(selected: Study):
    rounds = rounds_of(selected)
    assert [one.number for one in rounds] == [1, 2, 3]
    assert [len(one.rows) for one in rounds] == [33, 33, 34]
    rows = chosen_rows(selected)
    assert rows is not None
    assert len(np.unique(rows)) == 100
    assert {one.strategy for one in rounds} <= {"k_centre", "density"}
    assert rounds[0].gain is None
    assert None not in [one.gain for one in rounds[1:]]
    for one in rounds:
        assert {"kid", "coverage", "recall"} == one.figures.keys()
        assert one.figures["kid"]["floor"] is not None
    assert "100 of " in told_of(rounds, len(selected.images.train))


def test_later_steps_know_the_selected_images(selected: Study):
    rows = chosen_rows(selected)
    assert rows is not None
    assert np.array_equal(selected.training_images(), selected.images.train[rows])
    assert selected.versions.named("base").figures["selected"] == 100
    page = write_report(selected, evaluate(selected)).read_text()
    assert "Which images it was trained on" in page
    assert told_of(rounds_of(selected), len(selected.images.train)) in page
    assert list((selected.path / "training").glob("selected-*")) == []


def test_a_changed_round_is_found(selected: Study):
    path = selected.path / "selection" / "2" / "rows.safetensors"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:20])
        with pytest.raises(StudyDamaged, match="chosen in round 2"):
            rounds_of(selected)
        assert any("selection/2" in problem for problem in selected.versions.damage())
    finally:
        path.write_bytes(content)


def test_selecting_goes_on_with_the_round_that_was_stopped(untrained: Study, monkeypatch: pytest.MonkeyPatch):
    from penchant.study import selecting

    measured = selecting._measured  # pyright: ignore[reportPrivateUsage]

    def stopped(*arguments: object) -> object:
        if len(rounds_of(untrained)) == 1:
            raise KeyboardInterrupt
        return measured(*arguments)  # pyright: ignore[reportArgumentType]

    plan = SelectionPlan("reconstruction(skip=0)", images=60, rounds=2)
    once = replace(plan, strategy="random")
    with monkeypatch.context() as patch:
        patch.setattr(selecting, "_measured", stopped)
        with pytest.raises(Exception, match="same command again"):
            untrained.train(selection=once)
    first = rounds_of(untrained)
    assert len(first) == 1
    with pytest.raises(BadConfiguration, match="began with --select 'random' --budget 60 --rounds 2"):
        untrained.train(selection=plan)
    untrained.train()  # the plan is in the log
    assert [len(one.rows) for one in rounds_of(untrained)] == [30, 30]
    assert np.array_equal(rounds_of(untrained)[0].rows, first[0].rows)
    with pytest.raises(StudyExists):
        untrained.train(selection=once)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (SelectionPlan("top_score(label=3)", 20, 1), "no image has the label 3"),
        (SelectionPlan("taste", 20, 1), "utility"),
        (SelectionPlan("reconstruction", 20, 1), "reconstruction error"),
    ],
)
def test_what_a_strategy_lacks_is_told_before_anything_is_trained(untrained: Study, plan: SelectionPlan, said: str):
    with pytest.raises(NotReady, match=said):
        untrained.train(selection=plan)
    assert rounds_of(untrained) == []


def test_a_budget_beyond_the_pool_takes_all_of_it_and_says_so(untrained: Study):
    untrained.train(selection=SelectionPlan("random", images=10_000, rounds=1))
    assert len(untrained.training_images()) == len(untrained.images.train)
    told = told_of(rounds_of(untrained), len(untrained.images.train), asked_for(untrained))
    assert "budget of 10,000 is above what there is" in told


@pytest.mark.parametrize(("images", "rounds"), [(0, 1), (3, 4), (5, 0)])
def test_plans_that_cannot_be_are_refused(images: int, rounds: int):
    with pytest.raises(BadConfiguration, match="rounds must be at least 1"):
        SelectionPlan("random", images, rounds)


def test_gain_is_the_share_of_the_distance_to_the_floor():
    def figures(kid: float, coverage: float | None) -> dict[str, dict[str, float | None]]:
        return {"kid": {"value": kid, "floor": 0.1}, "coverage": {"value": coverage, "floor": 0.9}}

    assert _gain(figures(1.1, 0.1), figures(0.6, 0.5)) == pytest.approx(0.5)
    assert _gain(figures(1.1, 0.1), figures(1.6, 0.1)) == pytest.approx(-0.25)
    assert _gain(figures(1.1, None), figures(0.1, 0.5)) == pytest.approx(0.5)
    assert _gain(figures(0.05, 0.95), figures(0.5, 0.2)) == 0  # beyond the floor there is no distance left
