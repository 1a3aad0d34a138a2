"""The Bayesian linear head: update, refit, prediction, and what it does with awkward votes."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from penchant.core.contracts import PREFERENCE, Choice, Group, Posterior, Votes
from penchant.core.errors import BadConfiguration, BadVote
from penchant.preference.linear import Linear, LinearPosterior

GROUPS = (Group("colour", 0, 3), Group("shape", 3, 8))
WIDTH = 8


def voted(count: int, seed: int = 0, width: int = WIDTH, choices: Sequence[Choice] | None = None) -> Votes:
    """Votes of somebody who likes the first feature and dislikes the second."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, count, width))
    logit = 3 * (left - right)[:, 0] - 2 * (left - right)[:, 1]
    answers = [Choice.LEFT if rng.random() < expit(x) else Choice.RIGHT for x in logit]
    return Votes(left, right, answers if choices is None else choices)


def folded(posterior: LinearPosterior, votes: Votes) -> LinearPosterior:
    for left, right, choice in zip(votes.left, votes.right, votes.choices, strict=True):
        posterior = posterior.update(left, right, choice)
    return posterior


def assert_equal_bits(one: Posterior, other: Posterior) -> None:
    for name, array in one.state().items():
        assert array.tobytes() == other.state()[name].tobytes(), name


def test_linear_is_a_member_of_its_family():
    assert PREFERENCE.names() == ["linear"]
    assert PREFERENCE.make("linear(lapse=0)") == Linear(lapse=0)


def test_prior_knows_nothing():
    prior = Linear(scale=0.6).prior(GROUPS)
    features = np.eye(WIDTH)
    mean, sd = prior.utility(features)
    np.testing.assert_allclose(mean, 0)
    np.testing.assert_allclose(sd, [0.6 / np.sqrt(3)] * 3 + [0.6 / np.sqrt(5)] * 5)
    np.testing.assert_allclose(prior.predict(features[:4], features[4:]), 0.5)


def test_update_matches_the_exact_posterior_in_one_dimension():
    # Prior N(0, 1), one choice with difference 1: E[w | y] = 0.41321 and Var[w | y] = 0.82926 by quadrature of
    # σ(w)·N(w; 0, 1) with 200,000 points.
    grid = np.linspace(-10, 10, 200_001)
    density = expit(grid) * np.exp(-(grid**2) / 2)
    density /= density.sum()
    mean = float(density @ grid)
    variance = float(density @ (grid - mean) ** 2)
    belief = Linear(scale=1, lapse=0, side=0).prior([Group("only", 0, 1)]).update(np.ones(1), np.zeros(1), Choice.LEFT)
    found_mean, found_sd = belief.weights()
    np.testing.assert_allclose([found_mean[0], found_sd[0] ** 2], [mean, variance], rtol=1e-6)


def test_update_is_the_matrix_formula_of_assumed_density_filtering():
    belief = folded(Linear(side=0).prior(GROUPS), voted(5))
    votes = voted(1, seed=9)
    difference = votes.left[0] - votes.right[0]
    covariance = belief.factor @ belief.factor.T
    delta, v = difference @ belief.mean_weights, difference @ covariance @ difference
    mean, variance, _ = belief.likelihood.moments(delta, v, False)
    push = covariance @ difference
    after = belief.update(votes.left[0], votes.right[0], Choice.LEFT)
    np.testing.assert_allclose(after.mean_weights, belief.mean_weights + push * (mean - delta) / v)
    np.testing.assert_allclose(
        after.factor @ after.factor.T, covariance - np.outer(push, push) * (v - variance) / v**2, atol=1e-12
    )


def test_update_and_refit_agree_about_a_clear_taste():
    votes = voted(150)
    fixed = Linear(scale=3, scale_spread=0, consistency_spread=0, lapse=0)
    online, laplace = folded(fixed.prior(GROUPS), votes), fixed.prior(GROUPS).refit(votes)
    test = voted(400, seed=5)
    one, other = online.predict(test.left, test.right), laplace.predict(test.left, test.right)
    assert np.abs(one - other).mean() < 0.02
    np.testing.assert_allclose(online.weights()[1], laplace.weights()[1], rtol=0.25)


def test_update_does_not_change_the_belief_it_starts_from():
    prior = Linear().prior(GROUPS)
    before = {name: array.copy() for name, array in prior.state().items()}
    folded(prior, voted(3))
    for name, array in prior.state().items():
        np.testing.assert_array_equal(array, before[name])


