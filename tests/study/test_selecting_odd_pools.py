"""Selecting where the pool or its labels are odd: empty classes, all kept, most rejected, a pool that changes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penchant.core.errors import BadConfiguration, NotReady
from penchant.core.rng import Rng
from penchant.data import ImageSettings
from penchant.data.pictures import draw_pictures
from penchant.study import SelectionPlan, Study, StudySettings
from penchant.study.labels import KEEP, REJECT, label
from penchant.study.selecting import asked_for, chosen_rows, rounds_of, told_of

SETTINGS = StudySettings(
    source="pictures:120",
    pool=30,
    images=ImageSettings(size=28),
    judge="descriptors",
    features="descriptors",
    generator="gan(widths=(8,), judge_widths=(8,), batch=8)",
    conditions="none",
    train_images=16,
)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", SETTINGS) as made:
        yield made


def test_a_class_that_no_image_has_is_told_with_those_there_are(study: Study):
    label(study, 0, "cat")
    label(study, 1, "dog")
    with pytest.raises(NotReady, match="no image has the label bird; there are: cat, dog"):
        study.train(selection=SelectionPlan("top_score(label='bird')", 20, 1))
    assert not study.versions.all()
    assert rounds_of(study) == []


def test_all_kept_leaves_every_image_to_choose_from(study: Study):
    for row in range(len(study.images.train)):
        label(study, row, KEEP)
    with pytest.raises(NotReady, match="two kinds"):
        study.spread()
    study.train(selection=SelectionPlan("top_score", 20, 1))
    assert len(study.training_images()) == 20


def test_where_most_are_rejected_the_rest_is_all_that_is_chosen_and_that_is_told(study: Study):
    count = len(study.images.train)
    for row in range(20, count):
        label(study, row, REJECT)
    study.train(selection=SelectionPlan("random", 40, 1))
    rows = chosen_rows(study)
    assert rows is not None
    assert rows.tolist() == list(range(20))
    assert "budget of 40 is above" in told_of(rounds_of(study), count, asked_for(study))


def test_images_rejected_while_it_runs_are_not_chosen_in_later_rounds(study: Study, monkeypatch: pytest.MonkeyPatch):
    from penchant.study import selecting

    measured = selecting._measured  # pyright: ignore[reportPrivateUsage]

    def stopped(*arguments: object) -> object:
        if len(rounds_of(study)) == 1:
            raise KeyboardInterrupt
        return measured(*arguments)  # pyright: ignore[reportArgumentType]

    plan = SelectionPlan("random", images=40, rounds=2)
    with monkeypatch.context() as patch:
        patch.setattr(selecting, "_measured", stopped)
        with pytest.raises(Exception, match="same command again"):
            study.train(selection=plan)
    taken = set(rounds_of(study)[0].rows.tolist())
    gone = [row for row in range(len(study.images.train)) if row not in taken][:50]
    for row in gone:
        label(study, row, REJECT)
    study.train(selection=plan)
    assert len(rounds_of(study)) == 2
    assert not set(rounds_of(study)[1].rows.tolist()) & set(gone)


def test_a_folder_that_changes_between_rounds_is_told_and_what_was_done_is_kept(tmp_path: Path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(draw_pictures(80, 28, Rng(0)).images):
        Image.fromarray(np.moveaxis(image, 0, -1)).save(folder / f"{number}.png")
    path, plan = tmp_path / "study", SelectionPlan("random", images=40, rounds=2)
    from penchant.study import selecting

    with pytest.MonkeyPatch.context() as patch, Study.create(path, replace(SETTINGS, source=str(folder))) as study:
        measured = selecting._measured  # pyright: ignore[reportPrivateUsage]

        def stopped(*arguments: object) -> object:
            if len(rounds_of(study)) == 1:
                raise KeyboardInterrupt
            return measured(*arguments)  # pyright: ignore[reportArgumentType]

        patch.setattr(selecting, "_measured", stopped)
        with pytest.raises(Exception, match="same command again"):
            study.train(selection=plan)
    kept = (folder / "3.png").read_bytes()
    (folder / "3.png").unlink()
    with Study.open(path) as study, pytest.raises(BadConfiguration, match="changed after round 1"):
        study.train(selection=plan)
    (folder / "3.png").write_bytes(kept)
    with Study.open(path) as study:
        study.train(selection=plan)
        assert [len(one.rows) for one in rounds_of(study)] == [20, 20]
