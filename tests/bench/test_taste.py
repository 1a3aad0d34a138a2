"""The taste benchmark: its figures by hand, its parts one by one, and all of it at a tiny size."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from penchant.bench import _taste_changes as changes
from penchant.bench._running import BENCHMARKS, Row
from penchant.bench._taste_cases import LINEAR, MANNERS, NON_LINEAR, TASTES, voter_spec
from penchant.bench._taste_learners import LOGISTIC, Committee, Learner, Logistic, ModelLearner, ridge_logistic, won
from penchant.bench._taste_limits import ceilings, seconds_a_vote
from penchant.bench._taste_scores import accuracy, calibration_error, log_loss
from penchant.bench._taste_sets import SETS, PictureSet, picture_set
from penchant.bench._taste_summary import Cell, over_seeds, rows_of, standard_error, votes_to_reach
from penchant.bench._taste_trial import ACCURACY, CALIBRATION, FIGURES, LOG_LOSS, REGRET, Outcome, Task
from penchant.core.contracts import VOTERS, Choice, Votes, silent
from penchant.core.errors import BadImages, UnknownName
from penchant.core.rng import Rng


@pytest.fixture(scope="module")
def pictures() -> PictureSet:
    return picture_set("embedded", "descriptors", 240, None)


@pytest.fixture(scope="module")
def task(pictures: PictureSet) -> Task:
    return Task.meet(pictures, "warm", 1500)


# ------------------------------------------------------------------------------------------------------- figures


def test_calibration_error_is_that_computed_by_hand():
    predicted, answered = np.array([0.9, 0.8, 0.6, 0.7]), np.array([1.0, 0.5, 0.5, 0.2])
    # Both sides: .1 .2 .3 .4 | .6 .7 .8 .9, answered 0 .5 .8 .5 | .5 .2 .5 1; gaps of the halves −.2 and +.2.
    assert calibration_error(predicted, answered, np.ones(4), bins=2) == pytest.approx(0.2)
    # Four bins of two: (.1, .2), (.3, .4), … with gaps .1, .3, .3, .1.
    assert calibration_error(predicted, answered, np.ones(4), bins=4) == pytest.approx(0.2)
    # Eight bins of one: .1, .3, .5, .1 and the same again.
    assert calibration_error(predicted, answered, np.ones(4), bins=8) == pytest.approx(0.25)


def test_calibration_error_vanishes_for_true_probabilities_and_for_a_coin():
    p = np.random.default_rng(0).random(500)
    assert calibration_error(p, p, np.ones(500)) == pytest.approx(0)
    assert calibration_error(np.full(500, 0.5), p.round(), np.ones(500)) == pytest.approx(0, abs=1e-9)


def test_calibration_error_counts_pairs_by_their_weights():
    predicted, answered = np.array([0.9, 0.6]), np.array([0.9, 1.0])
    assert calibration_error(predicted, answered, np.array([1.0, 0.0]), bins=2) == pytest.approx(0)
    assert calibration_error(predicted, answered, np.array([0.0, 1.0]), bins=2) == pytest.approx(0.4)


def test_log_loss_is_that_computed_by_hand():
    found = log_loss(np.array([0.8, 0.5]), np.array([1.0, 0.25]), np.array([3.0, 1.0]))
    assert found == pytest.approx((3 * -np.log(0.8) + np.log(2)) / 4)
    assert np.isfinite(log_loss(np.array([0.0]), np.array([1.0]), np.ones(1)))


def test_accuracy_halves_what_is_undecided():
    assert accuracy(np.array([0.1, -0.1, 0.0, 3.0]), np.array([True, True, True, False])) == pytest.approx(1.5 / 4)


def test_votes_to_reach_reads_between_the_points():
    curve = {5: 0.6, 10: 0.7, 15: 0.65, 20: 0.8}
    assert votes_to_reach(curve, 0.65) == pytest.approx(7.5)
    assert votes_to_reach(curve, 0.75) == pytest.approx(15 + 5 * 0.1 / 0.15)
    assert votes_to_reach(curve, 0.5) == 5
    assert votes_to_reach(curve, 0.9) == float("inf")


def test_standard_error_is_over_seeds_of_the_mean_over_tastes():
    assert standard_error(np.array([[0.0, 1.0], [1.0, 2.0]])) == pytest.approx(0.5)
    assert standard_error(np.array([[0.0], [1.0]])) is None


# ------------------------------------------------------------------------------------------------- tastes, voters


def test_every_taste_has_a_kind_and_a_voter():
    assert {"colour", "light", "texture", "composition", "content"} <= {*LINEAR.values(), *NON_LINEAR.values()}
    assert set(TASTES) <= set(VOTERS.names())


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("taste", ["mixture", "familiar"])
def test_every_manner_of_a_taste_is_a_voter(manner: str, taste: str):
    assert VOTERS.make(voter_spec(manner, taste)) is not None


def test_unknown_manner_and_set_are_told():
    with pytest.raises(UnknownName, match="no manner of answering named 'rude'"):
        voter_spec("rude", "warm")
    with pytest.raises(UnknownName, match="no set of pictures named 'cats'"):
        picture_set("cats", "descriptors", 10, None)


def answers_of(manner: str, pictures: PictureSet) -> list[tuple[Choice, float]]:
    """600 answers in that manner, with the true difference at the time, to random pairs."""
    task = Task.meet(pictures, voter_spec(manner, "warm"), 10)
    rng = Rng(0).numpy()
    told: list[tuple[Choice, float]] = []
    for left, right in rng.integers(len(pictures.images), size=(600, 2)):
        merit = task.voter.merit(task.seen)
        difference = 0.0 if merit is None else float(merit[left] - merit[right])
        told.append((task.voter.decide(task.seen[left], task.seen[right], rng), difference))
    return told


def share(told: list[tuple[Choice, float]], *choices: Choice) -> float:
    return sum(choice in choices for choice, _ in told) / len(told)


def slips(told: list[tuple[Choice, float]]) -> float:
    """Among answers to clear cases, those against the taste."""
    clear = [(choice, difference) for choice, difference in told if abs(difference) > 1.2]
    return sum((choice is Choice.LEFT) != (difference > 0) for choice, difference in clear) / len(clear)


def test_manners_do_what_they_say(pictures: PictureSet):
    told = {manner: answers_of(manner, pictures) for manner in MANNERS}
    assert slips(told["honest"]) == pytest.approx(0.01, abs=0.02)
    assert slips(told["slips 10%"]) == pytest.approx(0.05, abs=0.035)
    assert slips(told["slips 20%"]) == pytest.approx(0.10, abs=0.05)
    assert slips([(choice, 2.0) for choice, _ in told["coin"]]) == pytest.approx(0.5, abs=0.07)
    assert share(told["ties"], Choice.TIE) > 0.1 > share(told["honest"], Choice.TIE) == 0
    assert share(told["skips"], Choice.SKIP) > 0.1
    assert share(told["side bias"], Choice.LEFT) > share(told["honest"], Choice.LEFT) + 0.08
    assert slips(told["contrarian"]) < 0.05
    assert slips(told["changes its mind"]) < 0.05
    assert 0.03 < slips(told["two people"]) < 0.5


def test_contrarian_likes_the_opposite(pictures: PictureSet):
    one, other = (Task.meet(pictures, voter_spec(manner, "warm"), 10) for manner in ("honest", "contrarian"))
    np.testing.assert_allclose(one.seen, -other.seen, atol=1e-9)


# --------------------------------------------------------------------------------------------------------- trials


def learners(task: Task) -> Mapping[str, Learner]:
    pool, groups = task.pictures.features[: task.pictures.pool], task.pictures.groups
    return {
        "bald": ModelLearner(pool, groups, "linear", "bald", 5),
        "random": ModelLearner(pool, groups, "linear(scale=0.5)", "random", 5),
        "logistic": Logistic(pool),
        "committee": Committee(pool, 5),
    }


@pytest.mark.parametrize("name", ["bald", "random", "logistic", "committee"])
def test_learners_beat_a_coin_and_repeat_themselves(name: str, task: Task):
    first, second = (task.learn(learners(task)[name], 20, (10, 20), Rng(1)) for _ in range(2))
    assert first == second
    assert set(first) == set(FIGURES)
    assert first[ACCURACY][20] > 0.6
    assert 0 < first[LOG_LOSS][20] < 1.5
    assert 0 <= first[CALIBRATION][20] <= 0.5
    assert first[REGRET][20] >= 0


def test_random_pairs_give_what_fitting_after_every_answer_gives(task: Task):
    lazy = learners(task)["random"]
    task.learn(lazy, 7, (7,), Rng(2))
    assert isinstance(lazy, ModelLearner)
    again = lazy.prior.refit(lazy.votes())
    for key, value in again.state().items():
        np.testing.assert_array_equal(value, lazy.posterior.state()[key])


def test_tests_are_on_images_nobody_was_asked_about(task: Task):
    learner = learners(task)["bald"]
    task.learn(learner, 12, (12,), Rng(3))
    assert max(*learner.left, *learner.right) < task.pictures.pool <= min(task.first.min(), task.second.min())
    assert (task.first != task.second).all()


def test_audits_are_told_to_strategies_with_their_surprise(task: Task):
    pool = task.pictures.features[: task.pictures.pool]
    learner = ModelLearner(pool, task.pictures.groups, "linear", "bald", 50, audit_share=0.5)
    task.learn(learner, 20, (20,), Rng(4))
    assert {(asked.strategy, asked.audit) for asked in learner.history} == {("bald", False), ("random", True)}
    assert learner.history[0].surprise == pytest.approx(np.log(2))
    assert len(learner.history) == 20


def test_a_voter_with_a_changed_mind_starts_afresh_in_every_trial(pictures: PictureSet):
    task = Task.meet(pictures, "drifting(before='warm', after='calm', at=3)", 100)
    first, second = (task.learn(learners(task)["logistic"], 6, (6,), Rng(1)) for _ in range(2))
    assert first == second


def test_coin_has_no_accuracy_and_no_regret(pictures: PictureSet):
    outcome = Task.meet(pictures, "coin", 200).learn(
        learners(Task.meet(pictures, "coin", 9))["logistic"], 5, (5,), Rng(0)
    )
    assert outcome[ACCURACY] == outcome[REGRET] == {}
    assert outcome[LOG_LOSS][5] >= np.log(2) - 1e-9


def test_logistic_weights_have_no_slope_left():
    differences = np.random.default_rng(0).normal(size=(30, 4)) + 0.3
    weights = ridge_logistic(differences)
    slope = weights - differences.T @ (1 / (1 + np.exp(differences @ weights)))
    np.testing.assert_allclose(slope, 0, atol=1e-3)


def test_won_turns_answers_into_winner_minus_loser():
    left, right = np.array([[1.0], [2.0], [3.0]]), np.zeros((3, 1))
    votes = Votes(left, right, [Choice.LEFT, Choice.RIGHT, Choice.TIE])
    np.testing.assert_array_equal(won(votes), [[1.0], [-2.0]])


def test_ceilings_are_above_what_votes_teach(task: Task):
    found = ceilings(task)
    assert found is not None
    assert min(found) > 0.85


def test_time_is_taken(task: Task):
    seconds = seconds_a_vote(task, lambda: learners(task)["bald"], 4, 2)
    assert 0 < seconds.waited[0] < seconds.all[0] < 1
    assert seconds.all[1] >= 0


# ----------------------------------------------------------------------------------------------------------- rows


def outcome(value: float) -> Outcome:
    return {figure: dict.fromkeys((20, 50, 100), value) for figure in FIGURES}


def test_bars_are_for_the_strategy_on_the_embedded_pictures():
    trials = {
        Cell("embedded", "honest", learner, taste): [outcome(0.86), outcome(0.88)]
        for learner in (LOGISTIC, "bald")
        for taste in ("warm", "twilight")
    }
    rows = {row.what: row for row in rows_of(trials, "bald")}
    linear = rows["embedded · honest · bald · linear tastes · accuracy · 50"]
    assert (linear.value, linear.bar, linear.met) == (pytest.approx(0.87), "≥ 0.90", False)
    assert rows["embedded · honest · bald · other tastes · accuracy · 50"].met
    assert rows[f"embedded · honest · {LOGISTIC} · other tastes · accuracy · 50"].bar is None
    assert rows["embedded · honest · bald · worst log-loss (warm, 20 votes)"].met is False
    reached = rows[f"embedded · honest · bald · votes to reach {LOGISTIC} after 100, median over tastes"]
    assert (reached.value, reached.met) == (20, True)


def test_figures_that_were_not_taken_are_left_out():
    assert over_seeds([[outcome(0.5)]], ACCURACY, 200) is None


def test_row_of_something_missing_says_why():
    row = Row.left_out("flowers", "needs the pack")
    assert (row.value, row.note) == (None, "left out, needs the pack")
    assert Row.against("x", 3.0, "≤ 3").met


def test_tiny_benchmark_runs_and_says_what_is_missing(tmp_path: Path):
    spec = {
        "name": "taste",
        "preference": "linear(scale=0.5)",
        "sets": ("embedded", *SETS[1:2], "patterns"),
        "tastes": ("warm", "twilight"),
        "strategies": ("bald",),
        "manners": ("honest", "coin"),
        "images": 120,
        "pairs": 200,
        "packs": str(tmp_path),
    }
    rows = BENCHMARKS.make(spec).run(True, silent)
    told = {row.what: row for row in rows}
    for figure in FIGURES:
        assert told[f"embedded · honest · bald · all tastes · {figure} · 100"].error is not None
    assert "embedded · coin · bald · all tastes · log-loss · 100" in told
    for name, pack in (("flowers", "flowers_96.zip"), ("patterns", "binary_patterns_beauty.zip")):
        assert told[name].value is None
        assert pack in str(told[name].note)
    assert told["seconds a vote · bald"].value
    assert len(told) == len(rows)


# ---------------------------------------------------------------------------------------------------------- packs


def real(name: str, most: int, packs: Path) -> PictureSet:
    try:
        return picture_set(name, "descriptors", most, str(packs))
    except BadImages as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("name", "shape"), [("flowers", (3, 32, 32)), ("emoji", (3, 32, 32)), ("fashion", (1, 28, 28))]
)
def test_real_pictures_are_read(name: str, shape: tuple[int, int, int], data_packs: Path):
    found = real(name, 40, data_packs)
    assert found.images.shape == (40, *shape)
    assert found.pool == 20
    assert 0 <= float(found.images.min()) < 0.1
    assert 0.9 < float(found.images.max()) <= 1
    assert np.isfinite(found.features).all()


def test_emoji_are_on_white(data_packs: Path):
    corners = real("emoji", 100, data_packs).images[:, :, 0, 0]
    assert float((corners > 0.95).float().mean()) > 0.6


def test_missing_pack_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PENCHANT_DATA", raising=False)
    with pytest.raises(BadImages, match=r"needs the pack flowers_96.zip: PENCHANT_DATA is not set; set PENCHANT_DATA"):
        picture_set("flowers", "descriptors", 10, None)


# ------------------------------------------------------------------------------------------- tastes that change


def test_an_alarm_that_stays_is_one_and_is_timed_from_the_change():
    watch = changes.Watch({10: False, 20: True, 30: True, 40: False, 50: True})
    assert watch.alarms(30) == 1
    assert watch.alarms(50) == 2
    assert watch.first(after=15) == 5
    assert watch.first(after=35) == 15
    assert watch.first(after=50) == np.inf


def test_changes_are_measured_beside_a_model_that_knows_none(pictures: PictureSet, monkeypatch: pytest.MonkeyPatch):
    for name, value in {"AT": 40, "SINCE": 20, "OVER": 20, "CHANGES": changes.CHANGES[:2]}.items():
        monkeypatch.setattr(changes, name, value)
    constant = "linear(half_life=1e999, steady_votes=1e999)"
    setting = changes.Changing("linear", constant, "random", 20, 0.0, seeds=2, pairs=300)
    rows = {row.what: row for row in changes.change_rows(setting, pictures, silent)}
    before, later = (rows[f"sudden change after 40 votes · the model · accuracy · {votes}"] for votes in (40, 60))
    assert before.value is not None
    assert later.value is not None
    assert later.value > before.value + 0.2  # both against the new taste
    share = rows["sudden change after 40 votes · the model · share of the undisturbed accuracy 20 votes later"]
    assert share.bar == "≥ 0.8"
    assert {row.met for what, row in rows.items() if "false alarms" in what} <= {True, False}
    assert sum("slow change" in what for what in rows) == 16
