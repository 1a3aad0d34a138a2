import time
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from penchant.core.contracts import Choice, Progress
from penchant.core.errors import (
    BadConfiguration,
    BadVote,
    Interrupted,
    NotReady,
    StudyBusy,
    StudyDamaged,
    StudyExists,
    StudyMissing,
    UnknownName,
)
from penchant.data import ImageSettings
from penchant.generators.auto import Hardware
from penchant.study import Study, StudySettings, vote


def state(study: Study) -> dict[str, np.ndarray]:
    return study.taste.posterior.state()


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_study_replays_to_the_same_posterior_to_the_bit_after_a_move(study: Study, tmp_path: Path):
    vote(study, "warm", 13)
    study.undo()
    question = study.ask()
    study.tell(question.number, "tie")
    before = state(study)
    study.close()
    with Study.open(copytree(study.path, tmp_path / "elsewhere" / "moved")) as moved:
        assert same(before, state(moved))
        assert len(moved.taste.votes) == 13


def test_study_asks_the_same_questions_for_the_same_seed_and_votes(trained_folder: Path, tmp_path: Path):
    asked: list[list[tuple[str, str]]] = []
    for name in ("one", "two"):
        with Study.open(copytree(trained_folder, tmp_path / name)) as study:
            vote(study, "calm", 8)
            asked.append([(query.left, query.right) for query in study.store.queries()])
    assert asked[0] == asked[1]


def test_study_audits_one_query_in_ten_at_random_places(study: Study):
    for _ in range(60):
        study.next_query()
    audit = [query.audit for query in study.store.queries()]
    assert [sum(audit[start : start + 10]) for start in range(0, 60, 10)] == [1] * 6
    assert len({audit[start : start + 10].index(True) for start in range(0, 60, 10)}) > 1
    uniform = 0.1 / (120 * 119 / 2)
    for query in study.store.queries():
        assert query.propensity == pytest.approx(uniform if query.audit else 0.9)
        assert query.strategy == ("random" if query.audit else "bald")


def test_tell_counts_a_repeated_key_once(study: Study):
    question = study.ask()
    assert study.tell(question.number, "left", client_key="k", session="s") == 1
    assert study.tell(question.number, "left", client_key="k", session="s") == 1
    with pytest.raises(BadVote):
        study.tell(question.number, "right", client_key="k", session="s")


def test_tell_refuses_what_is_not_a_vote(study: Study):
    question = study.ask()
    with pytest.raises(BadVote, match="'up' is not a vote; there are: left, right, tie, both_bad, skip"):
        study.tell(question.number, "up")
    with pytest.raises(BadVote, match="99"):
        study.tell(99, "left")
    assert len(study.taste.votes) == 0


def test_skips_and_both_bad_are_kept_but_teach_nothing(study: Study):
    before = study.taste.posterior.state()
    for choice in (Choice.SKIP, Choice.BOTH_BAD):
        study.tell(study.ask().number, choice, refit=False)
    after = study.taste.posterior.state()
    assert len(study.taste.votes) == 2
    np.testing.assert_array_equal(before["mean"], after["mean"])


def test_undo_restores_the_belief_before_the_vote(study: Study):
    vote(study, "warm", 5)
    before = state(study)
    query = study.next_query()
    study.tell(query.number, "left", refit=False)
    assert not same(before, state(study))
    assert study.undo() == query
    assert same(before, state(study))


def test_undo_says_when_there_is_nothing_to_take_back(study: Study):
    assert study.undo() is None


def test_sample_has_the_same_latents_in_every_version(study: Study):
    vote(study, "warm", 10)
    version = study.align(like_best_of=4)
    assert version.number == 2
    assert version.parent == 1
    base, aligned = study.sample(4, 7, "base"), study.sample(4, 7, "latest")
    assert torch.equal(base, study.sample(4, 7, 1))
    assert not torch.equal(base, aligned)
    assert torch.equal(study.sample(8, 7)[:4], aligned) or torch.allclose(study.sample(8, 7)[:4], aligned, atol=1e-5)


