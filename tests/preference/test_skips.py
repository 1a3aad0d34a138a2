"""Skips: which pairs will be answered, learned only as far as the skips tell, and asked for accordingly."""

from dataclasses import replace

import numpy as np
import pytest

from penchant.core.contracts import PREFERENCE, QUERIES, Candidates, Choice, Group, Posterior, Votes
from penchant.preference import skippability

WIDTH = 6
LEFT, RIGHT, SKIP = Choice.LEFT, Choice.RIGHT, Choice.SKIP


def prior() -> Posterior:
    return PREFERENCE.make("linear(half_life=1e999, steady_votes=1e999)").prior([Group("all", 0, WIDTH)])


def world(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Images, and a taste for everything but the last feature, by which some are skipped."""
    rng = np.random.default_rng(seed)
    taste = 1.5 * rng.normal(size=WIDTH)
    taste[-1] = 0
    return rng.normal(size=(count, WIDTH)), taste


def disliked(image: np.ndarray) -> bool:
    """A class of images that the voter does not want to judge: a quarter of them."""
    return bool(image[-1] > 0.7)


def answer(left: np.ndarray, right: np.ndarray, taste: np.ndarray, rng: np.random.Generator) -> Choice:
    if disliked(left) or disliked(right):
        return SKIP
    return LEFT if rng.random() < 1 / (1 + np.exp(-(left - right) @ taste)) else RIGHT


def studied(seed: int, strategy: str, heeded: bool, votes: int = 60) -> tuple[float, float]:
    """The share of the second half of the questions that was skipped, and the accuracy at the end."""
    features, taste = world(seed)
    rng = np.random.default_rng(seed)
    belief, told, skips = prior(), list[tuple[int, int, Choice]](), None
    for number in range(votes):
        shown = np.bincount([row for pair in told for row in pair[:2]], minlength=len(features)).astype(int)
        candidates = Candidates(features, shown, skips=skips if heeded else None)
        proposal = QUERIES.make(strategy).propose(candidates, belief, 1, rng)
        assert 0 < proposal.propensities[0] <= 1
        left, right = proposal.pairs[0].tolist()
        told.append((left, right, answer(features[left], features[right], taste, rng)))
        belief = belief.update(features[left], features[right], told[-1][2])
        if number % 12 == 11:
            rows = np.array([pair[:2] for pair in told])
            all_votes = Votes(features[rows[:, 0]], features[rows[:, 1]], [choice for *_, choice in told])
            belief = prior().refit(all_votes)
            skips = skippability(all_votes, belief)
    fresh = np.random.default_rng(99).normal(size=(2, 2000, WIDTH))
    right_order = np.sign(belief.mean(fresh[0]) - belief.mean(fresh[1])) == np.sign((fresh[0] - fresh[1]) @ taste)
    late = [choice for *_, choice in told[votes // 2 :]]
    return late.count(SKIP) / len(late), float(right_order.mean())


@pytest.mark.parametrize("strategy", ["bald(shortlist=40)", "eubo(shortlist=40)"])
def test_a_class_of_images_that_is_skipped_is_asked_about_less_and_more_is_learned(strategy: str):
    heeded = np.array([studied(seed, strategy, True) for seed in range(5)])
    deaf = np.array([studied(seed, strategy, False) for seed in range(5)])
    assert heeded[:, 0].mean() < 0.6 * deaf[:, 0].mean()
    assert heeded[:, 1].mean() > deaf[:, 1].mean()


def asked(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    features, _ = world(seed)
    rng = np.random.default_rng(seed)
    left, right = features[rng.integers(len(features), size=(2, count))]
    return left, right, rng


def test_what_is_too_close_to_call_is_told_from_what_is_not():
    left, right, rng = asked(3, 300)
    _, taste = world(3)
    difference = (left - right) @ taste
    choices = [SKIP if abs(d) < 1 else LEFT if rng.random() < 1 / (1 + np.exp(-d)) else RIGHT for d in difference]
    votes = Votes(left, right, choices)
    belief = prior().refit(votes)
    found = skippability(votes, belief)
    assert found is not None
    assert found.sure < 0
    both = np.vstack([left, right])
    chance = found.chance(both, np.arange(300), np.arange(300, 600), belief.predict(left, right))
    skipped = np.array([choice is SKIP for choice in choices])
    assert chance[skipped].mean() > chance[~skipped].mean() + 0.15
    assert chance.mean() == pytest.approx(skipped.mean(), abs=0.05)
    swapped = found.chance(both, np.arange(300, 600), np.arange(300), belief.predict(right, left))
    np.testing.assert_allclose(swapped, chance)


def test_skips_by_chance_say_nothing_nearly_always():
    believed = 0
    for seed in range(20):
        left, right, rng = asked(seed, 60)
        votes = Votes(left, right, [SKIP if toss < 0.3 else LEFT for toss in rng.random(60)])
        believed += skippability(votes, prior()) is not None
    assert believed <= 2


@pytest.mark.parametrize("choices", [[LEFT] * 30, [SKIP] * 30, []])
def test_without_a_difference_there_is_nothing_to_learn(choices: list[Choice]):
    left, right, _ = asked(0, len(choices))
    assert skippability(Votes(left, right, choices), prior()) is None


def test_the_same_answers_give_the_same_bits_and_old_ones_are_forgotten():
    left, right, rng = asked(1, 900)
    _, taste = world(1)
    choices = [answer(a, b, taste, rng) for a, b in zip(left, right, strict=True)]
    votes = Votes(left, right, choices)
    belief = prior().refit(Votes(left[:50], right[:50], choices[:50]))
    first, second = skippability(votes, belief), skippability(Votes(left[500:], right[500:], choices[500:]), belief)
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.images, second.images)
    assert first.images[-1] > 3 * np.abs(first.images[:-1]).max()


def test_a_score_counts_as_often_as_the_pair_is_answered():
    features, _ = world(0, 40)
    candidates = Candidates(features, np.zeros(40, dtype=np.int64))
    strategy = QUERIES.make("bald")
    best = strategy.propose(candidates, prior(), 1, np.random.default_rng(0)).pairs[0]
    left, right, rng = asked(1, 400)
    choices = [answer(a, b, np.zeros(WIDTH), rng) for a, b in zip(left, right, strict=True)]
    skips = skippability(Votes(left, right, choices), prior())
    assert skips is not None
    heeding = strategy.propose(replace(candidates, skips=skips), prior(), 1, np.random.default_rng(0)).pairs[0]
    assert set(heeding.tolist()) != set(best.tolist())
    assert not any(disliked(features[row]) for row in heeding)
