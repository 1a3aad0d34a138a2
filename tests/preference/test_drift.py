"""A taste that changes: its evidence, the belief about the present, the alarm, and all of it where nothing changes."""

import numpy as np
import pytest
from scipy.special import expit

from penchant.core.contracts import Choice, Group, Votes
from penchant.preference._change import FIRST, WORTH, suspicion
from penchant.preference._course import Broken, Course, Fading, present_belief, remembered_evidence
from penchant.preference._design import Design, Scales, design
from penchant.preference._fitting import HyperPrior
from penchant.preference._laplace import Evidence, evidence
from penchant.preference._likelihood import Terms, VoteLikelihood
from penchant.preference._observations import observe
from penchant.preference.linear import Linear, LinearPosterior

GROUPS = (Group("colour", 0, 3), Group("shape", 3, 8))
WIDTH = 8
TASTE = np.array([3.0, -2.0, 0, 0, 0, 1.0, 0, 0])
OTHER = np.array([-2.0, 0, 2.0, 0, -2.0, 0, 0, 1.0])
STILL = Linear(half_life=np.inf, steady_votes=np.inf)
WHEN = np.array([9, 3, 4, 0, 7, 12, 5, 8, 1, 10, 13, 6])
COURSES = [Fading(WHEN, 14, 6.0, 1.0), Broken(WHEN, 6, 1.0)]


PRIOR = HyperPrior(3.0, 0.03, 0.4, 0.3, 0.7)


def designed(votes: Votes) -> Design:
    """Without a pull to a side."""
    scales = Scales(0.4, 1.25, 0.5, side=0.0, side_spread=0.0, threshold=2.0, image=0.3, image_spread=1.0)
    return design(observe(votes, WIDTH), GROUPS, scales, {})