@given(st.integers(0, 10_000), st.lists(st.sampled_from(list(Choice)), min_size=1, max_size=25))
@settings(max_examples=15, deadline=None)
def test_covariance_stays_positive_definite(seed: int, choices: list[Choice]):
    votes = voted(len(choices), seed, choices=choices)
    for belief in (folded(Linear().prior(GROUPS), votes), Linear().prior(GROUPS).refit(votes)):
        covariance = belief.covariance(np.eye(WIDTH))
        np.testing.assert_array_equal(covariance, covariance.T)
        assert np.linalg.eigvalsh(covariance).min() > 0
        assert all(np.isfinite(array).all() for array in belief.state().values())


def test_replay_gives_the_same_bits():
    votes = voted(30)
    for _ in range(2):
        assert_equal_bits(folded(Linear().prior(GROUPS), votes), folded(Linear().prior(GROUPS), votes))


def test_refit_depends_on_neither_order_nor_sides_nor_history():
    votes = voted(25, choices=[*voted(25).choices[:20], *[Choice.TIE] * 5])
    order = np.random.default_rng(4).permutation(25)
    shuffled = Votes(votes.left[order], votes.right[order], [votes.choices[i] for i in order])
    mirrored = Votes(votes.right, votes.left, [choice.swapped for choice in votes.choices])
    prior = Linear().prior(GROUPS)
    reference = prior.refit(votes)
    assert_equal_bits(reference, prior.refit(shuffled))
    other = prior.refit(mirrored)
    assert reference.mean_weights.tobytes() == other.mean_weights.tobytes()
    np.testing.assert_allclose(reference.factor @ reference.factor.T, other.factor @ other.factor.T, rtol=0, atol=1e-15)
    assert reference.side[0] == -other.side[0]
    assert_equal_bits(reference, folded(prior, votes).refit(votes))


def test_swap_negates():
    belief, test = Linear(side=0).prior(GROUPS).refit(voted(30)), voted(50, seed=8)
    one, other = belief.predict(test.left, test.right), belief.predict(test.right, test.left)
    np.testing.assert_allclose(one + other, 1, atol=1e-15)
    vote = voted(1, seed=9)
    assert_equal_bits(
        belief.update(vote.left[0], vote.right[0], Choice.LEFT),
        belief.update(vote.right[0], vote.left[0], Choice.RIGHT),
    )


def test_refit_learns_which_group_matters():
    belief = Linear().prior(GROUPS).refit(voted(120))
    colour, shape = belief.group_summary()
    assert colour["name"] == "colour"
    assert float(colour["scale"]) > 4 * float(shape["scale"])
    mean, sd = belief.weights()
    assert mean[0] - 2 * sd[0] > 0 > mean[1] + 2 * sd[1]
    test = voted(500, seed=6)
    truth = 3 * (test.left - test.right)[:, 0] - 2 * (test.left - test.right)[:, 1] > 0
    assert ((belief.predict(test.left, test.right) > 0.5) == truth).mean() > 0.9


def test_tie_brings_utilities_together():
    votes = voted(20)
    belief = Linear().prior(GROUPS).refit(votes)
    pair = voted(1, seed=11)
    before = abs(belief.predict(pair.left, pair.right)[0] - 0.5)
    assert before > 0.1
    after = belief.update(pair.left[0], pair.right[0], Choice.TIE)
    assert abs(after.predict(pair.left, pair.right)[0] - 0.5) < before


def test_refit_fits_the_margin_when_there_are_ties():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 200, WIDTH))
    delta = 3 * (left - right)[:, 0]
    few = [Choice.TIE if abs(x) < 0.3 else Choice.LEFT if x > 0 else Choice.RIGHT for x in delta]
    many = [Choice.TIE if abs(x) < 2.5 else Choice.LEFT if x > 0 else Choice.RIGHT for x in delta]
    prior = Linear().prior(GROUPS)
    narrow, wide = (prior.refit(Votes(left, right, choices)).likelihood.margin for choices in (few, many))
    assert 0 < narrow < wide
    assert prior.refit(voted(20)).likelihood.margin == 0


def test_refit_finds_lapses():
    votes, rng = voted(200, seed=1), np.random.default_rng(2)
    sure = [Choice.LEFT if a[0] > b[0] else Choice.RIGHT for a, b in zip(votes.left, votes.right, strict=True)]
    careless = [choice.swapped if rng.random() < 0.15 else choice for choice in sure]
    prior = Linear(lapse_spread=1).prior(GROUPS)
    clean, noisy = (prior.refit(Votes(votes.left, votes.right, choices)) for choices in (sure, careless))
    assert clean.likelihood.lapse < 0.04
    assert 0.15 < noisy.likelihood.lapse < 0.45


