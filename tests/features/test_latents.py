"""The generator's codes as features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from penchant.core.contracts import FEATURES
from penchant.core.errors import BadConfiguration, BadImages, NotCapable, StudyDamaged
from penchant.core.rng import Rng
from penchant.features.latents import Latents


def encode(images: Tensor) -> Tensor:
    return images.flatten(1)[:, :40] * torch.linspace(3, 0.1, 40)


def images(count: int = 80) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=Rng(0).torch())


def test_latents_are_principal_components_scaled_by_the_first():
    extractor = Latents(most=10).fit(images(), encode, Rng(0))
    expected = PCA(10).fit_transform(encode(images()).double().numpy())
    expected /= expected[:, 0].std()
    np.testing.assert_allclose(np.abs(extractor(images()).numpy()), np.abs(expected), atol=1e-4)


def test_leading_component_has_unit_spread_and_the_others_less():
    deviations = Latents().fit(images(), encode, Rng(0))(images()).std(0, correction=0)
    assert len(deviations) == 32
    assert float(deviations[0]) == pytest.approx(1, abs=1e-4)
    assert bool((deviations.diff() <= 1e-5).all())


def test_latents_drop_directions_that_do_not_vary():
    def flat(pictures: Tensor) -> Tensor:
        return torch.cat([encode(pictures)[:, :3], torch.ones(len(pictures), 9)], 1)

    assert Latents().fit(images(), flat, Rng(0)).width == 3


def test_constant_codes_give_one_column_of_zeros():
    extractor = Latents().fit(images(), lambda pictures: torch.ones(len(pictures), 4), Rng(0))
    assert extractor(images()).abs().max() == 0


def test_latents_without_an_encoder_are_not_capable(tmp_path: Path):
    with pytest.raises(NotCapable, match="use 'descriptors'"):
        Latents().fit(images(), None, Rng(0))
    Latents().fit(images(), encode, Rng(0)).save_pretrained(tmp_path)
    with pytest.raises(NotCapable, match="with its encoder"):
        Latents.load(tmp_path)


def test_loading_with_another_encoder_is_refused(tmp_path: Path):
    Latents().fit(images(), encode, Rng(0)).save_pretrained(tmp_path)
    with pytest.raises(StudyDamaged, match="another generator"):
        Latents.load(tmp_path, lambda pictures: encode(pictures.flip(3)))


def test_hash_depends_on_the_encoder():
    one = Latents().fit(images(), encode, Rng(0))
    other = Latents().fit(images(), lambda pictures: -encode(pictures), Rng(0))
    assert one.hash != other.hash


def test_fit_refuses_codes_that_are_not_finite():
    with pytest.raises(BadImages, match="not finite"):
        Latents().fit(images(), lambda pictures: encode(pictures) / 0, Rng(0))


def test_most_must_be_positive():
    with pytest.raises(BadConfiguration, match="at least 1"):
        FEATURES.make("latents(most=0)")
