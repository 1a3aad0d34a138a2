"""What sets each selection strategy apart, by pools whose answer is known."""

import numpy as np
import pytest

from penchant.core.contracts import SELECTION, PoolView, Selected, Turn
from penchant.core.errors import NotReady
from penchant.metrics.kid import kid
from penchant.selection._farthest import farthest_first
from penchant.selection._likeness import likeness

RNG = np.random.default_rng(0)


def chosen(name: str, view: PoolView, count: int, seed: int = 0) -> Selected:
    return SELECTION.make(name).select(view, count, np.random.default_rng(seed))


def blobs(sizes: tuple[int, ...], spread: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Far apart groups and which each point is of."""
    rng = np.random.default_rng(3)
    kind = np.repeat(np.arange(len(sizes)), sizes)
    centres = 10 * np.eye(len(sizes), 8)
    return (centres[kind] + spread * rng.standard_normal((len(kind), 8))).astype(np.float32), kind


def naive_farthest(points: np.ndarray, weights: np.ndarray, count: int) -> list[int]:
    picked = [int((((points - points.mean(0)) ** 2).sum(1) / weights**2).argmin())]
    while len(picked) < count:
        nearest = np.min([((points - points[one]) ** 2).sum(1) for one in picked], axis=0)
        priority = weights**2 * nearest
        priority[picked] = -1
        picked.append(int(priority.argmax()))
    return picked


@pytest.mark.parametrize("weighted", [False, True])
def test_farthest_first_picks_what_the_naive_loop_picks(weighted: bool):
    points = RNG.standard_normal((3000, 6)).astype(np.float32)
    weights = RNG.uniform(0.2, 1, 3000).astype(np.float32) if weighted else np.ones(3000, np.float32)
    picked, reach = farthest_first(points, np.full(3000, np.inf, np.float32), 200, weights)
    assert picked.tolist() == naive_farthest(points, weights, 200)
    assert (np.diff(reach[1:]) <= 1e-4).all()


def test_k_centre_finds_every_group_however_small():
    features, kind = blobs((500, 3, 1, 40))
    assert set(kind[chosen("k_centre", PoolView(features), 4).rows]) == {0, 1, 2, 3}


def test_k_centre_goes_where_nothing_was_taken():
    features, kind = blobs((50, 50, 50))
    view = PoolView(features, taken=np.flatnonzero(kind != 2))
    rows = chosen("k_centre", PoolView(features, taken=np.flatnonzero(kind == 0)[:5]), 2).rows
    assert set(kind[rows]) == {1, 2}
    assert set(kind[chosen("k_centre", view, 5).rows]) == {2}


def test_density_leaves_the_fringe_out():
    features = RNG.standard_normal((400, 4))
    features[:60] *= 12
    rows = chosen("density(keep=0.8)", PoolView(features), 100).rows
    assert (rows < 60).sum() == 0
    assert (chosen("random", PoolView(features), 100).rows < 60).sum() > 5


def test_typicality_takes_the_middle_of_every_group():
    features, kind = blobs((300, 300, 300), spread=1.0)
    rows = chosen("typicality", PoolView(features), 3).rows
    centres = np.array([features[kind == group].mean(0) for group in range(3)])
    apart = np.linalg.norm(features - centres[kind], axis=1)
    assert apart[rows].mean() < 0.7 * apart.mean()
    many = chosen("typicality", PoolView(features), 30).rows
    assert np.bincount(kind[many], minlength=3).min() >= 7


def test_reconstruction_takes_the_hard_but_not_the_broken():
    view = PoolView(np.zeros((100, 2)), errors=np.arange(100.0))
    assert chosen("reconstruction(skip=0.05)", view, 3).rows.tolist() == [94, 93, 92]


def test_top_score_finds_more_of_the_wanted_kind():
    features, kind = blobs((200, 50, 200), spread=0.5)
    labels = np.full(len(kind), -1)
    labels[np.flatnonzero(kind == 1)[:3]] = 1
    rows = chosen("top_score", PoolView(features, labels=labels), 40).rows
    assert (kind[rows] == 1).mean() >= 0.95  # a ninth of the pool
    with pytest.raises(NotReady, match="no image has the label 5; there are: 1"):
        chosen("top_score(label=5)", PoolView(features, labels=labels), 40)


def test_taste_leans_to_what_is_liked_as_far_as_asked():
    view = PoolView(np.zeros((1000, 2)), utilities=RNG.standard_normal(1000))
    means = [chosen(f"taste(temperature={t})", view, 100).scores.mean() for t in (0, 0.5, 100)]
    assert means[0] > means[1] > 0.7 > 0.3 > abs(means[2])
    assert set(chosen("taste(temperature=0)", view, 5).rows) == set(np.argsort(-view.utilities)[:5])  # pyright: ignore


def test_discriminator_takes_what_is_surely_told_from_made_images_but_not_the_odd():
    view = PoolView(np.zeros((100, 2)), realness=np.arange(100.0), taken=np.array([97]))
    assert chosen("discriminator(skip=0.03)", view, 3).rows.tolist() == [96, 95, 94]
    assert len(chosen("discriminator(skip=0.9)", view, 99).rows) == 99, "passed over only where others are left"


def test_mixture_without_weight_is_k_centre_and_with_it_avoids_outliers():
    features = RNG.standard_normal((400, 4)).astype(np.float32)
    features[:20] *= 12
    view = PoolView(features)
    assert chosen("mixture(weight=0)", view, 30).rows.tolist() == chosen("k_centre", view, 30).rows.tolist()
    odd = [(chosen(name, view, 30).rows < 20).sum() for name in ("mixture(weight=3)", "k_centre")]
    assert odd[0] < odd[1]


def test_adaptive_plays_the_arm_that_earns_and_never_asks_the_chosen_set():
    features, _ = blobs((30, 30))
    turns = [Turn("density", 0.6), Turn("random", 0.0)] * 12
    spec = {"name": "adaptive", "arms": ("random", "density")}
    strategy = SELECTION.make(spec)
    assert strategy.probabilities(PoolView(features)).tolist() == [0.5, 0.5]
    chances = strategy.probabilities(PoolView(features, history=turns))
    assert chances[1] > 0.8
    played = [
        strategy.select(PoolView(features, history=turns), 3, np.random.default_rng(s)).strategy for s in range(40)
    ]
    assert played.count("density") > 26


def test_adaptive_lets_arms_sit_out_whose_images_are_surely_less_like_held_out_ones():
    rng = np.random.default_rng(5)
    features = 2 * rng.standard_normal((600, 6)).astype(np.float32)
    view = PoolView(features, held=2 * rng.standard_normal((300, 6)).astype(np.float32))
    spec = {"name": "adaptive", "arms": ("random", "density(keep=0.1)")}
    played = {SELECTION.make(spec).select(view, 80, np.random.default_rng(s)).strategy for s in range(20)}
    assert played == {"random"}, "the dense middle alone is nothing like the whole"
    doubtless = {**spec, "doubt": float("inf")}
    assert {SELECTION.make(doubtless).select(view, 80, np.random.default_rng(s)).strategy for s in range(20)} == {
        "random",
        "density",
    }


def test_likeness_is_that_of_kid_and_its_error_that_of_chance():
    chosen, held = RNG.standard_normal((60, 5)), RNG.standard_normal((80, 5))
    other = RNG.standard_normal((60, 5)) + 0.5
    value, _ = likeness(chosen, held)
    assert likeness(other, held)[0] - value == pytest.approx(kid(other, held) - kid(chosen, held))
    draws = [likeness(RNG.standard_normal((60, 5)), held) for _ in range(60)]
    assert np.std([one for one, _ in draws]) == pytest.approx(np.mean([error for _, error in draws]), rel=0.4)


def test_adaptive_lets_another_arm_choose_where_one_cannot():
    view = PoolView(np.zeros((9, 2)))
    strategy = SELECTION.make({"name": "adaptive", "arms": ("random", "taste", "reconstruction")})
    assert {strategy.select(view, 2, np.random.default_rng(seed)).strategy for seed in range(10)} == {"random"}
    with pytest.raises(NotReady, match="none of the strategies"):
        SELECTION.make({"name": "adaptive", "arms": ("taste", "reconstruction")}).select(view, 2, RNG)