@pytest.mark.parametrize("count", [0, 1, 2])
def test_refit_is_modest_with_few_votes(count: int):
    belief = Linear().prior(GROUPS).refit(voted(count))
    probabilities = belief.predict(*np.random.default_rng(0).normal(size=(2, 50, WIDTH)))
    assert ((probabilities > 0.02) & (probabilities < 0.98)).all()
    if count == 0:
        assert_equal_bits(belief, Linear().prior(GROUPS))


def test_refit_of_contradictory_votes_claims_nothing():
    votes = voted(10)
    left, right = np.concatenate([votes.left] * 2), np.concatenate([votes.right] * 2)
    belief = Linear().prior(GROUPS).refit(Votes(left, right, [Choice.LEFT] * 10 + [Choice.RIGHT] * 10))
    np.testing.assert_allclose(belief.mean_weights, 0, atol=1e-8)


@pytest.mark.parametrize("choice", [Choice.TIE, Choice.SKIP, Choice.BOTH_BAD])
def test_refit_of_votes_without_a_winner_prefers_nothing(choice: Choice):
    belief = Linear().prior(GROUPS).refit(voted(12, choices=[choice] * 12))
    np.testing.assert_allclose(belief.mean_weights, 0, atol=1e-8)


@pytest.mark.parametrize("choice", [Choice.SKIP, Choice.BOTH_BAD])
def test_update_by_a_silent_answer_changes_nothing(choice: Choice):
    prior, vote = Linear().prior(GROUPS), voted(1)
    assert prior.update(vote.left[0], vote.right[0], choice) is prior


def test_identical_images_change_nothing():
    belief, image = Linear().prior(GROUPS), np.ones(WIDTH)
    assert belief.update(image, image, Choice.LEFT) is belief
    votes = voted(9)
    with_twin = Votes(np.vstack([votes.left, image]), np.vstack([votes.right, image]), [*votes.choices, Choice.LEFT])
    assert_equal_bits(belief.refit(votes), belief.refit(with_twin))


def test_refit_survives_a_group_without_variance():
    votes = voted(30)
    left, right = votes.left.copy(), votes.right.copy()
    left[:, 3:] = right[:, 3:] = 1.0
    belief = Linear().prior(GROUPS).refit(Votes(left, right, votes.choices))
    assert all(np.isfinite(array).all() for array in belief.state().values())
    np.testing.assert_allclose(belief.scales[1], Linear().scale, rtol=1e-6)


def test_coin_tosses_do_not_make_it_confident():
    rng = np.random.default_rng(3)
    losses: list[float] = []
    for seed in range(6):
        choices = [Choice.LEFT if toss else Choice.RIGHT for toss in rng.random(60) < 0.5]
        belief = Linear().prior(GROUPS).refit(voted(60, seed, choices=choices))
        p = belief.predict(*rng.normal(size=(2, 200, WIDTH)))
        losses.append(float(-0.5 * (np.log(p) + np.log(1 - p)).mean()))
    assert np.mean(losses) < 0.72


def test_consistency_shrinks_all_groups_of_a_coin_tosser():
    rng = np.random.default_rng(3)
    tossed = voted(80, choices=[Choice.LEFT if toss else Choice.RIGHT for toss in rng.random(80) < 0.5])
    groups = [Group(f"column {i}", i, i + 1) for i in range(WIDTH)]
    shared, apart = (Linear(consistency_spread=spread).prior(groups).refit(tossed).scales for spread in (3, 0))
    assert (shared < 0.7 * apart).all()
    assert Linear().prior(groups).refit(voted(80)).scales[0] > Linear().scale


@pytest.mark.parametrize("factor", [1e-6, 1e4])
def test_refit_survives_features_of_any_size(factor: float):
    votes = voted(40)
    sure = [Choice.LEFT if a[0] > b[0] else Choice.RIGHT for a, b in zip(votes.left, votes.right, strict=True)]
    belief = Linear().prior(GROUPS).refit(Votes(votes.left * factor, votes.right * factor, sure))
    assert all(np.isfinite(array).all() for array in belief.state().values())


