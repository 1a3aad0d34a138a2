"""The reward: centred, standardised, cautious, differentiable, and the same after a round trip to disk."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from penchant.core.contracts import FEATURES, Choice, Extractor, Group, Votes
from penchant.core.errors import BadConfiguration, NotReady, StudyDamaged
from penchant.core.pretrained import load_reward
from penchant.core.rng import Rng
from penchant.preference._reward import LinearReward
from penchant.preference.linear import Linear, LinearPosterior


class Pixels(Extractor):
    """The mean of each channel, doubled and shifted."""

    groups = (Group("channels", 0, 3, ("red", "green", "blue")),)
    differentiable = True

    @property
    def hash(self) -> str:
        return "0123456789abcdef"

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return images.mean((2, 3)) * 2 + 5

    def save_pretrained(self, directory: Path) -> None:
        raise NotImplementedError


IMAGES = torch.rand(60, 3, 16, 16, generator=Rng(0).torch()) ** torch.linspace(0.3, 3, 60)[:, None, None, None]


def red_taste(extractor: Extractor, channel: int = 0) -> LinearPosterior:
    with torch.no_grad():
        features = extractor(IMAGES).double().numpy()
    brightness = IMAGES.mean((2, 3))[:, channel].numpy()
    left, right = np.arange(0, 30), np.arange(30, 60)
    choices = [Choice.LEFT if brightness[a] > brightness[b] else Choice.RIGHT for a, b in zip(left, right, strict=True)]
    return Linear().prior(extractor.groups).refit(Votes(features[left], features[right], choices))


def test_reward_is_the_standardised_lower_bound():
    belief = red_taste(Pixels())
    reward = belief.reward(Pixels(), IMAGES, caution=1.5)
    features = Pixels()(IMAGES).double().numpy()
    centred = features - features.mean(0)
    bound = centred @ belief.mean_weights - 1.5 * np.sqrt(np.diag(belief.covariance(centred)))
    np.testing.assert_allclose(reward(IMAGES).numpy(), (bound - bound.mean()) / bound.std(ddof=1), atol=1e-4)


def test_reward_has_mean_0_and_deviation_1_on_the_reference():
    values = red_taste(Pixels()).reward(Pixels(), IMAGES, caution=1.0)(IMAGES)
    assert float(values.mean()) == pytest.approx(0, abs=1e-4)
    assert float(values.std()) == pytest.approx(1, abs=1e-4)


def test_caution_lowers_what_is_far_from_the_reference():
    belief = red_taste(Pixels())
    bold, shy = (belief.reward(Pixels(), IMAGES, caution) for caution in (0.0, 3.0))
    extreme = torch.full((1, 3, 16, 16), 20.0)
    assert float(shy(extreme)) < float(bold(extreme))


def test_reward_has_the_gradient_of_finite_differences():
    reward = red_taste(Pixels()).reward(Pixels(), IMAGES, caution=1.0)
    image = IMAGES[:1].clone().requires_grad_(True)
    reward(image).sum().backward()
    assert image.grad is not None
    move = torch.zeros_like(image)
    move[0, 0] = 1e-2
    with torch.no_grad():
        numeric = (reward(image + move) - reward(image - move)) / 2e-2
    assert float(numeric) == pytest.approx(float(image.grad[0, 0].sum()), rel=0.02)


def test_reward_is_differentiable_at_the_centre():
    reward = red_taste(Pixels()).reward(Pixels(), IMAGES, caution=1.0)
    image = ((reward.centre - 5) / 2).reshape(1, 3, 1, 1).repeat(1, 1, 16, 16).requires_grad_(True)
    reward(image).sum().backward()
    assert image.grad is not None
    assert bool(image.grad.isfinite().all())


def test_reward_is_the_same_after_a_round_trip(tmp_path: Path):
    extractor = FEATURES.make("descriptors").fit(IMAGES, None, Rng(0))
    reward = red_taste(extractor).reward(extractor, IMAGES, caution=1.0)
    reward.save_pretrained(tmp_path / "reward")
    again = load_reward(tmp_path / "reward")
    assert isinstance(again, LinearReward)
    assert torch.equal(reward(IMAGES), again(IMAGES))
    (tmp_path / "reward" / "reward.safetensors").write_bytes(b"broken")
    with pytest.raises(StudyDamaged, match="whole reward"):
        load_reward(tmp_path / "reward")


def test_reward_needs_a_taste():
    prior = Linear().prior(Pixels.groups)
    with pytest.raises(NotReady, match="no vote so far"):
        prior.reward(Pixels(), IMAGES, caution=1.0)


def test_reward_refuses_what_does_not_fit():
    belief = red_taste(Pixels())
    with pytest.raises(BadConfiguration, match="0 or more"):
        belief.reward(Pixels(), IMAGES, caution=-1.0)
    with pytest.raises(BadConfiguration, match="at least two images"):
        belief.reward(Pixels(), IMAGES[:1], caution=1.0)
    with pytest.raises(NotReady, match="tell the reference images apart"):
        belief.reward(Pixels(), IMAGES[:1].repeat(5, 1, 1, 1), caution=0.0)
    other = Linear().prior([Group("other", 0, 2)]).update(np.ones(2), np.zeros(2), Choice.LEFT)
    with pytest.raises(BadConfiguration, match="2 features; the extractor gives 3"):
        other.reward(Pixels(), IMAGES, caution=1.0)
