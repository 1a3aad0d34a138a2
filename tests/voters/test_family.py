"""Contract tests: what every simulated voter promises."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import VOTERS, Choice, Voter
from penchant.core.errors import BadImages, VoterFailed
from penchant.core.family import spec_of
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.voters._answering import Answering

NAMES = VOTERS.names()
TASTES = [name for name in NAMES if issubclass(VOTERS.get(name), Answering)]
COLOURED = ["warm", "colourful", "harmonious"]
GREY = [name for name in TASTES if name not in COLOURED]


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.from_numpy(draw_pictures(150, 32, Rng(0)).images) / 255.0


def met(name: str, reference: Tensor, **settings: Any) -> Voter:
    return VOTERS.make({"name": name, **settings}).meet(reference)


def utility(voter: Voter, images: Tensor) -> np.ndarray:
    values = voter.utility(images)
    assert values is not None
    return values


def test_family_has_the_members_that_are_documented():
    documented = {"calm", "centred", "coin", "colourful", "contrarian", "high_contrast", "mixture", "moderate"}
    odd = {"conditional", "drifting", "familiar", "harmonious", "thirds", "turns", "twilight"}
    assert documented | odd | {"symmetric", "warm"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_voter_survives_the_settings_file(name: str):
    component = VOTERS.make(name)
    assert VOTERS.make(spec_of(component)) == component


@pytest.mark.parametrize("name", NAMES)
def test_voter_gives_a_choice_and_the_same_one_for_the_same_numbers(name: str, pictures: Tensor):
    voter = met(name, pictures)
    answers = [voter.answer(pictures[0], pictures[1], Rng(3).numpy()) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0] in Choice


@pytest.mark.parametrize("name", TASTES)
def test_taste_is_standardised_on_the_reference(name: str, pictures: Tensor):
    values = utility(met(name, pictures), pictures)
    assert values.shape == (150,)
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert values.std() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", TASTES)
def test_taste_of_an_image_does_not_depend_on_the_others(name: str, pictures: Tensor):
    voter = met(name, pictures)
    np.testing.assert_allclose(utility(voter, pictures)[7:9], utility(voter, pictures[7:9]), atol=1e-4)


@pytest.mark.parametrize("name", TASTES)
@pytest.mark.parametrize("size", [28, 128])
def test_taste_is_finite_for_flat_images_of_any_size(name: str, size: int, pictures: Tensor):
    flat = torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 3, size, size)
    assert np.isfinite(utility(met(name, pictures), flat)).all()


@pytest.mark.parametrize("name", TASTES)
def test_taste_does_not_change_the_images(name: str, pictures: Tensor):
    before = pictures.clone()
    met(name, pictures).utility(pictures)
    assert torch.equal(before, pictures)


@pytest.mark.parametrize("name", TASTES)
def test_preferred_image_wins_on_both_sides_when_the_voter_is_sure(name: str, pictures: Tensor):
    voter = met(name, pictures, consistency=1000.0, lapse=0.0)
    order = utility(voter, pictures).argsort()
    worst, best = pictures[int(order[0])], pictures[int(order[-1])]
    rng = Rng(0).numpy()
    assert voter.answer(best, worst, rng) is Choice.LEFT
    assert voter.answer(worst, best, rng) is Choice.RIGHT


@pytest.mark.parametrize("name", TASTES)
def test_every_taste_has_the_same_manners(name: str):
    manners = [field.name for field in fields(Answering)]
    assert [field.name for field in fields(VOTERS.get(name))][: len(manners)] == manners


@pytest.mark.parametrize("name", GREY)
def test_taste_works_on_grey_images(name: str, pictures: Tensor):
    grey = pictures.mean(1, keepdim=True)
    assert utility(met(name, grey), grey).std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", COLOURED)
def test_taste_for_colour_says_that_it_is_blind_to_grey_images(name: str, pictures: Tensor):
    with pytest.raises(VoterFailed, match=f"'{name}' finds all 150 images equally good"):
        met(name, pictures.mean(1, keepdim=True))


@pytest.mark.parametrize("name", TASTES)
def test_meeting_refuses_one_image_and_broken_ones(name: str, pictures: Tensor):
    with pytest.raises(BadImages, match="at least two images"):
        met(name, pictures[:1])
    with pytest.raises(BadImages, match="without NaN"):
        met(name, pictures[:4] * float("nan"))
