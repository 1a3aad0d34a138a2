"""Voters whose probabilities are known answer by them, and change as they say."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import VOTERS, Choice
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.voters._known import KnownVoter

SPECS = (
    "warm(lapse=0.1, side_bias=0.3, tie_within=0.2, skip_within=0.1)",
    "coin(left=0.7)",
    "drifting(at=0, over=10000)",
    "turns(first='calm', second='warm')",
)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.from_numpy(draw_pictures(40, 32, Rng(0)).images) / 255.0


def met(spec: str, pictures: Tensor) -> KnownVoter:
    voter = VOTERS.make(spec).meet(pictures)
    assert isinstance(voter, KnownVoter)
    return voter


def liking(voter: KnownVoter, pictures: Tensor) -> np.ndarray:
    utility = voter.utility(pictures)
    assert utility is not None
    return utility


@pytest.mark.parametrize("spec", SPECS)
def test_answers_are_as_frequent_as_the_chances_say(spec: str, pictures: Tensor):
    voter = met(spec, pictures)
    seen, rng = voter.see(pictures), Rng(1).numpy()
    chances = {choice: chance[0] for choice, chance in voter.chances(seen[:1], seen[1:2]).items()}
    assert sum(chances.values()) == pytest.approx(1)
    counts = Counter(voter.decide(seen[0], seen[1], rng) for _ in range(3000))
    for choice in Choice:
        assert counts[choice] / 3000 == pytest.approx(chances.get(choice, 0.0), abs=0.03)


@pytest.mark.parametrize("spec", SPECS)
def test_deciding_on_what_was_seen_is_answering(spec: str, pictures: Tensor):
    seeing, looking = met(spec, pictures), met(spec, pictures)
    seen = seeing.see(pictures)
    for number in range(10):
        decided = seeing.decide(seen[number], seen[number + 1], Rng(number).numpy())
        assert decided == looking.answer(pictures[number], pictures[number + 1], Rng(number).numpy())


def test_sudden_change_of_mind_comes_after_the_answers_it_says(pictures: Tensor):
    voter = met("drifting(before='warm', after='calm', at=3)", pictures)
    before, after = (liking(met(taste, pictures), pictures) for taste in ("warm", "calm"))
    rng = Rng(0).numpy()
    for expected in (before, before, before, after, after):
        np.testing.assert_allclose(liking(voter, pictures), expected)
        voter.answer(pictures[0], pictures[1], rng)


def test_slow_change_of_mind_moves_by_equal_steps(pictures: Tensor):
    voter = met("drifting(before='warm', after='calm', at=1, over=3)", pictures)
    before, after = (liking(met(taste, pictures), pictures) for taste in ("warm", "calm"))
    rng = Rng(0).numpy()
    for share in (0, 0.25, 0.5, 0.75, 1, 1):
        np.testing.assert_allclose(liking(voter, pictures), (1 - share) * before + share * after)
        voter.answer(pictures[0], pictures[1], rng)


def test_two_people_answer_in_turns(pictures: Tensor):
    voter = met("turns(first='warm(consistency=1e6, lapse=0)', second='contrarian(of=\"warm\")', every=2)", pictures)
    surer = met(
        "turns(first='warm(consistency=1e6, lapse=0)',"
        " second='contrarian(of=\"warm\", consistency=1e6, lapse=0)', every=2)",
        pictures,
    )
    order = liking(met("warm", pictures), pictures)
    best, worst = pictures[int(order.argmax())], pictures[int(order.argmin())]
    answers = [surer.answer(best, worst, Rng(number).numpy()) for number in range(6)]
    left, right = Choice.LEFT, Choice.RIGHT
    assert answers == [left, left, right, right, left, left]
    np.testing.assert_allclose(liking(voter, pictures), 0, atol=1e-9)
    seen = surer.see(torch.stack([best, worst]))
    assert surer.chances(seen[:1], seen[1:])[Choice.LEFT][0] == pytest.approx(0.5)


@pytest.mark.parametrize("spec", ["drifting(before='coin')", "turns(second='coin')", "conditional(where='coin')"])
def test_mixed_voters_refuse_parts_without_a_taste(spec: str):
    with pytest.raises(BadConfiguration, match="'coin' is no single simulated taste"):
        VOTERS.make(spec)


@pytest.mark.parametrize("spec", ["drifting(at=-1)", "turns(every=0)", "familiar(favourites=0)"])
def test_impossible_settings_are_refused(spec: str):
    with pytest.raises(BadConfiguration, match="must be at least"):
        VOTERS.make(spec)