def test_bad_features_are_named():
    prior, votes = Linear().prior(GROUPS), voted(4)
    broken = votes.left.copy()
    broken[2, 5] = np.nan
    with pytest.raises(BadVote, match=r"row 2 .*columns 5"):
        prior.refit(Votes(broken, votes.right, votes.choices))
    with pytest.raises(BadVote, match="finite"):
        prior.update(broken[2], votes.right[2], Choice.LEFT)
    with pytest.raises(BadVote, match="5 wide; this taste was begun with 8"):
        prior.update(np.ones(5), np.ones(5), Choice.LEFT)
    with pytest.raises(BadVote, match="3 choices for 4 left"):
        prior.refit(Votes(votes.left, votes.right, votes.choices[:3]))


@pytest.mark.parametrize("groups", [[], [Group("a", 0, 2), Group("b", 3, 4)], [Group("a", 1, 2)], [Group("a", 0, 0)]])
def test_groups_with_gaps_are_refused(groups: list[Group]):
    with pytest.raises(BadConfiguration):
        Linear().prior(groups)


def test_bad_settings_are_refused():
    for spec in ("linear(scale=0)", "linear(lapse=1.0)", "linear(scale_spread=-1.0)", "linear(margin=0)"):
        with pytest.raises(BadConfiguration):
            PREFERENCE.make(spec)


def test_pool_functions_agree_with_weights():
    belief = Linear().prior(GROUPS).refit(voted(25))
    features = np.random.default_rng(0).normal(size=(5000, WIDTH)).astype(np.float32)
    mean, sd = belief.utility(features)
    assert mean.dtype == sd.dtype == np.float32
    exact = features.astype(float)
    np.testing.assert_allclose(mean, exact @ belief.mean_weights, atol=1e-5)
    np.testing.assert_allclose(sd[:50], np.sqrt(np.diag(belief.covariance(exact[:50]))), rtol=1e-4)
    np.testing.assert_array_equal(belief.mean(features), mean)


def test_draws_have_the_posterior_mean_and_covariance():
    belief = Linear().prior(GROUPS).refit(voted(25))
    features = np.random.default_rng(0).normal(size=(4, WIDTH))
    draws = belief.draw(features, 20_000, np.random.default_rng(1))
    assert draws.shape == (20_000, 4)
    covariance = belief.covariance(features)
    np.testing.assert_allclose(draws.mean(0), belief.mean(features), atol=4 * np.sqrt(covariance.max() / 20_000))
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.05 * np.abs(covariance).max())
    np.testing.assert_array_equal(draws[:, :2], belief.draw(features, 20_000, np.random.default_rng(1))[:, :2])


OPTIONAL = (*GROUPS, Group("noise", 8, 20, optional=True))


def test_optional_groups_stay_out_where_the_votes_do_not_need_them():
    votes = voted(60, width=20)
    with_noise, without = Linear().prior(OPTIONAL), Linear().prior(GROUPS)
    belief, plain = with_noise.refit(votes), without.refit(Votes(votes.left[:, :8], votes.right[:, :8], votes.choices))
    assert [group.name for group in belief.used] == ["colour", "shape"]
    assert_equal_bits(belief, plain)
    test = voted(30, seed=3, width=20)
    np.testing.assert_array_equal(
        belief.predict(test.left, test.right), plain.predict(test.left[:, :8], test.right[:, :8])
    )
    np.testing.assert_array_equal(belief.covariance(test.left), plain.covariance(test.left[:, :8]))


def test_optional_groups_come_in_when_the_votes_speak_for_them():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 80, 20))
    choices = [Choice.LEFT if a > b else Choice.RIGHT for a, b in zip(left[:, 10], right[:, 10], strict=True)]
    belief = Linear().prior(OPTIONAL).refit(Votes(left, right, choices))
    assert belief.used == OPTIONAL
    assert abs(belief.mean_weights[10]) > 3 * np.abs(np.delete(belief.mean_weights, 10)).max()


def test_a_later_stage_of_optional_groups_can_stay_out_alone():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 120, 9))
    groups = (Group("plain", 0, 3), Group("squares", 3, 5, optional=1), Group("noise", 5, 9, optional=2))
    for told, used in ((3, groups[:2]), (6, groups), (0, groups[:1])):
        choices = [Choice.LEFT if gain > 0 else Choice.RIGHT for gain in (left - right)[:, told]]
        assert Linear().prior(groups).refit(Votes(left, right, choices)).used == used


def test_optional_groups_must_come_last():
    with pytest.raises(BadConfiguration, match="after all others"):
        Linear().prior((GROUPS[0], Group("noise", 3, 5, optional=True), Group("shape", 5, 8)))
    with pytest.raises(BadConfiguration, match="not optional"):
        Linear().prior((Group("noise", 0, 5, optional=True),))


