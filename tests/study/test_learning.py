"""Features that a study learned from its votes: from one event of the log on, the same after a replay."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from penchant.core.contracts import Progress
from penchant.core.errors import Interrupted, NotReady, StudyDamaged
from penchant.study import Study, evaluate, vote
from penchant.study.curves import accuracy_over_votes


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def learned_folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve votes, features learned from them, three more votes, another generator version, two more votes."""
    folder = copytree(trained_folder, tmp_path_factory.mktemp("learned") / "study")
    with Study.open(folder) as study:
        vote(study, "warm", 12)
        assert study.learn() == 1
        vote(study, "warm", 3)
        study.align(like_best_of=2)
        vote(study, "warm", 2)
    return folder


@pytest.fixture
def learned(learned_folder: Path, tmp_path: Path):
    with Study.open(copytree(learned_folder, tmp_path / "learned")) as study:
        yield study


def test_learned_features_follow_the_first_ones_for_every_pool(learned: Study):
    width = learned.extractors[0].width
    assert learned.extractor.groups[-1].name == "convolutional"
    assert learned.extractor.width > width
    for name in ("base", "latest"):
        assert learned.pool(name).features.shape == (120, learned.extractor.width)
    first, now = learned.extractors.features(0, 1), learned.extractors.features(1, 1)
    np.testing.assert_allclose(now[:, :width], first, atol=1e-4)
    assert np.abs(now[:, width:]).max() > 0.1


def test_replay_of_learned_features_gives_the_same_belief_to_the_bit(trained_folder: Path, tmp_path: Path):
    with Study.open(copytree(trained_folder, tmp_path / "study")) as study:
        vote(study, "warm", 11)
        study.learn()
        after_learning = study.taste.posterior.state()
        vote(study, "warm", 3)
        study.undo()
        study.learn()
        vote(study, "warm", 3)
        before, hash = study.taste.posterior.state(), study.taste.hash
    with Study.open(copytree(study.path, tmp_path / "elsewhere")) as moved:
        assert same(before, moved.taste.posterior.state())
        assert moved.taste.hash == hash
        assert moved.taste.learned == 2
        assert [event.payload["hash"] for event in moved.store.events() if event.kind == "features"] == [
            moved.extractors[1].hash,
            moved.extractors[2].hash,
        ]
        earlier = moved.untaught_taste()
        for event in moved.store.events():
            earlier.apply(event)
            if event.kind == "features":
                break
        assert same(after_learning, earlier.posterior.state())


def test_learning_is_the_same_for_the_same_votes(trained_folder: Path, tmp_path: Path):
    hashes: set[str] = set()
    for name in ("one", "two"):
        with Study.open(copytree(trained_folder, tmp_path / name)) as study:
            vote(study, "calm", 6)
            study.learn()
            hashes.add(study.extractor.hash)
    assert len(hashes) == 1


def test_a_learned_study_is_evaluated_and_its_curve_drawn(learned: Study):
    figures = evaluate(learned)
    assert figures["accuracy_vs_hidden_taste"] > 0.5
    curve = accuracy_over_votes(learned, learned.voter("warm"))
    assert [row["votes"] for row in curve][-1] == 17


def test_learning_needs_votes_that_say_something(study: Study):
    with pytest.raises(NotReady, match="no votes yet"):
        study.learn()
    study.tell(study.ask().number, "skip")
    with pytest.raises(NotReady, match="none of the 1 votes"):
        study.learn()
    assert not (study.path / "learned").exists()
    assert study.taste.learned == 0


def test_interrupted_learning_changes_nothing(study: Study):
    vote(study, "warm", 5)
    before, events = study.taste.posterior.state(), len(study.store.events())

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        study.learn(stop)
    assert same(before, study.taste.posterior.state())
    assert len(study.store.events()) == events
    assert not (study.path / "training" / "learn").exists()
    assert study.learn() == 1


def test_damage_to_learned_features_is_found(learned: Study):
    assert learned.versions.damage() == []
    folder = learned.path / "learned" / "1"
    (folder / "pool-1.npy").write_bytes(b"broken")
    assert [problem for problem in learned.versions.damage() if "learned" in problem]
    with pytest.raises(StudyDamaged, match="cannot be read"):
        learned.taste  # noqa: B018
    (folder / "pool-1.npy").unlink()
    with pytest.raises(StudyDamaged, match="penchant doctor"):
        learned.taste  # noqa: B018
