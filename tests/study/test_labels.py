"""Labels on single images: what counts, where images are found again, and what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penchant.core.contracts import Annotations
from penchant.core.errors import BadConfiguration, BadVote, NotReady, StudyDamaged, UnknownName, VoterFailed
from penchant.data import ImageSettings
from penchant.store import NewEvent
from penchant.study import SelectionPlan, Study, StudySettings
from penchant.study.labelling import label_images
from penchant.study.labels import (
    KEEP,
    REJECT,
    Labels,
    content_of,
    label,
    next_to_label,
    rejected_rows,
    unlabel,
)
from penchant.study.selecting import chosen_rows
from penchant.study.spreading import known_labels

SETTINGS = StudySettings(
    source="pictures:120",
    pool=40,
    images=ImageSettings(size=28),
    judge="descriptors",
    generator="gan(widths=(8,), judge_widths=(8,), batch=8)",
    features="descriptors",
    conditions="none",
)


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


def test_a_simulated_voter_keeps_what_it_likes(untrained: Study):
    done = label_images(untrained, "warm(lapse=0, consistency=50)", 40)
    assert (done.given, done.skipped, done.left) == (40, 0, len(untrained.images.train) - 40)
    images = untrained.images.train
    warmth = {row: float(images[row][0].mean()) - float(images[row][2].mean()) for row in range(len(images))}
    labels = Labels.of(untrained).real(images)
    kept = [warmth[row] for row, name in labels.items() if name == KEEP]
    rejected = [warmth[row] for row, name in labels.items() if name == REJECT]
    assert len(kept) > 5
    assert len(rejected) > 5
    assert np.mean(kept) > np.mean(rejected) + 20
    again = label_images(untrained, "warm(lapse=0, consistency=50)", 10_000)
    assert again.left == 0


def test_a_function_names_classes(untrained: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "namer.py").write_text(
        "def name(picture):\n"
        "    grey = picture.convert('L').resize((1, 1)).getpixel((0, 0))\n"
        "    return 'skip' if 120 < grey < 125 else 'Dark' if grey < 128 else 'light'\n"
        "def odd(picture):\n    return 'neither'\n"
    )
    monkeypatch.chdir(tmp_path)
    done = label_images(untrained, "namer:name", 30, ("dark", "light"))
    assert done.given + done.skipped == 30
    assert set(Labels.of(untrained).counts) == {"dark", "light"}
    with pytest.raises(VoterFailed, match="answered 'neither'; to label, it takes one PIL image"):
        label_images(untrained, "namer:odd", 3, ("dark", "light"))
    with pytest.raises(BadConfiguration, match="keep from reject only"):
        label_images(untrained, "warm", 3, ("dark", "light"))
    with pytest.raises(BadConfiguration, match="two different labels"):
        label_images(untrained, "warm", 3, (KEEP,))


def test_no_generator_learns_from_rejected_images(untrained: Study):
    count = len(untrained.images.train)
    for row in range(count):
        label(untrained, row, REJECT if row >= 30 else KEEP)
    assert list(rejected_rows(untrained)) == list(range(30, count))
    untrained.train(1, selection=SelectionPlan("random", images=1000, rounds=1))
    rows = chosen_rows(untrained)
    assert rows is not None
    assert list(rows) == list(range(30))  # a budget above what is left takes what is left
    assert untrained.versions.named("base").figures["rejected"] == count - 30
    label(untrained, 3, REJECT)
    assert len(untrained.training_images()) == 29
    for row in range(30):
        label(untrained, row, REJECT)
    with pytest.raises(NotReady, match="are rejected"):
        untrained.training_images()


def test_all_rejected_and_all_kept_are_told_apart(untrained: Study):
    count = len(untrained.images.train)
    for row in range(count):
        label(untrained, row, KEEP)
    assert len(rejected_rows(untrained)) == 0
    known = known_labels(untrained)
    assert known is not None
    assert known.names == (REJECT, KEEP)
    assert known.labels.min() == 1
    for row in range(count):
        label(untrained, row, REJECT)
    with pytest.raises(NotReady, match=f"all {count} images"):
        untrained.train(1)
    assert not untrained.versions.all()
    with pytest.raises(NotReady, match=f"all {count} images"):
        untrained.train(1, selection=SelectionPlan("random", images=20, rounds=1))
    label(untrained, 0, KEEP)
    assert len(rejected_rows(untrained)) == count - 1


def test_weights_leave_rejected_images_out(untrained: Study, monkeypatch: pytest.MonkeyPatch):
    from penchant.generators.gan import GAN

    class Seen(Exception):
        pass

    def fit(self: GAN, images: object, budget: object, rng: object, workspace: object, annotations: Annotations):
        assert annotations.weights is not None
        assert list(np.flatnonzero(annotations.weights == 0)) == [2, 5]
        raise Seen

    monkeypatch.setattr(GAN, "fit", fit)
    label(untrained, 2, REJECT)
    label(untrained, 5, REJECT)
    with pytest.raises(Seen):
        untrained.train(1)
