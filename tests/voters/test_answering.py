"""Simulated voters answer as often as they say."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import VOTERS, Choice
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.voters._answering import Answering, SimulatedVoter
from penchant.voters.calm import Calm

finite = st.floats(-20, 20)


def level(images: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " n"]:
    return images.mean((1, 2, 3)).double().numpy()


def voter(**manners: Any) -> SimulatedVoter:
    """Its utility is the mean pixel value, so that utilities can be chosen."""
    return SimulatedVoter(Calm(**manners), level, 0.0, 1.0)


def image(utility: float) -> Tensor:
    return torch.full((1, 4, 4), utility)


@st.composite
def manners(draw: st.DrawFn) -> Answering:
    threshold = st.none() | st.floats(-2, 2)
    return Calm(
        consistency=draw(st.floats(0, 50)),
        lapse=draw(st.floats(0, 1)),
        side_bias=draw(st.floats(-1, 1)),
        tie_within=draw(st.floats(0, 1)),
        both_bad_under=draw(threshold),
        skip_within=draw(st.floats(0, 1)),
        skip_under=draw(threshold),
    )


@given(manner=manners(), left=finite, right=finite)
def test_probabilities_sum_to_one(manner: Answering, left: float, right: float):
    probabilities = manner.probabilities(left, right)
    assert sum(probabilities.values()) == pytest.approx(1)
    assert min(probabilities.values()) >= 0
    assert set(probabilities) == set(Choice)


@given(manner=manners(), left=finite, right=finite)
def test_swapping_sides_mirrors_the_answers_without_side_bias(manner: Answering, left: float, right: float):
    fair = Calm(manner.consistency, manner.lapse, 0.0, manner.tie_within, manner.both_bad_under, manner.skip_within)
    swapped = fair.probabilities(right, left)
    for choice, chance in fair.probabilities(left, right).items():
        assert swapped[choice.swapped] == pytest.approx(chance)


@pytest.mark.parametrize(
    ("settings", "left", "right", "expected"),
    [
        ({"lapse": 0.0}, 0.25, 0.0, {Choice.LEFT: 0.731059, Choice.RIGHT: 0.268941}),
        ({"lapse": 0.2}, 0.25, 0.0, {Choice.LEFT: 0.684847, Choice.RIGHT: 0.315153}),
        ({"lapse": 0.0, "side_bias": 0.25}, 0.0, 0.25, {Choice.LEFT: 0.5, Choice.RIGHT: 0.5}),
        ({"lapse": 0.1, "tie_within": 0.3}, 0.25, 0.0, {Choice.TIE: 0.9, Choice.LEFT: 0.05, Choice.RIGHT: 0.05}),
        ({"lapse": 0.0, "both_bad_under": -1.0}, -1.5, -2.5, {Choice.BOTH_BAD: 1.0}),
        ({"lapse": 0.0, "both_bad_under": -1.0}, -1.5, 0.0, {Choice.LEFT: 0.002473, Choice.RIGHT: 0.997527}),
        ({"lapse": 0.0, "skip_under": -1.0, "both_bad_under": 0.0}, -1.5, -2.5, {Choice.SKIP: 1.0}),
        ({"lapse": 0.0, "skip_within": 0.1, "tie_within": 0.5}, 1.0, 1.05, {Choice.SKIP: 1.0}),
        ({"lapse": 1.0}, 9.0, -9.0, {Choice.LEFT: 0.5, Choice.RIGHT: 0.5}),
    ],
)
def test_probabilities_are_those_computed_by_hand(
    settings: dict[str, float], left: float, right: float, expected: dict[Choice, float]
):
    probabilities = Calm(**settings).probabilities(left, right)
    assert {choice: chance for choice, chance in probabilities.items() if chance > 0} == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "left", "right"),
    [
        ({"consistency": 4.0, "lapse": 0.02}, 0.3, 0.0),
        ({"consistency": 1.0, "lapse": 0.2, "side_bias": 0.5}, -0.2, 0.4),
        ({"lapse": 0.3, "tie_within": 0.5}, 0.2, 0.0),
        ({"lapse": 0.3, "both_bad_under": 0.0}, -0.2, -0.4),
        ({"lapse": 0.3, "skip_under": 0.0}, -0.2, -0.4),
    ],
)
def test_answers_are_as_frequent_as_stated(settings: dict[str, float], left: float, right: float):
    simulated, rng, count = voter(**settings), Rng(0).numpy(), 3000
    answers = Counter(simulated.answer(image(left), image(right), rng) for _ in range(count))
    for choice, chance in simulated.manner.probabilities(left, right).items():
        error = float(chance * (1 - chance) / count) ** 0.5
        assert answers[choice] / count == pytest.approx(float(chance), abs=4 * error + 1e-9), choice


def test_extreme_utilities_do_not_overflow():
    assert Calm(lapse=0.0).probabilities(1e6, -1e6)[Choice.LEFT] == 1
    assert Calm(lapse=0.0).probabilities(-1e6, 1e6)[Choice.RIGHT] == 1


def test_an_answer_takes_one_number_from_the_generator():
    rng, twin = Rng(1).numpy(), Rng(1).numpy()
    voter(tie_within=1.0).answer(image(0.1), image(0.2), rng)
    twin.random()
    assert rng.random() == twin.random()


@pytest.mark.parametrize(
    "spec",
    ["warm(consistency=-1)", "warm(lapse=1.5)", "warm(tie_within=-0.1)", "coin(left=2.0)", "warm(lapse='much')"],
)
def test_impossible_manners_are_refused(spec: str):
    with pytest.raises(BadConfiguration):
        VOTERS.make(spec)


def test_coin_has_no_utility_and_is_fair():
    tosser, rng = VOTERS.make("coin").meet(torch.zeros(2, 1, 8, 8)), Rng(2).numpy()
    answers = Counter(tosser.answer(image(0), image(1), rng) for _ in range(3000))
    assert answers[Choice.LEFT] / 3000 == pytest.approx(0.5, abs=0.04)
    assert set(answers) == {Choice.LEFT, Choice.RIGHT}
    assert tosser.utility(torch.zeros(2, 1, 8, 8)) is None


def test_contrarian_opposes_only_tastes():
    with pytest.raises(BadConfiguration, match="'coin' has none"):
        VOTERS.make("contrarian(of='coin')")


def test_mixture_needs_a_weight():
    with pytest.raises(BadConfiguration, match="a weight other than 0"):
        VOTERS.make("mixture(warm=0, symmetric=0, high_contrast=0)")
