"""What an answer owes to the side, to thresholds and to what was known before; likes, rejections and signals."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from penchant.core.contracts import LIKE, Choice, Group, PriorTaste, Singles, Votes
from penchant.core.errors import BadConfiguration, BadVote
from penchant.preference._laplace import evidence
from penchant.preference._likelihood import VoteLikelihood
from penchant.preference._observations import BOTH_BAD, observe
from penchant.preference.linear import Linear

GROUPS = (Group("colour", 0, 3), Group("shape", 3, 6))
TASTE = np.array([2.0, -1.0, 0.0, 0.5, 0.0, 0.0])
NONE = np.zeros((0, 6))


def voted(count: int, seed: int = 0, side: float = 0.0, bad_under: float | None = None) -> Votes:
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, count, 6))
    choices = [Choice.LEFT if rng.random() < expit(x) else Choice.RIGHT for x in (left - right) @ TASTE + side]
    if bad_under is not None:
        bad = np.maximum(left @ TASTE, right @ TASTE) < bad_under
        choices = [Choice.BOTH_BAD if both else choice for both, choice in zip(bad, choices, strict=True)]
    return Votes(left, right, choices)


def treated(count: int, channel: str, strength: float, seed: int = 1, exposure: float = 1.0) -> Singles:
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(count, 6))
    positive = rng.random(count) < exposure * expit(strength * (images @ TASTE) - 0.5)
    return Singles(images, list(positive), [channel] * count, [exposure] * count)


def with_singles(votes: Votes, *singles: Singles) -> Votes:
    return Votes(
        votes.left,
        votes.right,
        votes.choices,
        Singles(
            np.concatenate([one.images for one in singles]),
            [value for one in singles for value in one.positive],
            [str(value) for one in singles for value in one.channels],
            [value for one in singles for value in one.exposure],
        ),
    )


def alignment(weights: np.ndarray) -> float:
    return float(weights @ TASTE / (np.linalg.norm(weights) * np.linalg.norm(TASTE)))


@pytest.mark.parametrize("shape", [(12, 20), (40, 6)])
def test_evidence_gradient_with_offset_weights_and_singles(shape: tuple[int, int]):
    rng = np.random.default_rng(shape[0])
    design, offset, weights = rng.normal(size=shape) * 0.6, rng.normal(size=shape[0]), rng.uniform(0.2, 1, shape[0])
    ties = rng.random(shape[0]) < 0.25
    single = ~ties & (rng.random(shape[0]) < 0.4)
    logs, step = rng.normal(size=shape[1]) * 0.3, 1e-5

    def at(move: np.ndarray, lapse: float = 0.1, margin: float = 0.3):
        likelihood = VoteLikelihood(lapse, margin)
        return evidence(design * np.exp(logs + move), ties, likelihood, offset=offset, weights=weights, single=single)

    here, still = at(np.zeros(shape[1])), np.zeros(shape[1])
    numeric = [(at(step * unit).value - at(-step * unit).value) / (2 * step) for unit in np.eye(shape[1])]
    np.testing.assert_allclose(here.by_column, numeric, atol=1e-6)
    by_lapse = (at(still, 0.1 + step).value - at(still, 0.1 - step).value) / (2 * step)
    by_margin = (at(still, 0.1, 0.3 + step).value - at(still, 0.1, 0.3 - step).value) / (2 * step)
    np.testing.assert_allclose([here.by_lapse, here.by_margin], [by_lapse, by_margin], atol=1e-5)


def test_the_pull_of_a_side_is_learned_and_is_no_taste():
    belief = Linear().prior(GROUPS).refit(voted(400, side=1.0))
    mean, sd = belief.side
    assert abs(mean - 1.0) < 3 * sd < 0.8
    features = np.random.default_rng(3).normal(size=(5, 6))
    np.testing.assert_allclose(belief.predict(features, features), 0.5)
    assert (belief.foretell(features, features) > 0.6).all()
    one, other = belief.predict(features[:2], features[2:4]), belief.predict(features[2:4], features[:2])
    np.testing.assert_allclose(one + other, 1, atol=1e-15)
    assert abs(Linear().prior(GROUPS).refit(voted(400)).side[0]) < 0.3


def test_online_updates_learn_the_side_too():
    votes, belief = voted(300, side=1.5), Linear(side=1.0).prior(GROUPS)
    for left, right, choice in zip(votes.left, votes.right, votes.choices, strict=True):
        belief = belief.update(left, right, choice)
    assert 0.8 < belief.side[0] < 2.2


def test_always_the_same_side_is_no_taste():
    left, right = np.random.default_rng(0).normal(size=(2, 60, 6))
    belief = Linear().prior(GROUPS).refit(Votes(left, right, [Choice.LEFT] * 60))
    assert np.abs(belief.predict(left, right) - 0.5).mean() < 0.05
    assert belief.foretell(left, right).mean() > 0.9


def test_both_bad_tells_what_is_good_and_what_is_not():
    plain, rejecting = voted(60), voted(60, bad_under=0.5)
    assert rejecting.choices.count(Choice.BOTH_BAD) > 15
    belief = Linear().prior(GROUPS).refit(rejecting)
    assert belief.strengths[BOTH_BAD] > 0
    left_out = [choice is not Choice.BOTH_BAD for choice in rejecting.choices]
    kept = Votes(
        plain.left[left_out], plain.right[left_out], [c for c, k in zip(rejecting.choices, left_out, strict=True) if k]
    )
    assert alignment(belief.weights()[0]) > alignment(Linear().prior(GROUPS).refit(kept).weights()[0])


def test_likes_alone_teach_a_taste():
    votes = with_singles(Votes(NONE, NONE, []), treated(150, LIKE, 1.0))
    belief = Linear().prior(GROUPS).refit(votes)
    assert alignment(belief.weights()[0]) > 0.9
    assert belief.conviction > 0.95


def test_likes_at_random_teach_none():
    rng = np.random.default_rng(0)
    votes = with_singles(Votes(NONE, NONE, []), treated(150, LIKE, 0.0))
    belief = Linear().prior(GROUPS).refit(votes)
    left, right = rng.normal(size=(2, 100, 6))
    assert np.abs(belief.predict(left, right) - 0.5).mean() < 0.08


def test_the_mode_with_likes_is_what_a_general_optimiser_finds():
    votes = with_singles(voted(30), treated(20, LIKE, 1.0))
    belief = Linear(lapse=0, side=0).prior(GROUPS).refit(votes)
    scales = np.repeat(belief.scales / np.sqrt(3), 3)
    signs = np.array([1.0 if choice is Choice.LEFT else -1.0 for choice in votes.choices])
    liked = np.where(votes.singles.positive, 1.0, -1.0)
    strength = belief.strengths[LIKE]
    design = np.vstack(
        [
            np.hstack([signs[:, None] * (votes.left - votes.right) * scales, np.zeros((30, 1))]),
            np.hstack([liked[:, None] * votes.singles.images * scales * strength, -2.0 * liked[:, None]]),
        ]
    )

    def loss(omega: np.ndarray) -> float:
        return float(np.logaddexp(0, -design @ omega).sum() + omega @ omega / 2)

    omega = minimize(loss, np.zeros(7), method="BFGS", options={"gtol": 1e-8}).x
    np.testing.assert_allclose(belief.mean_weights, scales * omega[:6], atol=1e-5)
    np.testing.assert_allclose(belief.nuisance_mean[1], 2.0 * omega[6], atol=1e-5)


def test_a_like_updates_online_once_its_threshold_is_known():
    belief = Linear().prior(GROUPS).refit(with_singles(voted(30), treated(30, LIKE, 1.0)))
    image = np.eye(6)[5]
    assert belief.update_single(image, True).mean(image[None])[0] > belief.mean(image[None])[0]
    assert belief.update_single(image, False).mean(image[None])[0] < belief.mean(image[None])[0]
    assert belief.update_single(image, True, "download") is belief
    with pytest.raises(BadVote, match="finite"):
        belief.update_single(np.full(6, np.nan), True)


def test_a_signal_counts_only_where_it_helps():
    noise = Linear().prior(GROUPS).refit(with_singles(voted(80), treated(200, "dwell", 0.0)))
    assert noise.strengths == {"dwell": 0.0}
    np.testing.assert_allclose(noise.mean_weights, Linear().prior(GROUPS).refit(voted(80)).mean_weights, atol=1e-3)
    told = Linear().prior(GROUPS).refit(with_singles(voted(80), treated(300, "download", 0.5)))
    assert 0.2 <= told.strengths["download"] <= 1.0


def test_contrary_signals_are_not_believed():
    contrary = treated(200, "download", -1.0)
    belief = Linear().prior(GROUPS).refit(with_singles(voted(80), contrary))
    assert belief.strengths == {"download": 0.0}


def test_what_was_hardly_seen_says_little_by_not_being_done():
    seen = observe(with_singles(Votes(NONE, NONE, []), treated(50, "download", 1.0, exposure=0.3)), 6)
    positive = seen.signs > 0
    assert set(seen.weights[positive]) == {1.0}
    assert set(seen.weights[~positive]) == {0.3}


def test_single_images_in_any_order_give_equal_bits():
    votes = with_singles(voted(20), treated(20, LIKE, 1.0), treated(20, "zoom", 0.5))
    order = np.random.default_rng(0).permutation(40)
    singles = votes.singles
    shuffled = Singles(
        singles.images[order],
        [singles.positive[i] for i in order],
        [str(singles.channels[i]) for i in order],
        [singles.exposure[i] for i in order],
    )
    one = Linear().prior(GROUPS).refit(votes)
    other = Linear().prior(GROUPS).refit(Votes(votes.left, votes.right, votes.choices, shuffled))
    for name, array in one.state().items():
        assert array.tobytes() == other.state()[name].tobytes(), name


@pytest.mark.parametrize("exposure", [0.0, 1.5, float("nan")])
def test_an_exposure_is_a_probability(exposure: float):
    votes = Votes(NONE, NONE, [], Singles(np.ones((1, 6)), [True], ["zoom"], [exposure]))
    with pytest.raises(BadVote, match="probability"):
        Linear().prior(GROUPS).refit(votes)


def test_only_rejections_give_no_confident_claim():
    left, right = np.random.default_rng(0).normal(size=(2, 30, 6))
    belief = Linear().prior(GROUPS).refit(Votes(left, right, [Choice.BOTH_BAD] * 30))
    assert all(np.isfinite(array).all() for array in belief.state().values())
    assert np.abs(belief.predict(left, right) - 0.5).max() < 0.2


def test_a_known_taste_is_where_a_belief_begins():
    known = PriorTaste(TASTE, trust=0.8, doubt=0.3)
    prior = Linear().prior(GROUPS, known)
    np.testing.assert_allclose(prior.weights()[0], 0.8 * TASTE)
    left, right = np.random.default_rng(1).normal(size=(2, 200, 6))
    assert (((left - right) @ TASTE > 0) == (prior.predict(left, right) > 0.5)).all()
    agreeing, opposed = (prior.refit(Votes(left[:60], right[:60], choices)) for choices in _answers(left, right))
    assert alignment(agreeing.weights()[0]) > 0.95
    assert alignment(opposed.weights()[0]) < -0.9


def test_a_known_taste_that_is_wrong_is_dropped():
    votes = voted(60)
    wrong, none = (Linear().prior(GROUPS, known).refit(votes) for known in (PriorTaste(-3 * TASTE, 1, 0.1), None))
    np.testing.assert_array_equal(wrong.mean_weights, none.mean_weights)
    assert wrong.refit(Votes(NONE, NONE, [])).weights()[0] @ TASTE < 0


def _answers(left: np.ndarray, right: np.ndarray) -> list[list[Choice]]:
    better = ((left - right) @ TASTE > 0)[:60]
    agreeing = [Choice.LEFT if yes else Choice.RIGHT for yes in better]
    return [agreeing, [choice.swapped for choice in agreeing]]


def test_a_known_taste_may_be_over_the_first_features():
    known = PriorTaste(TASTE[:3])
    groups = (*GROUPS, Group("squares", 6, 12, optional=True))
    prior = Linear().prior(groups, known)
    assert len(prior.weights()[0]) == 6
    wide = Linear().prior(groups, PriorTaste(np.ones(12)))
    assert len(wide.weights()[0]) == 12
    assert wide.factor.shape[0] == 12
    with pytest.raises(BadConfiguration, match="12"):
        Linear().prior(groups, PriorTaste(np.ones(13)))