def voted(tastes: np.ndarray, seed: int = 0, lapse: float = 0.02) -> Votes:
    """Row t of ``tastes`` is the taste of vote t."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, *tastes.shape))
    chance = lapse / 2 + (1 - lapse) * expit(((left - right) * tastes).sum(1))
    return Votes(left, right, [Choice.LEFT if rng.random() < p else Choice.RIGHT for p in chance])


def changed(before: int, since: int) -> np.ndarray:
    return np.concatenate([np.tile(TASTE, (before, 1)), np.tile(OTHER, (since, 1))])


def accuracy(belief: LinearPosterior, taste: np.ndarray) -> float:
    left, right = np.random.default_rng(99).normal(size=(2, 4000, WIDTH))
    difference = left - right
    return float(((difference @ taste > 0) == (belief.mean(left) > belief.mean(right))).mean())


def example(votes: int = len(WHEN)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(votes)
    return rng.normal(size=(votes, 5)) * 0.7, rng.normal(size=(votes, 3)) * 0.4, rng.random(votes) < 0.3


@pytest.mark.parametrize("course", COURSES)
def test_evidence_gradient_matches_finite_differences(course: Course):
    moving, staying, ties = example()
    step = 1e-5

    def at(move: np.ndarray | None = None, parameter: float = 0.3, lapse: float = 0.1, margin: float = 0.3):
        scales = np.exp(np.zeros(8) if move is None else move)
        memory = course.memory(parameter)
        return remembered_evidence(
            moving * scales[:5], staying * scales[5:], memory, ties, VoteLikelihood(lapse, margin)
        )

    def slope(up: tuple[Evidence, float], down: tuple[Evidence, float]) -> float:
        return (up[0].value - down[0].value) / (2 * step)

    here, by_course = at()
    numeric = [slope(at(step * unit), at(-step * unit)) for unit in np.eye(8)]
    np.testing.assert_allclose(here.by_column, numeric, atol=1e-7)
    np.testing.assert_allclose(by_course, slope(at(parameter=0.3 + step), at(parameter=0.3 - step)), atol=1e-7)
    np.testing.assert_allclose(here.by_lapse, slope(at(lapse=0.1 + step), at(lapse=0.1 - step)), atol=1e-6)
    np.testing.assert_allclose(here.by_margin, slope(at(margin=0.3 + step), at(margin=0.3 - step)), atol=1e-6)


@pytest.mark.parametrize("course", [Fading(WHEN, 14, np.inf, 1.0), Broken(WHEN, 0, 1.0)])
def test_a_course_without_change_has_the_evidence_of_none(course: Course):
    moving, staying, ties = example()
    found, by_course = remembered_evidence(moving, staying, course.memory(0.0), ties, VoteLikelihood(0.1, 0.3))
    plain = evidence(np.hstack([moving, staying]), ties, VoteLikelihood(0.1, 0.3))
    np.testing.assert_allclose(found.value, plain.value, rtol=1e-12)
    np.testing.assert_allclose(found.by_column, plain.by_column, atol=1e-10)
    assert by_course == 0


class Gaussian(VoteLikelihood):
    """A vote is the utility difference itself plus N(0, noise); one that a Kalman filter can follow."""

    noise = 0.5

    def terms(self, f: np.ndarray, ties: np.ndarray) -> Terms:
        seen, ones = np.where(ties, -0.4, 0.9), np.ones_like(f)
        log = -((seen - f) ** 2) / (2 * self.noise) - 0.5 * np.log(2 * np.pi * self.noise)
        return Terms(log, (seen - f) / self.noise, ones / self.noise, ones / self.noise, 0 * f)


def test_fading_is_what_a_kalman_filter_finds():
    moving, staying, ties = example()
    width, still = moving.shape[1], staying.shape[1]
    rho = 0.5 ** (1 / 6.0)
    rate = np.concatenate([np.full(width, rho), np.ones(still)])
    mean: np.ndarray = np.zeros(width + still)
    covariance: np.ndarray = np.eye(width + still)
    log_evidence = 0.0
    for time in range(14):
        for row in np.flatnonzero(time == WHEN):
            seen, design = (-0.4 if ties[row] else 0.9), np.concatenate([moving[row], staying[row]])
            error, variance = seen - design @ mean, design @ covariance @ design + Gaussian.noise
            log_evidence -= 0.5 * (error**2 / variance + np.log(2 * np.pi * variance))
            gain = covariance @ design / variance
            mean, covariance = mean + gain * error, covariance - np.outer(gain, gain) * variance
        mean, covariance = rate * mean, rate[:, None] * covariance * rate + np.diag(1 - rate**2)
    memory = COURSES[0].memory(0.0)
    found, _ = remembered_evidence(moving, staying, memory, ties, Gaussian())
    weights, root = present_belief(moving, staying, memory, ties, Gaussian())
    np.testing.assert_allclose(found.value, log_evidence, rtol=1e-10)
    np.testing.assert_allclose(weights, mean[:width], atol=1e-10)
    np.testing.assert_allclose(root @ root.T, covariance[:width, :width], atol=1e-10)


@pytest.mark.parametrize("course", COURSES)
def test_the_covariance_now_is_positive_definite_however_sure(course: Course):
    moving, staying, ties = example()
    for factor in (1e-6, 1.0, 1e4):
        _, root = present_belief(moving * factor, staying, course.memory(0.3), ties, VoteLikelihood(0.05, 0.3))
        assert np.linalg.eigvalsh(root @ root.T).min() > 0


def test_memory_of_broken_is_one_on_either_side():
    memory = Broken(np.array([0, 2, 1]), 2, 1.0).memory(0.5)
    kept = np.tanh(0.5)
    np.testing.assert_allclose(memory.among, [[1, kept, 1], [kept, 1, kept], [1, kept, 1]])
    np.testing.assert_allclose(memory.now, [kept, 1, kept])


def test_a_change_of_mind_is_noticed_and_followed():
    votes = voted(changed(80, 40))
    belief = Linear().prior(GROUPS).refit(votes)
    assert belief.change is not None
    assert abs(belief.change.at - 80) <= 5
    assert belief.change.ago == 120 - belief.change.at
    assert 0.5 < belief.change.probability <= 1
    assert accuracy(belief, OTHER) > accuracy(STILL.prior(GROUPS).refit(votes), OTHER) + 0.08
    assert accuracy(belief, OTHER) > 0.8
    assert Linear().prior(GROUPS).refit(voted(changed(80, 0))).change is None


def test_of_two_changes_the_last_is_told():
    tastes = np.concatenate([changed(80, 60), np.tile(TASTE, (60, 1))])
    belief = Linear().prior(GROUPS).refit(voted(tastes))
    assert belief.change is not None
    assert abs(belief.change.at - 140) <= 5
    assert accuracy(belief, TASTE) > 0.85


def test_an_old_change_stays_known_when_many_votes_came_since():
    votes = voted(changed(60, 300))
    belief = Linear().prior(GROUPS).refit(votes)
    assert belief.change is not None
    assert abs(belief.change.at - 60) <= 15
    since = Votes(votes.left[belief.change.at :], votes.right[belief.change.at :], votes.choices[belief.change.at :])
    np.testing.assert_allclose(belief.mean_weights, STILL.prior(GROUPS).refit(since).mean_weights, atol=0.05)


def test_a_drift_is_followed_and_its_half_life_found():
    gains: list[float] = []
    for seed in range(3):
        rng, rho = np.random.default_rng(seed), 0.5 ** (1 / 25)
        tastes = rng.normal(size=(240, WIDTH))
        for vote in range(1, 240):
            tastes[vote] = rho * tastes[vote - 1] + np.sqrt(1 - rho**2) * tastes[vote]
        votes = voted(tastes, seed)
        belief, still = (model.prior(GROUPS).refit(votes) for model in (Linear(steady_votes=np.inf), STILL))
        assert 12 < belief.half_life < 50
        gains.append(accuracy(belief, tastes[-1]) - accuracy(still, tastes[-1]))
    assert np.mean(gains) > 0.1


def test_a_taste_that_stays_has_no_half_life():
    for seed in range(3):
        belief = Linear().prior(GROUPS).refit(voted(changed(120, 0), seed))
        still = STILL.prior(GROUPS).refit(voted(changed(120, 0), seed))
        assert belief.half_life == np.inf
        assert belief.mean_weights.tobytes() == still.mean_weights.tobytes()


@pytest.mark.parametrize("seed", range(3))
def test_a_voter_who_slips_raises_no_alarm(seed: int):
    votes = voted(changed(150, 0), seed, lapse=0.2)
    for count in range(30, 151, 20):
        some = Votes(votes.left[:count], votes.right[:count], votes.choices[:count])
        assert Linear().prior(GROUPS).refit(some).change is None


def test_no_suspicion_before_there_is_a_taste_to_change():
    few = designed(voted(changed(FIRST + 4, 0)))
    assert suspicion(few, PRIOR.fit(few)[0]).amount == -np.inf


def test_suspicion_is_the_ratio_of_evidences_summed_over_places():
    votes = voted(changed(30, 10))
    problem = designed(votes)
    hyper, _ = PRIOR.fit(problem)
    columns = hyper.columns(problem.blocks)[:WIDTH]
    signs = np.array([1 if choice is Choice.LEFT else -1 for choice in votes.choices])
    rows = (votes.left - votes.right) * signs[:, None] * columns

    def log_z(part: np.ndarray) -> float:
        return evidence(part, np.zeros(len(part), dtype=bool), hyper.likelihood).value

    gained = np.array([log_z(rows[:place]) + log_z(rows[place:]) - log_z(rows) for place in (30, 35)])
    ratios = gained + np.log(5) - WORTH * np.array([10, 5])
    found = suspicion(problem, hyper)
    np.testing.assert_allclose(found.amount, np.logaddexp(*ratios), atol=1e-3)
    np.testing.assert_allclose(found.rest, np.logaddexp(*ratios) - gained[np.argmax(ratios)], atol=1e-3)
    assert found.at == (30, 35)[int(np.argmax(ratios))]


def test_refit_where_the_taste_changed_gives_equal_bits_and_depends_on_order():
    votes, prior = voted(changed(60, 40)), Linear().prior(GROUPS)
    belief = prior.refit(votes)
    assert belief.change is not None
    mirrored = Votes(votes.right, votes.left, [choice.swapped for choice in votes.choices])
    other = prior.refit(mirrored)
    assert belief.mean_weights.tobytes() == other.mean_weights.tobytes()
    assert belief.side[0] == -other.side[0]
    for other in (prior.refit(votes), belief.refit(votes)):
        for name, array in belief.state().items():
            assert array.tobytes() == other.state()[name].tobytes(), name
    turned = Votes(votes.left[::-1], votes.right[::-1], votes.choices[::-1])
    assert not np.allclose(prior.refit(turned).mean_weights, belief.mean_weights, atol=0.1)


def test_columns_of_a_group_may_change_places_where_the_taste_changed():
    votes, order = voted(changed(60, 40)), np.array([2, 0, 1, 5, 7, 3, 4, 6])
    belief = Linear().prior(GROUPS).refit(votes)
    moved = Linear().prior(GROUPS).refit(Votes(votes.left[:, order], votes.right[:, order], votes.choices))
    assert moved.change == belief.change
    np.testing.assert_allclose(moved.mean_weights, belief.mean_weights[order], atol=1e-3)


@pytest.mark.parametrize("choice", [Choice.TIE, Choice.SKIP, Choice.BOTH_BAD, Choice.LEFT])
def test_votes_that_tell_nothing_raise_no_alarm(choice: Choice):
    votes = voted(changed(60, 0))
    belief = Linear().prior(GROUPS).refit(Votes(votes.left, votes.right, [choice] * 60))
    assert belief.change is None
    assert all(np.isfinite(array).all() for array in belief.state().values())


def test_contradictory_votes_and_coin_tosses_raise_no_alarm():
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(2, 1, WIDTH))
    sides = [Choice.LEFT, Choice.RIGHT] * 40
    same = Votes(np.repeat(left, 80, axis=0), np.repeat(right, 80, axis=0), sides)
    tossed = voted(np.zeros((120, WIDTH)), seed=4)
    for votes in (same, tossed):
        belief = Linear().prior(GROUPS).refit(votes)
        assert belief.change is None
        assert np.linalg.eigvalsh(belief.covariance(np.eye(WIDTH))).min() > 0


def test_silent_votes_count_as_time():
    votes = voted(changed(60, 30))
    quiet = Votes(
        np.concatenate([votes.left, votes.left[:10]]),
        np.concatenate([votes.right, votes.right[:10]]),
        [*votes.choices, *[Choice.SKIP] * 10],
    )
    belief, later = (Linear(half_life=np.inf).prior(GROUPS).refit(some) for some in (votes, quiet))
    assert belief.change is not None
    assert later.change is not None
    assert (later.change.at, later.change.ago) == (belief.change.at, belief.change.ago + 10)


def test_refuses_settings_that_mean_nothing():
    for wrong in ({"half_life": 0}, {"half_life_spread": -1}, {"steady_votes": 1}, {"drift_odds": -0.1}):
        with pytest.raises(ValueError, match="half_life"):
            Linear(**wrong)