def test_conviction_is_the_posterior_probability_of_a_taste():
    prior = Linear(scale_spread=0, consistency_spread=0, lapse_spread=0, doubt=0.5).prior(GROUPS)
    assert prior.conviction == pytest.approx(0.5)
    votes = voted(40)
    assert folded(prior, votes).conviction > 0.9
    assert prior.refit(votes).conviction > 0.9
    one = prior.update(votes.left[0], votes.right[0], votes.choices[0])
    # Nothing is known yet: both answers are as probable as under a toss, so one vote says nothing about conviction.
    assert one.conviction == pytest.approx(0.5, abs=1e-3)


def test_conviction_is_low_for_coin_tosses():
    rng = np.random.default_rng(3)
    found: list[float] = []
    for seed in range(8):
        choices = [Choice.LEFT if toss else Choice.RIGHT for toss in rng.random(60) < 0.5]
        found.append(Linear().prior(GROUPS).refit(voted(60, seed, choices=choices)).conviction)
    assert np.median(found) < 0.5


def rated(effect: float, votes: int = 240, images: int = 40, seed: int = 0) -> tuple[Votes, np.ndarray, np.ndarray]:
    """Votes on a few images, each liked or not for reasons of its own; and fresh images with what they are worth."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(images + 2000, WIDTH))
    utility = 2 * features[:, 0] - features[:, 1] + effect * rng.normal(size=len(features))
    pairs = np.array([rng.choice(images, 2, replace=False) for _ in range(votes)])
    left_wins = rng.random(votes) < expit(utility[pairs[:, 0]] - utility[pairs[:, 1]])
    choices = [Choice.LEFT if wins else Choice.RIGHT for wins in left_wins]
    return Votes(features[pairs[:, 0]], features[pairs[:, 1]], choices), features[images:], utility[images:]


def test_what_is_particular_to_an_image_is_not_taken_for_taste():
    losses: dict[str, list[float]] = {"with": [], "without": []}
    for seed in range(5):
        votes, features, utility = rated(2.0, seed=seed)
        won = np.random.default_rng(seed).random(1000) < expit(utility[:1000] - utility[1000:])
        for name, component in (("with", Linear()), ("without", Linear(image=1e-6, image_spread=0))):
            p = component.prior(GROUPS).refit(votes).predict(features[:1000], features[1000:])
            losses[name].append(float(-np.log(np.where(won, p, 1 - p)).mean()))
    assert np.mean(losses["with"]) < np.mean(losses["without"]) - 0.005


def test_image_effect_is_found_where_there_is_one():
    belief = Linear().prior(GROUPS).refit(rated(2.0)[0])
    assert 1.2 < belief.image < 3
    assert Linear().prior(GROUPS).refit(rated(0.0)[0]).image < 0.6
    assert Linear().prior(GROUPS).refit(voted(60)).image == 0


def test_refit_integrates_image_effects_out():
    votes, *_ = rated(2.0, votes=120, images=30)
    belief = Linear(lapse=0, side=0).prior(GROUPS).refit(votes)
    often = {row.tobytes() for row in np.vstack([votes.left, votes.right])}
    names = sorted(often)
    incidence = np.zeros((len(votes), len(names)))
    for row, (a, b, choice) in enumerate(zip(votes.left, votes.right, votes.choices, strict=True)):
        sign = 1.0 if choice is Choice.LEFT else -1.0
        incidence[row, names.index(a.tobytes())] += sign
        incidence[row, names.index(b.tobytes())] -= sign
    shown = np.abs(incidence).sum(0) >= 3
    sign = np.array([1.0 if choice is Choice.LEFT else -1.0 for choice in votes.choices])[:, None]
    scales = np.repeat(belief.scales / np.sqrt([3, 5]), [3, 5])
    design = np.hstack([sign * (votes.left - votes.right) * scales, belief.image * incidence[:, shown]])

    def loss(omega: np.ndarray) -> float:
        return float(np.logaddexp(0, -design @ omega).sum() + omega @ omega / 2)

    omega = minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-7}).x
    p = expit(design @ omega)
    covariance = np.linalg.inv(np.eye(len(omega)) + (design.T * (p * (1 - p))) @ design)[:8, :8]
    np.testing.assert_allclose(belief.mean_weights, scales * omega[:8], atol=1e-4)
    np.testing.assert_allclose(belief.factor @ belief.factor.T, scales[:, None] * covariance * scales, atol=1e-5)
