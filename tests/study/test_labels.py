"""Labels on single images: what counts, where images are found again, and what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penchant.core.errors import BadVote, StudyDamaged, UnknownName
from penchant.data import ImageSettings
from penchant.store import NewEvent
from penchant.study import Study, StudySettings
from penchant.study.labels import KEEP, REJECT, Labels, content_of, label, next_to_label, unlabel

SETTINGS = StudySettings(source="pictures:120", pool=40, images=ImageSettings(size=28), judge="descriptors")


@pytest.fixture
def untrained(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "untrained", SETTINGS) as study:
        yield study


def test_the_last_label_of_each_voter_counts(untrained: Study):
    untrained.label(3, KEEP, voter="anna")
    untrained.label(3, REJECT, voter="anna")
    label(untrained, 4, KEEP, voter="ben")
    labels = Labels.of(untrained)
    assert labels.real(untrained.images.train) == {3: REJECT, 4: KEEP}
    assert labels.counts == {REJECT: 1, KEEP: 1}
    unlabel(untrained, 3, voter="anna")
    assert Labels.of(untrained).real(untrained.images.train) == {4: KEEP}
    assert Labels.of(untrained, "anna").given == ()


def test_most_voters_decide_and_the_last_word_breaks_a_tie(untrained: Study):
    for voter, said in (("a", "cat"), ("b", "dog"), ("c", "cat")):
        label(untrained, 0, said, voter=voter)
    assert list(Labels.of(untrained).agreed.values()) == ["cat"]
    label(untrained, 0, "dog", voter="d")
    assert list(Labels.of(untrained).agreed.values()) == ["dog"]


def test_labels_survive_a_folder_that_changes(untrained: Study):
    images = untrained.images.train
    label(untrained, 5, KEEP)
    label(untrained, 6, REJECT)
    moved = np.concatenate([images[50:51], images[:6]])  # one before it, and image 6 is gone
    assert Labels.of(untrained).real(moved) == {6: KEEP}
    assert len(Labels.of(untrained)) == 2


def test_generated_images_are_labelled_by_version(study: Study):
    study.label(7, KEEP, version="latest")
    votes = len(study.taste.votes)
    labels = Labels.of(study)
    assert labels.made(1) == {7: KEEP}
    assert labels.real(study.images.train) == {}
    assert labels.given[0].image == content_of(np.asarray(study.pool().images[7]))
    question = study.ask()
    assert study.tell(question.number, "left") == votes + 1  # labels are no votes, and do not stand in their way


def test_the_next_images_are_those_without_a_label(untrained: Study):
    first = next_to_label(untrained, 5)
    for row in first[:3]:
        label(untrained, row, KEEP)
    assert next_to_label(untrained, 2) == first[3:5]
    assert next_to_label(untrained, 5, voter="another") == first
    count = len(untrained.images.train)
    assert len(next_to_label(untrained, 10 * count)) == count - 3


def test_what_cannot_be_labelled_is_refused(untrained: Study, study: Study):
    count = len(untrained.images.train)
    for row in (-1, count):
        with pytest.raises(BadVote, match=f"there are 0 to {count - 1}"):
            label(untrained, row, KEEP)
    for name in ("", "  ", "x" * 101, "a\x00b"):
        with pytest.raises(BadVote, match="a label is a word"):
            label(untrained, 0, name)
    with pytest.raises(BadVote, match="gave no label"):
        unlabel(untrained, 0)
    with pytest.raises(UnknownName):
        label(study, 0, KEEP, version=9)
    assert len(Labels.of(untrained)) == 0


def test_a_label_sent_twice_is_one(untrained: Study):
    first = label(untrained, 1, KEEP, session="s", client_key="k")
    assert label(untrained, 1, KEEP, session="s", client_key="k") == first
    with pytest.raises(BadVote, match="used before"):
        label(untrained, 1, REJECT, session="s", client_key="k")


def test_a_label_that_cannot_be_read_is_told(untrained: Study):
    event = NewEvent("label", "a", "s", payload={"image": "x", "row": 1, "label": KEEP})
    untrained.store.append(replace(event, client_key="k"))
    with pytest.raises(StudyDamaged, match="event 1"):
        Labels.of(untrained)
