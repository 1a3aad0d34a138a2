"""The convolutional preference model: antisymmetric, learns what it is shown, survives a round trip."""

from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.config import build
from penchant.core.contracts import Budget, Choice
from penchant.core.errors import BadConfiguration, BadVote, NotReady, StudyDamaged
from penchant.core.rng import Rng
from penchant.preference._augmentation import Augmentation
from penchant.preference._convolutional import Convolutional, ConvolutionalModel, bradley_terry, mean_squared

SMALL = Convolutional(width=4, dropout=0.1, l1=0.0)
BUDGET = Budget(images=640)


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
    difference = model.utility(shown(left)) - model.utility(shown(right))
    np.testing.assert_allclose(one, 1 / (1 + np.exp(-difference)))


def test_fit_gives_the_same_bits_for_the_same_seed(model: ConvolutionalModel):
    again, other = SMALL.fit(*pairs(), BUDGET, Rng(0)), SMALL.fit(*pairs(), BUDGET, Rng(1))
    images = shown(pairs()[0])
    np.testing.assert_array_equal(model.utility(images), again.utility(images))
    assert not np.array_equal(model.utility(images), other.utility(images))


def test_squared_loss_learns_too():
    left, right, choices = pairs()
    fitted = Convolutional(width=4, dropout=0.1, l1=0.0, loss="mean_squared").fit(left, right, choices, BUDGET, Rng(0))
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
    np.testing.assert_array_equal(model.utility(images), again.utility(images))
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
    for settings in ({"width": 0}, {"dropout": 1.0}, {"l2": -1.0}, {"loss": "hinge"}, {"augmentation": {"flip": 2.0}}):
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