def test_study_opens_aligned_versions_again(study: Study):
    vote(study, "warm", 10)
    study.align(like_best_of=4)
    before = study.sample(3, 1)
    study.close()
    with Study.open(study.path) as again:
        assert torch.equal(before, again.sample(3, 1))
        assert again.ask().number == 11
        assert again.store.query(11).pool == 2


def test_training_goes_on_after_ctrl_c(tmp_path: Path):
    settings = StudySettings(source="pictures:300", train_seconds=6, pool=20)

    def stop(progress: Progress) -> None:
        if progress.stage == "autoencoder" and progress.fraction > 0.3:
            raise KeyboardInterrupt

    with Study.create(tmp_path / "study", settings) as study:
        with pytest.raises(Interrupted, match="again to go on"):
            study.train(report=stop)
        assert study.versions.all() == []
        with pytest.raises(NotReady, match="no generator yet"):
            study.ask()
        told: list[float] = []
        study.train(report=lambda progress: told.append(progress.fraction) if progress.stage == "autoencoder" else None)
        assert told[0] > 0.25  # it did not start again
        assert len(study.versions.all()) == 1


def test_a_number_of_images_trains_the_same_generator_whatever_the_machine(tmp_path: Path):
    settings = StudySettings(source="pictures:100", train_images=48, pool=20, images=ImageSettings(size=28))
    with Study.create(tmp_path / "one", settings) as one, Study.create(tmp_path / "two", settings) as two:
        one.train(report=lambda progress: time.sleep(0.02))
        two.train()
        assert torch.equal(one.sample(2, 1), two.sample(2, 1))
    with Study.create(tmp_path / "three", settings) as three:
        three.train(seconds=2)  # counts instead
        assert not torch.equal(three.sample(2, 1), one.sample(2, 1))


def test_a_study_keeps_which_generator_was_picked_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Hardware, "here", staticmethod(lambda: Hardware(1)))
    settings = StudySettings(source="pictures:100", train_seconds=1, pool=20, generator="auto")
    with Study.create(tmp_path / "study", settings) as study:
        study.train()
    with Study.open(tmp_path / "study") as again:
        figures = again.versions.named("base").figures
        assert figures["picked"] == "vae(batch=32)"
        assert "images of 32 px and 1 core-seconds" in figures["why"]
        assert again.sample(2, 1).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("what", ["missing", "busy", "exists", "occupied"])
def test_study_tells_why_it_cannot_be_opened_or_made(study: Study, tmp_path: Path, what: str):
    if what == "missing":
        with pytest.raises(StudyMissing, match="penchant new"):
            Study.open(tmp_path / "nothing")
    elif what == "busy":
        with pytest.raises(StudyBusy):
            Study.open(study.path)
    elif what == "exists":
        with pytest.raises(StudyExists, match="there is a study"):
            Study.create(study.path)
    else:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "letter.txt").write_text("dear")
        with pytest.raises(StudyExists, match="not an empty folder"):
            Study.create(tmp_path / "full")


def test_study_names_a_wrong_component_before_anything_is_made(tmp_path: Path):
    with pytest.raises(UnknownName, match="Did you mean 'eubo'"):
        Study.create(tmp_path / "study", StudySettings(strategy="eub0"))
    assert not (tmp_path / "study").exists()


def test_align_needs_votes_and_a_possible_strength(study: Study):
    with pytest.raises(NotReady, match="no votes yet"):
        study.align()
    study.tell(study.ask().number, "left")
    with pytest.raises(BadConfiguration, match="like_best_of"):
        study.align(like_best_of=0)


def test_versions_are_named_and_wrong_names_told(study: Study):
    assert study.versions.named("base") == study.versions.named("latest") == study.versions.named(1)
    with pytest.raises(UnknownName, match="no version named '7'; there are: 1, base, latest"):
        study.sample(1, version="7")


def test_a_missing_pool_is_told_as_damage(trained_folder: Path, tmp_path: Path):
    copy = copytree(trained_folder, tmp_path / "study")
    (copy / "pools" / "1" / "features.npy").write_bytes(b"broken")
    with Study.open(copy) as study, pytest.raises(StudyDamaged, match="candidates"):
        study.ask()
