"""The convolutional preference model: antisymmetric, learns what it is shown, survives a round trip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.config import build
from penchant.core.contracts import Budget, Choice
from penchant.core.errors import BadConfiguration, BadVote, NotReady, StudyDamaged
from penchant.core.rng import Rng
from penchant.core.scorer import Scorer
from penchant.preference._augmentation import Augmentation
from penchant.preference._convolutional import Convolutional, ConvolutionalModel, bradley_terry, mean_squared

SMALL = Convolutional(width=4, members=1, dropout=0.1, l1=0.0)
BUDGET = Budget(images=1280)


def pairs(count: int = 32, channels: int = 3) -> tuple[np.ndarray, np.ndarray, list[Choice]]:
    """Pairs where the brighter is liked."""
    rng = np.random.default_rng(0)
    level = rng.integers(20, 200, (2, count, 1, 1, 1))
    left, right = (level + rng.integers(0, 30, (2, count, channels, 12, 12))).astype(np.uint8)
    return left, right, [Choice.LEFT if a > b else Choice.RIGHT for a, b in level[..., 0, 0, 0].T]


def shown(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).float() / 255


@pytest.fixture(scope="module")
def model() -> ConvolutionalModel:
    return SMALL.fit(*pairs(), BUDGET, Rng(0))


def test_model_learns_who_is_preferred(model: ConvolutionalModel):
    left, right, choices = pairs()
    predicted = model.predict(shown(left), shown(right)) > 0.5
    assert (predicted == [choice == Choice.LEFT for choice in choices]).mean() > 0.9


def test_swap_negates_the_logit_exactly(model: ConvolutionalModel):
    left, right, _ = pairs()
    one, other = model.predict(shown(left), shown(right)), model.predict(shown(right), shown(left))
    np.testing.assert_allclose(one + other, 1, atol=1e-15)
    difference = model.utility(shown(left))[0] - model.utility(shown(right))[0]
    np.testing.assert_array_equal(difference, -(model.utility(shown(right))[0] - model.utility(shown(left))[0]))
    np.testing.assert_allclose(one, 1 / (1 + np.exp(-difference)))


def test_fit_gives_the_same_bits_for_the_same_seed(model: ConvolutionalModel):
    again, other = SMALL.fit(*pairs(), BUDGET, Rng(0)), SMALL.fit(*pairs(), BUDGET, Rng(1))
    images = shown(pairs()[0])
    np.testing.assert_array_equal(model.scores(images), again.scores(images))
    assert not np.array_equal(model.scores(images), other.scores(images))


@pytest.fixture(scope="module")
def ensemble() -> ConvolutionalModel:
    return replace(SMALL, members=3).fit(*pairs(), BUDGET, Rng(0))


def test_members_are_the_same_however_many_there_are(model: ConvolutionalModel, ensemble: ConvolutionalModel):
    images = shown(pairs()[0])
    np.testing.assert_array_equal(ensemble.scores(images)[:1], model.scores(images))
    assert len({row.tobytes() for row in ensemble.scores(images)}) == 3


def test_a_single_member_is_sure(model: ConvolutionalModel):
    left, right, _ = pairs()
    mean, sd = model.utility(shown(left))
    np.testing.assert_array_equal(mean, model.scores(shown(left))[0])
    assert not sd.any()
    assert not model.information(shown(left), shown(right)).any()


def test_ensemble_predicts_the_mean_of_its_members(ensemble: ConvolutionalModel):
    left, right, _ = pairs()
    differences = ensemble.scores(shown(left)) - ensemble.scores(shown(right))
    chances = 1 / (1 + np.exp(-differences))
    one, other = ensemble.predict(shown(left), shown(right)), ensemble.predict(shown(right), shown(left))
    np.testing.assert_allclose(one, chances.mean(0), rtol=1e-9)
    np.testing.assert_allclose(one + other, 1, atol=1e-15)
    mean, sd = ensemble.utility(shown(left))
    np.testing.assert_allclose(mean, ensemble.scores(shown(left)).mean(0))
    np.testing.assert_allclose(sd, ensemble.scores(shown(left)).std(0))


def test_information_is_the_textbook_one_and_large_where_members_disagree():
    # Members at ±2: the mean is 1/2 (log 2), each entropy −.88 log .88 − .12 log .12 = 0.36533.
    model = fixed_scores([[1.0, 1.0], [-1.0, 1.0]], [[-1.0, -1.0], [1.0, -1.0]])
    told = model.information(torch.zeros(2, 3, 12, 12), torch.ones(2, 3, 12, 12))
    np.testing.assert_allclose(told, [0.693147 - 0.365335, 0.0], atol=1e-5)


def fixed_scores(left: list[list[float]], right: list[list[float]]) -> ConvolutionalModel:
    """A model that gives black images the scores ``left`` and white ones ``right``, a row a member."""

    class Fixed(Scorer):
        def scores(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor(left if float(images.max()) == 0 else right)

    return ConvolutionalModel(SMALL, Fixed(3, 4, 0.5, 0.3, []))


def test_draws_are_members(ensemble: ConvolutionalModel):
    images = shown(pairs()[0])
    draws = ensemble.draw(images, 50, np.random.default_rng(0))
    known = {row.tobytes() for row in ensemble.scores(images)}
    assert draws.shape == (50, len(images))
    assert {row.tobytes() for row in draws} == known


def test_utilities_are_centred_on_the_images_taught(ensemble: ConvolutionalModel):
    left, right, _ = pairs()
    taught = torch.cat([shown(left), shown(right)])
    np.testing.assert_allclose(ensemble.scores(taught).mean(1), 0, atol=1e-5)


def test_three_votes_give_finite_numbers():
    left, right, _ = pairs(3)
    few = replace(SMALL, members=2).fit(left, right, [Choice.LEFT, Choice.TIE, Choice.RIGHT], BUDGET, Rng(0))
    assert np.isfinite(few.utility(shown(left))).all()
    assert np.isfinite(few.information(shown(left), shown(right))).all()


def test_squared_loss_learns_too():
    left, right, choices = pairs()
    fitted = replace(SMALL, loss="mean_squared").fit(left, right, choices, BUDGET, Rng(0))
    predicted = fitted.predict(shown(left), shown(right)) > 0.5
    assert (predicted == [choice == Choice.LEFT for choice in choices]).mean() > 0.9


def test_losses_have_their_textbook_values():
    logit, stated = torch.tensor([2.0, 2.0, 0.0]), torch.tensor([1.0, 0.0, 0.5])
    # −log σ(2) = 0.12693, −log σ(−2) = 2.12693, a tie at 0: log 2 = 0.69315; squares: (2−2)², (2+2)², 0.
    assert float(bradley_terry(logit, stated)) == pytest.approx((0.126928 + 2.126928 + 0.693147) / 3, rel=1e-5)
    assert float(mean_squared(logit, stated)) == pytest.approx(16 / 3)


def test_model_is_the_same_after_a_round_trip(model: ConvolutionalModel, tmp_path: Path):
    model.save_pretrained(tmp_path)
    images = shown(pairs()[0])
    again = Convolutional.load(tmp_path)
    assert again.component == model.component
    np.testing.assert_array_equal(model.scores(images), again.scores(images))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(StudyDamaged, match="whole convolutional model"):
        Convolutional.load(tmp_path)


def test_fit_needs_votes_that_say_something():
    left, right, _ = pairs(4)
    with pytest.raises(NotReady, match="none of the 4 votes"):
        SMALL.fit(left, right, [Choice.SKIP, Choice.BOTH_BAD] * 2, BUDGET, Rng(0))
    with pytest.raises(NotReady, match="none of the 0 votes"):
        SMALL.fit(left[:0], right[:0], [], BUDGET, Rng(0))
    with pytest.raises(BadVote, match="do not make pairs"):
        SMALL.fit(left, right[:3], [Choice.LEFT] * 4, BUDGET, Rng(0))


def test_model_refuses_other_channels(model: ConvolutionalModel):
    with pytest.raises(BadVote, match="1 channels; this model was trained on 3"):
        model.utility(torch.zeros(2, 1, 12, 12))


def test_bad_settings_are_refused():
    for settings in (
        {"width": 0},
        {"members": 0},
        {"dropout": 1.0},
        {"l2": -1.0},
        {"loss": "hinge"},
        {"augmentation": {"flip": 2.0}},
    ):
        with pytest.raises(BadConfiguration):
            build(Convolutional, settings, "preference model")


def test_flip_alone_is_a_mirror_image():
    images = torch.rand(5, 3, 8, 8, generator=Rng(0).torch())
    flipped = Augmentation(flip=1.0, rotate=0.0, crop=0.0).apply(images, Rng(0).torch())
    torch.testing.assert_close(flipped, images.flip(3), atol=1e-5, rtol=0)


def test_augmentation_stays_in_range_and_is_off_when_told():
    images = torch.rand(5, 3, 8, 8, generator=Rng(0).torch())
    assert Augmentation(0, 0, 0).apply(images, Rng(0).torch()) is images
    changed = Augmentation(0.5, 20, 0.3).apply(images, Rng(0).torch())
    assert changed.shape == images.shape
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    assert not torch.allclose(changed, images)
