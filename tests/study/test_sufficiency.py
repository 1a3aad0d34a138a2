"""When votes are enough: what is expected of further ones, and what is said to voters of every kind."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from penchant.core.contracts import PREFERENCE, Choice, Group, Posterior, Votes
from penchant.core.errors import UnknownName
from penchant.study import Study, StudySettings, vote, write_report
from penchant.study.answers import Consistency, Share
from penchant.study.portrait import Standing
from penchant.study.sufficiency import Outlook, Verdict, _advice, _of_repeats, outlook, weigh

from .test_answers import asked

LEFT, RIGHT = Choice.LEFT, Choice.RIGHT


def world(seed: int, images: int = 300, width: int = 6) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(images, width)), 2 * rng.normal(size=width), rng


def answered(features: np.ndarray, taste: np.ndarray, count: int, rng: np.random.Generator) -> Votes:
    left, right = features[rng.integers(len(features), size=(2, count))]
    chance = 1 / (1 + np.exp(-(left - right) @ taste))
    return Votes(left, right, [LEFT if toss else RIGHT for toss in rng.random(count) < chance])


def prior(width: int = 6) -> Posterior:
    return PREFERENCE.make("linear").prior([Group("all", 0, width)])


def test_further_votes_tell_less_and_bring_less_the_more_there_are():
    features, taste, rng = world(0)
    votes = answered(features, taste, 400, rng)
    found: list[Outlook] = []
    for count in (10, 60, 400):
        some = Votes(votes.left[:count], votes.right[:count], votes.choices[:count])
        found.append(outlook(prior().refit(some), features, np.random.default_rng(1)))
    assert found[0].order < found[1].order < found[2].order
    assert found[0].regret > found[2].regret >= 0
    assert found[1].information[0] > found[2].information[0] > 0
    assert all(one.information[1] >= one.information[0] for one in found)
    assert found[1].gains[20] > found[2].gains[20] > 0
    assert all(one.gains[50] > one.gains[20] for one in found)


def test_expected_gain_is_what_further_votes_bring_on_average():
    """Against the same number of informative votes in worlds of this kind; the bound is about three standard errors."""
    expected, gained = [], []
    for seed in range(24):
        features, taste, rng = world(seed)
        before = answered(features, taste, 20, rng)
        belief = prior().refit(before)
        expected.append(outlook(belief, features, np.random.default_rng(0)).gains[20])
        for left, right, choice in _told(belief, features, taste, rng):
            belief = belief.update(left, right, choice)
        first, second = np.triu_indices(len(features), 1)
        truth = (features @ taste)[first] > (features @ taste)[second]
        had, has = (
            float(((b.mean(features)[first] > b.mean(features)[second]) == truth).mean())
            for b in (prior().refit(before), belief)
        )
        gained.append(has - had)
    error = np.std(np.array(expected) - np.array(gained)) / np.sqrt(len(gained))
    assert np.mean(gained) > 3 * np.std(gained) / np.sqrt(len(gained))
    assert abs(np.mean(expected) - np.mean(gained)) < 3 * error + 0.01


def _told(
    belief: Posterior, features: np.ndarray, taste: np.ndarray, rng: np.random.Generator
) -> Sequence[tuple[np.ndarray, np.ndarray, Choice]]:
    """Twenty answers, each to the pair of twenty random ones that tells most."""
    told: list[tuple[np.ndarray, np.ndarray, Choice]] = []
    for _ in range(20):
        left, right = features[rng.integers(len(features), size=(2, 20))]
        covariance = belief.covariance(np.vstack([left, right]))
        own = np.diag(covariance)
        variance = own[:20] + own[20:] - 2 * np.diag(covariance[:20, 20:])
        best = int(belief.information(belief.mean(left) - belief.mean(right), variance).argmax())
        chance = 1 / (1 + np.exp(-float((left[best] - right[best]) @ taste)))
        choice = LEFT if rng.random() < chance else RIGHT
        told.append((left[best], right[best], choice))
        belief = belief.update(*told[-1])
    return told


@pytest.mark.parametrize("features", [np.zeros((5, 6)), np.eye(6)[:3], np.ones((2, 6))])
def test_few_or_equal_images_give_numbers(features: np.ndarray):
    for belief in (prior(), prior().refit(Votes(np.eye(6)[:2], np.eye(6)[2:4], [LEFT, LEFT]))):
        found = outlook(belief, features, np.random.default_rng(0))
        numbers = [found.order, found.regret, *found.information, *found.gains.values()]
        assert np.isfinite(numbers).all()
        stand = weigh({}, {}, belief, features, np.random.default_rng(0))
        assert stand.verdict is Verdict.GO_ON
        assert stand.sentences == ("No votes yet: choose what you like better.",)


def weighed(features: np.ndarray, votes: Votes, belief: Posterior, predicted: Sequence[float]):
    answers = {
        n: (asked(n, float(p)), choice) for n, (p, choice) in enumerate(zip(predicted, votes.choices, strict=True))
    }
    return weigh(answers, dict.fromkeys(answers, "me"), belief, features, np.random.default_rng(0))


def test_it_says_enough_when_guesses_came_true_and_little_is_left():
    features, taste, rng = world(3, width=2)
    votes = answered(features, 5 * taste, 1000, rng)
    belief = prior(2).refit(votes)
    right = [0.8 if choice is LEFT else 0.2 for choice in votes.choices]
    stand = weighed(features, votes, belief, right)
    assert stand.verdict is Verdict.ENOUGH
    assert stand.sentences[0].startswith("Enough")
    assert stand.standing is Standing.CONFIRMED
    unproven = weighed(features, votes, belief, [0.5] * 1000)
    assert unproven.verdict is Verdict.GO_ON
    assert unproven.standing is Standing.DOUBTED


def test_a_coin_tosser_hears_of_chance_and_never_enough():
    heard, standings = list[Verdict](), list[Standing]()
    for seed in range(12):
        features, _, rng = world(seed)
        votes = answered(features, np.zeros(6), 100, rng)
        belief, predicted = prior(), list[float]()
        for n, choice in enumerate(votes.choices):
            predicted.append(float(belief.predict(votes.left[n : n + 1], votes.right[n : n + 1])[0]))
            belief = belief.update(votes.left[n], votes.right[n], choice)
            if n % 20 == 19:
                done = slice(0, n + 1)
                belief = prior().refit(Votes(votes.left[done], votes.right[done], votes.choices[done]))
        stand = weighed(features, votes, belief, predicted)
        assert stand.verdict is not Verdict.ENOUGH
        heard.append(stand.verdict)
        standings.append(stand.standing)
    assert standings.count(Standing.CONFIRMED) <= 1
    assert heard.count(Verdict.CHANCE) >= 8


def test_who_agrees_with_themselves_is_not_told_that_it_is_chance_alone():
    steady = Consistency(Share(9, 9), 0, Share(45, 90))
    erratic = Consistency(Share(5, 9), 0, Share(45, 90))
    nothing = Outlook(0.5, {20: 0.0, 50: 0.0}, (0.0, 0.0), 0.0)
    assert "cannot see" in _advice(Verdict.CHANCE, 90, 90, nothing, 0.0, steady)
    assert "agree with yourself" in _advice(Verdict.CHANCE, 90, 90, nothing, 0.0, steady)
    assert "agree with yourself" not in _advice(Verdict.CHANCE, 90, 90, nothing, 0.0, erratic)


def test_repeats_and_sides_are_told_only_as_far_as_they_go():
    assert _of_repeats(Consistency(Share(0, 0), 0, Share(6, 10))) == []
    assert "too few" in _of_repeats(Consistency(Share(3, 3), 0, Share(6, 10)))[0]
    assert "between" in _of_repeats(Consistency(Share(7, 8), 0, Share(6, 10)))[0]
    assert "left image in 90%" in _of_repeats(Consistency(Share(0, 0), 0, Share(36, 40)))[0]
    assert "right image in 90%" in _of_repeats(Consistency(Share(0, 0), 0, Share(4, 40)))[0]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((), "No votes yet"),
        ((Choice.TIE,), "Nothing is chosen yet: none of the 12 answers says which image is better"),
        ((Choice.SKIP, Choice.BOTH_BAD), "Nothing is chosen yet"),
        ((Choice.LEFT,), "Keep going: it is too early"),
    ],
)
def test_a_study_says_so_in_words_and_in_the_report(study: Study, answers: tuple[Choice, ...], said: str):
    for turn in range(12 if answers else 0):
        study.tell(study.next_query().number, answers[turn % len(answers)])
    study.refit(force=True)
    stand = study.sufficiency()
    assert stand.verdict is Verdict.GO_ON
    assert stand.sentences[0].startswith(said)
    numbers = [value for value in stand.figures().values() if isinstance(value, float)]
    assert np.isfinite(numbers).all()
    page = write_report(study).read_text()
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", page), re.IGNORECASE)
    assert (said in page) == bool(answers)


def test_contradictory_votes_are_no_clear_taste(study: Study):
    """The same few pairs answered both ways by two voters who disagree about everything."""
    for _ in range(35):
        number = study.next_query().number
        study.tell(number, "left", voter="one")
        study.tell(number, "right", voter="other")
    study.refit(force=True)
    stand = study.sufficiency()
    assert stand.decided == 70
    assert stand.verdict is not Verdict.ENOUGH
    assert stand.standing is Standing.DOUBTED
    page = write_report(study).read_text()
    assert "No clear taste yet" in page
    assert "Where it is wrong" not in page


def test_the_same_study_says_the_same(study: Study):
    vote(study, "warm", 25)
    assert study.sufficiency() == study.sufficiency()


def test_three_candidates_are_enough_for_a_study_and_its_report(tmp_path: Path):
    settings = StudySettings(source="pictures:300", train_seconds=1, pool=3, refit_every=20)
    with Study.create(tmp_path / "study", settings) as study:
        study.train()
        vote(study, "warm", 30)
        stand = study.sufficiency()
        assert np.isfinite([value for value in stand.figures().values() if isinstance(value, float)]).all()
        page = write_report(study).read_text()
        assert "Are the votes enough?" in page
        assert "No clear taste yet" in page  # three images go together with too many qualities


def test_each_of_several_voters_is_weighed_alone_and_told_of(study: Study):
    vote(study, "warm", 30)
    alone = study.sufficiency()
    assert study.sufficiency("warm") == alone
    assert "Each of the" not in write_report(study).read_text()
    vote(study, "coin", 20)
    study.refit(force=True)
    both, warm, coin = study.sufficiency(), study.sufficiency("warm"), study.sufficiency("coin")
    assert (both.votes, warm.votes, coin.votes) == (50, 30, 20)
    assert warm.evidence + coin.evidence == pytest.approx(both.evidence)
    assert warm.accuracy != coin.accuracy
    with pytest.raises(UnknownName, match="there are: coin, warm"):
        study.sufficiency("anna")
    page = write_report(study).read_text()
    assert "Each of the 2 voters" in page
    assert warm.sentences[0] in page
    assert coin.sentences[0] in page
    figures = json.loads((study.path / "reports" / "round-1.json").read_text())
    assert figures["voters"]["warm"]["votes"] == 30
    assert figures["voters"]["coin"]["evidence_nats"] == pytest.approx(coin.evidence)
