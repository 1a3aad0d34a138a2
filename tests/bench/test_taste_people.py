"""Real people's ratings as answers, and the others' mean without one's own."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from penchant.bench._taste_people import Crowd, crowd, pattern_features
from penchant.bench._taste_persons import CROWD, OWN, Setting, people_rows
from penchant.core.contracts import Choice, Group, silent

NAN = float("nan")


@pytest.fixture
def three() -> Crowd:
    """Three people and four items: the first two agree, the third is the opposite of them."""
    ratings = np.array([[1.0, 2.0, 3.0, NAN], [10.0, 20.0, 30.0, 40.0], [3.0, 2.0, 1.0, 0.0]])
    again = np.array([[1.0, NAN, 2.0, NAN], [30.0, NAN, 10.0, NAN], [NAN, NAN, NAN, NAN]])
    return Crowd("three", np.zeros((4, 2)), (Group("own", 0, 2),), ratings, again)


def pack(folder: Path, name: str) -> str:
    if not (folder / "preferences" / name).exists():
        pytest.skip(f"needs the pack preferences/{name} in {folder}")
    return str(folder)


def test_answers_follow_the_ratings(three: Crowd):
    assert three.answer(0, 1, 0) is Choice.LEFT
    assert three.answer(2, 1, 0) is Choice.RIGHT
    assert three.answer(0, 1, 1) is Choice.TIE
    assert three.rated(0).tolist() == [0, 1, 2]


def test_others_mean_leaves_the_person_out(three: Crowd):
    before = three.others(0)
    three.ratings[0] = [9.0, 0.0, 0.0, 0.0]
    fresh = Crowd(three.name, three.features, three.groups, three.ratings, three.again)
    np.testing.assert_array_equal(fresh.others(0), before)


def test_others_mean_of_one_person_is_that_persons_order(three: Crowd):
    mean = three.others(0, 2)
    assert (np.diff(mean) > 0).all()
    assert mean.std() == pytest.approx(1)


def test_others_become_the_last_group(three: Crowd):
    seen = three.with_others(0)
    assert seen.features.shape == (4, 3)
    assert seen.groups[-1] == Group("others", 2, 3)
    np.testing.assert_array_equal(seen.features[:, -1], three.others(0))


def test_consistency_counts_pairs_rated_twice(three: Crowd):
    assert three.consistency() == (0.5, 2)  # the first orders items 0 and 2 the same way again, the second does not


def test_pattern_features_know_a_mirrored_pattern():
    rng = np.random.default_rng(0)
    half = rng.random((3, 15, 8)) < 0.5
    mirrored = np.concatenate([half, half[:, :, -2::-1]], axis=2)
    features, groups = pattern_features(np.concatenate([mirrored, rng.random((9, 15, 15)) < 0.5]))
    symmetries = next(group for group in groups if group.name == "symmetries")
    assert features[:3, symmetries.start].min() > features[3:, symmetries.start].max()
    assert all(a.stop == b.start for a, b in itertools.pairwise(groups))
    assert groups[-1].stop == features.shape[1]


def test_patterns_are_as_their_readme_says(data_packs: Path):
    people = crowd("patterns", pack(data_packs, "binary_patterns_beauty.zip"))
    assert people.ratings.shape == (80, 216)
    assert (np.isfinite(people.ratings).sum(1) == 54).all()
    agree, count = people.consistency()
    assert (round(agree, 3), count) == (0.783, 1137)


def test_oasis_is_as_its_readme_says(data_packs: Path):
    people = crowd("oasis", pack(data_packs, "oasis_beauty_votes.zip"))
    assert people.ratings.shape == (757, 900)
    assert int(np.isfinite(people.ratings).sum()) == 170_325
    assert people.groups[-1].stop == people.features.shape[1]


def test_rows_of_real_people(data_packs: Path):
    folder = pack(data_packs, "binary_patterns_beauty.zip")
    rows = {row.what: row for row in people_rows("patterns", Setting("linear", "bald", 50, 2, folder), silent)}
    assert rows[f"people: patterns · {OWN} · bald · accuracy · 100"].bar == "≥ 0.76"
    assert rows[f"people: patterns · {OWN} · bald · accuracy · 0"].value == 0.5
    before = rows[f"people: patterns · {CROWD} · random · accuracy · 0"].value
    assert before is not None
    assert before > 0.55
