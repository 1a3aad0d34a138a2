"""Likes, several voters in one study, and tastes that come and go."""

from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import numpy as np
import pytest

from penchant.core.contracts import Posterior
from penchant.core.errors import BadConfiguration, BadVote, NotReady, StudyDamaged, UnknownName
from penchant.preference import PortableTaste
from penchant.study import Study, vote


def bits(posterior: Posterior) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in posterior.state().items()}


def test_likes_teach_and_replay_to_the_bit(study: Study, tmp_path: Path):
    images = study.candidates()
    utility = study.voter("warm").utility(images)
    assert utility is not None
    for row in range(60):
        study.like(row, bool(utility[row] > np.median(utility)), voter="anna")
    study.refit(force=True)
    believed = study.taste.posterior.mean(np.asarray(study.pool().features, dtype=np.float64))
    assert np.corrcoef(believed[60:], utility[60:])[0, 1] > 0.5
    study.like(70, False, voter="anna")
    before = bits(study.taste.posterior)
    study.close()
    with Study.open(copytree(study.path, tmp_path / "moved")) as moved:
        assert bits(moved.taste.posterior) == before
        assert len(moved.taste.singles) == 61
        assert moved.taste.votes == {}


def test_a_like_is_told_once(study: Study):
    assert study.like(3, client_key="k", session="s") == study.like(3, client_key="k", session="s")
    assert len(study.taste.singles) == 1


def test_a_like_can_be_taken_back(study: Study, tmp_path: Path):
    row: Any = np.int64(3)
    first, second = study.like(row, voter="anna"), study.like(4, False, voter="anna")
    study.unlike(second)
    assert list(study.taste.singles) == [first]
    with pytest.raises(BadVote, match="no like"):
        study.unlike(second)
    before = bits(study.taste.posterior)
    study.close()
    with Study.open(copytree(study.path, tmp_path / "moved")) as moved:
        assert bits(moved.taste.posterior) == before


def test_likes_refit_by_themselves(study: Study):
    utility = study.voter("warm").utility(study.candidates())
    assert utility is not None
    for row in range(40):
        study.like(row, bool(utility[row] > np.median(utility)), voter="anna")
    assert study.taste.since_refit == 0
    assert study.taste.posterior.weights()[0].any()
    with pytest.raises(BadVote, match="choose another name"):
        study.like(0, channel="both bad")


def test_what_was_hardly_seen_waits_for_the_refit(study: Study):
    for row in range(20):
        study.like(row, row < 10, channel="zoom", voter="anna")
    before = bits(study.taste.posterior)
    study.like(30, False, channel="zoom", exposure=0.01, voter="anna", refit=False)
    assert bits(study.taste.posterior) == before


@pytest.mark.parametrize(
    ("row", "exposure", "text"), [(-1, 1.0, "0 to 119"), (120, 1.0, "0 to 119"), (0, 0.0, "exposure")]
)
def test_a_like_of_nothing_is_told(study: Study, row: int, exposure: float, text: str):
    with pytest.raises(BadVote, match=text):
        study.like(row, channel="zoom", exposure=exposure)
    assert study.store.events() == []


def test_one_voter_is_the_study(study: Study):
    vote(study, "warm", 7)
    assert study.taste.of("warm") is study.taste.posterior


def test_a_new_voter_starts_from_the_others(study: Study):
    vote(study, "warm", 30)
    study.refit(force=True)
    features = np.asarray(study.pool().features, dtype=np.float64)
    shared, newcomer = study.taste.posterior.mean(features), study.taste.of("anna").mean(features)
    assert np.corrcoef(shared, newcomer)[0, 1] > 0.9
    other = "contrarian(of='warm')"
    utility = study.voter(other).utility(study.candidates())
    assert utility is not None
    vote(study, other, 40)
    assert np.corrcoef(study.taste.of(other).mean(features), utility)[0, 1] > 0.5
    assert np.corrcoef(study.taste.of("warm").mean(features), utility)[0, 1] < -0.5


def test_tastes_of_voters_replay_to_the_bit(study: Study, tmp_path: Path):
    for voter, votes in (("warm", 12), ("calm", 13), ("symmetric", 11), ("warm", 8)):
        vote(study, voter, votes)
    study.undo("calm")
    vote(study, "calm", 3)
    names = ("warm", "calm", "symmetric", "nobody yet")
    before = {name: bits(study.taste.of(name)) for name in names}
    study.close()
    with Study.open(copytree(study.path, tmp_path / "moved")) as moved:
        assert moved.taste.people == ["calm", "symmetric", "warm"]
        assert {name: bits(moved.taste.of(name)) for name in reversed(names)} == before


def test_a_study_is_bent_to_one_or_to_some(study: Study):
    vote(study, "warm", 20)
    vote(study, "high_contrast", 20)
    version = study.align(of={"warm": 0.8, "high_contrast": 0.2})
    assert version.figures["of"] == {"warm": 0.8, "high_contrast": 0.2}
    assert study.align(of="warm").figures["of"] == "warm"
    with pytest.raises(UnknownName, match="high_contrast, warm"):
        study.align(of="anna")


def test_the_only_voter_is_bent_to_as_the_study_is(study: Study):
    vote(study, "warm", 12)
    images = study.candidates()
    assert (study.reward("warm")(images) == study.reward()(images)).all()


def test_a_taste_goes_to_another_study(study: Study, trained_folder: Path, tmp_path: Path):
    with pytest.raises(NotReady, match="no votes"):
        study.portable_taste()
    vote(study, "warm", 40)
    study.portable_taste("warm").save_pretrained(tmp_path / "taste")
    with Study.open(copytree(trained_folder, tmp_path / "other")) as other:
        assert other.import_taste(tmp_path / "taste") > 0.95
        features = np.asarray(other.pool().features, dtype=np.float64)
        utility = other.voter("warm").utility(other.candidates())
        assert utility is not None
        assert np.corrcoef(other.taste.posterior.mean(features), utility)[0, 1] > 0.6
        vote(other, "warm", 6)
        before = bits(other.taste.posterior)
        assert other.versions.damage() == []
    rmtree(tmp_path / "taste")
    with Study.open(tmp_path / "other") as again:
        assert bits(again.taste.posterior) == before
    rmtree(tmp_path / "other" / "tastes")
    with Study.open(tmp_path / "other") as damaged, pytest.raises(StudyDamaged, match="imported by event 1"):
        _ = damaged.taste


@pytest.mark.parametrize(("trust", "doubt"), [(-1.0, 0.5), (1.0, 0.0), (float("nan"), 1.0), (1.0, 1e200)])
def test_trust_is_a_number(study: Study, tmp_path: Path, trust: float, doubt: float):
    with pytest.raises(BadConfiguration, match="trust"):
        study.import_taste(tmp_path, trust, doubt)


def test_provenance_says_who_and_how_many(study: Study):
    vote(study, "warm", 5)
    vote(study, "calm", 6)
    taste = study.portable_taste("calm")
    assert isinstance(taste, PortableTaste)
    assert (taste.provenance["votes"], taste.provenance["voters"]) == (6, ["calm"])
    assert study.portable_taste().provenance["votes"] == 11
