"""Sorting real images one after the other: the order, what is left, undo, names that outlive a folder that changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from penchant.core.errors import BadVote
from penchant.data import ImageSettings
from penchant.study import Sender, Sorted, Sorting, Study, StudySettings
from penchant.study.labels import KEEP, REJECT, Labels, next_to_label, rejected_rows

SETTINGS = StudySettings(source="pictures:80", images=ImageSettings(size=28), judge="descriptors", conditions="none")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", SETTINGS) as made:
        yield made


@pytest.fixture
def sorting(study: Study) -> Sorting:
    return Sorting(study, Sender("anna", "her tab"))


def test_images_come_once_each_in_the_order_of_the_command_line(study: Study, sorting: Sorting) -> None:
    first = sorting.next(5)
    assert [sorting.row_of(one) for one in first] == list(next_to_label(study, 5, voter="anna"))
    sorting.label(first[1], REJECT, "key-0001")
    assert sorting.next(4) == [first[0], first[2], first[3], first[4]]
    every = sorting.next(1000)
    assert len(every) == len(set(every)) == len(study.images.train) - 1


def test_what_was_put_off_comes_at_the_end(study: Study, sorting: Sorting) -> None:
    first, second, third = sorting.next(3)
    assert sorting.next(1, after=first) == [second]
    last = sorting.next(1000, after=second)
    assert (last[0], last[-2:]) == (third, [first, second])


def test_the_last_word_counts_and_undo_takes_it_back_once(study: Study, sorting: Sorting) -> None:
    first, second = sorting.next(2)
    count = len(study.images.train)
    sorting.label(first, KEEP, "key-0001")
    sorting.label(second, REJECT, "key-0002")
    assert sorting.label(second, REJECT, "key-0002").replayed
    sorting.label(first, REJECT, "key-0003")
    assert sorting.standing == Sorted(0, 2, 0, count - 2)
    assert sorting.listed(REJECT) == [first, second]
    assert sorting.undo("key-0004") == first
    assert sorting.undo("key-0004") == first
    assert sorting.standing == Sorted(0, 1, 0, count - 1)
    assert sorting.undo("key-0005") == second
    assert sorting.undo("key-0006") is None
    assert len(rejected_rows(study)) == 0


def test_labels_of_others_are_theirs_and_training_hears_them_all(study: Study, sorting: Sorting) -> None:
    image = sorting.next(1)[0]
    study.label(sorting.row_of(image), REJECT, voter="ben")
    assert sorting.next(1) == [image]
    study.label(sorting.row_of(image), "flower", voter="anna")
    assert (sorting.standing.others, sorting.standing.rejected) == (1, 0)
    sorting.label(image, REJECT, "key-0001")
    assert list(rejected_rows(study)) == [sorting.row_of(image)]
    assert Sorting(study, Sender("anna", "another tab")).listed(REJECT) == [image]


def test_what_names_no_image_or_reuses_a_key_is_refused(study: Study, sorting: Sorting) -> None:
    first, second = sorting.next(2)
    moved = f"{sorting.row_of(second)}-{first.partition('-')[2]}"
    for name in (moved, "100000-" + "0" * 32, "x", ""):
        with pytest.raises(BadVote, match="there is no image"):
            sorting.label(name, KEEP, "key-0001")
    sorting.label(first, KEEP, "key-0001")
    with pytest.raises(BadVote, match="was used before"):
        sorting.label(second, KEEP, "key-0001")
    with pytest.raises(BadVote, match="was used before"):
        sorting.undo("key-0001")
    assert len(Labels.of(study)) == 1
