"""Labels that are spread over the pool: what is used, what is kept, what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penchant.core.errors import BadConfiguration, NotReady, StudyDamaged
from penchant.data import ImageSettings
from penchant.study import SelectionPlan, Study, StudySettings
from penchant.study.labelling import label_images
from penchant.study.labels import KEEP, REJECT, Labels, label
from penchant.study.propagation import worth_asking
from penchant.study.selecting import chosen_rows
from penchant.study.spreading import (
    known_labels,
    labels_since,
    left_out_rows,
    next_of_kind,
    spread,
    spread_of,
    unspread,
)

SETTINGS = StudySettings(
    source="pictures:150",
    pool=40,
    images=ImageSettings(size=28),
    judge="descriptors",
    generator="gan(widths=(8,), judge_widths=(8,), batch=8)",
    features="descriptors",
    conditions="none",
    train_images=16,
)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", SETTINGS) as made:
        yield made


def bright(study: Study) -> np.ndarray:
    """Which images are brighter than most: what the labels of these tests say."""
    light = np.asarray(study.images.train).mean((1, 2, 3))
    return light > np.median(light)


def labelled(study: Study, rows: range, names: tuple[str, str] = (REJECT, KEEP)) -> np.ndarray:
    truth = bright(study)
    for row in rows:
        label(study, row, names[int(truth[row])])
    return truth


def test_sure_rejects_are_left_out_and_given_labels_have_the_last_word(study: Study):
    truth = labelled(study, range(30))
    found = study.spread(0.8)
    assert found.given == 30
    assert found.checked is not None
    assert found.checked[0] >= 0.8 * found.checked[1]
    out = left_out_rows(study)
    beyond = out[out >= 30]
    assert len(beyond) > 10, "labels reach images that nobody looked at"
    assert (~truth[beyond]).mean() > 0.8
    row = int(beyond[0])
    label(study, row, KEEP)
    assert row not in left_out_rows(study)
    assert labels_since(study) == 1
    unspread(study)
    assert set(left_out_rows(study)) == set(np.flatnonzero(~truth[:30])), "taken back, those given alone count"


def test_no_generator_learns_from_what_is_surely_rejected(study: Study):
    labelled(study, range(30))
    study.spread(0.8)
    out = left_out_rows(study)
    study.train()
    assert len(study.training_images()) == len(study.images.train) - len(out)
    assert study.versions.named("base").figures["rejected"] == len(out)


def test_top_score_finds_a_named_class_by_what_was_spread(study: Study):
    truth = labelled(study, range(24), ("dark", "light"))
    study.spread(0.8)
    known = known_labels(study)
    assert known is not None
    assert known.names == ("dark", "light")
    assert set(known.chances) == {0, 1}
    assert ((known.labels == 1) == truth)[known.labels >= 0].mean() > 0.85
    study.train(selection=SelectionPlan("top_score(label='light')", images=20, rounds=1))
    rows = chosen_rows(study)
    assert rows is not None
    assert truth[rows].mean() > 0.85


def test_what_was_spread_is_there_when_the_study_is_opened_again(study: Study):
    labelled(study, range(20))
    before = study.spread(0.8)
    with Study.beside(study.path) as again:
        found = spread_of(again)
        assert found is not None
        assert (found.names, found.confidence, found.given, found.checked) == (
            before.names, before.confidence, before.given, before.checked,
        )  # fmt: skip
        assert np.array_equal(found.chances, before.chances)
    (study.path / "spread" / "1" / "chances.safetensors").unlink()
    with pytest.raises(StudyDamaged, match="spread by event"):
        left_out_rows(study)
    assert study.versions.damage()


def test_images_that_changed_want_spreading_again(study: Study):
    labelled(study, range(20))
    study.spread(0.8)
    study.images = replace(study.images, train=study.images.train[1:], hash="others")
    assert spread_of(study) is None
    assert len(left_out_rows(study)) < 20, "given labels are found again, what was spread over other images is not used"


def test_what_cannot_be_spread_is_told(study: Study):
    with pytest.raises(NotReady, match="there are: none"):
        study.spread()
    labelled(study, range(2), (REJECT, REJECT))
    with pytest.raises(NotReady, match="reject 2"):
        study.spread()
    with pytest.raises(BadConfiguration, match=r"0\.5 to 1"):
        spread(study, 0.2)
    assert spread_of(study) is None


def test_labels_are_asked_where_they_tell_most_of_what_is_wanted(study: Study):
    assert len(next_of_kind(study, "light", 5)) == 5, "by chance while nothing is known"
    truth = labelled(study, range(20), ("dark", "light"))
    asked = next_of_kind(study, "light", 8, passed=[40])
    assert not {*range(20), 40} & set(asked)
    assert truth[asked[0]], "the likeliest first"
    assert not truth[asked[-1]], "and down to where they end"


def test_worth_asking_goes_down_the_ranking_evenly_and_never_twice():
    chances = np.linspace(1, 0, 1000)
    chances[10:] *= 0.4
    rows = worth_asking(chances, np.arange(5, 1000), 5)
    assert rows.tolist() == [5, 30, 55, 79, 104]
    assert worth_asking(chances, np.arange(3), 10).tolist() == [0, 1, 2]


def test_a_voter_labels_what_is_wanted_in_batches(study: Study):
    done = label_images(study, "warm", 12, wanted=KEEP)
    assert done.given == 12
    assert len(Labels.of(study)) == 12
    with pytest.raises(BadConfiguration, match="one of keep, reject"):
        label_images(study, "warm", 2, wanted="light")
