"""Contract tests: what every feature extractor promises."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from penchant.core.contracts import FEATURES, Encoder, Extractor
from penchant.core.errors import BadImages, PenchantError, StudyDamaged
from penchant.core.pretrained import load_extractor
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures

NAMES = FEATURES.names()


def encode(images: Tensor) -> Tensor:
    """A smooth encoder that needs no training."""
    flat = images.flatten(1)
    places = torch.arange(flat.shape[1], dtype=flat.dtype)[:, None]
    return torch.tanh(flat @ torch.sin(places * (0.1 + 0.7 * torch.arange(40, dtype=flat.dtype))) / 8)


def pictures(count: int, size: int = 32, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.from_numpy(draw_pictures(count, size, Rng(seed), channels).images).float() / 255


def fitted(name: str, images: Tensor, encoder: Encoder = encode) -> Extractor:
    return FEATURES.make(name).fit(images, encoder, Rng(0))


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """How to make each member: by its name alone, or with settings that keep the tests quick."""
    if request.param == "pretrained":
        return f"pretrained(model={str(request.getfixturevalue('tiny_clip'))!r}, most=8)"
    if request.param == "convolutional":
        return f"convolutional(model={str(request.getfixturevalue('taught'))!r}, of='descriptors', most=6)"
    return "self_supervised(images=256, batch=64)" if request.param == "self_supervised" else str(request.param)


@pytest.fixture(scope="module")
def extractor(name: str) -> Extractor:
    return fitted(name, pictures(200))


def test_family_has_the_members_that_are_documented():
    documented = {"convolutional", "descriptors", "joined", "latents", "pretrained", "quadratic"}
    assert documented | {"random_convolutions", "self_supervised"} <= set(NAMES)


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (48, 3), (128, 3)])
def test_extractor_gives_finite_float32_rows_at_every_size(name: str, size: int, channels: int):
    images = pictures(12, size, channels)
    features = fitted(name, images)(images)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert len(features) == 12


def test_extractor_gives_the_width_it_says(extractor: Extractor):
    assert extractor(pictures(5)).shape == (5, extractor.width)


def test_extractor_gives_no_rows_for_no_images(extractor: Extractor):
    assert extractor(torch.zeros(0, 3, 32, 32)).shape == (0, extractor.width)


def test_groups_cover_the_columns_exactly_once(extractor: Extractor):
    stops = [0, *(group.stop for group in extractor.groups)]
    assert [group.start for group in extractor.groups] == stops[:-1]
    assert all(group.stop > group.start for group in extractor.groups)
    assert all(len(group.names) in (0, group.stop - group.start) for group in extractor.groups)


def test_groups_and_dimensions_have_unique_names(extractor: Extractor):
    groups = [group.name for group in extractor.groups]
    dimensions = [name for group in extractor.groups for name in group.names]
    assert len(set(groups)) == len(groups)
    assert len(set(dimensions)) == len(dimensions)


def test_columns_are_centred_and_about_unit_scale_on_the_images_fitted_to(extractor: Extractor):
    features = extractor(pictures(200))
    assert features.mean(0).abs().max() < 0.2
    # A judge keeps its leading directions large; over its columns the scale is one.
    assert features.std(0, correction=0).square().mean().sqrt() < 1.05


def test_extractor_is_deterministic(name: str, extractor: Extractor):
    images = pictures(200)
    again = fitted(name, images)
    assert torch.equal(again(images), extractor(images))
    assert again.hash == extractor.hash


def test_hash_tells_extractors_apart(name: str, extractor: Extractor):
    assert len(extractor.hash) == 16
    assert int(extractor.hash, 16) >= 0
    assert fitted(name, pictures(200, seed=1)).hash != extractor.hash


def test_features_do_not_depend_on_the_other_images_in_the_call(extractor: Extractor):
    images = pictures(300)
    torch.testing.assert_close(extractor(images)[270:273], extractor(images[270:273]), rtol=1e-4, atol=1e-4)


def test_extractor_is_the_same_after_saving_and_loading(extractor: Extractor, tmp_path: Path):
    extractor.save_pretrained(tmp_path / "extractor")
    loaded = load_extractor(tmp_path / "extractor", encode)
    images = pictures(5, seed=3)
    assert torch.equal(loaded(images), extractor(images))
    assert loaded.hash == extractor.hash
    assert loaded.groups == extractor.groups
    assert loaded.differentiable == extractor.differentiable


def test_loading_says_what_is_wrong_when_a_file_is_broken(extractor: Extractor, tmp_path: Path):
    extractor.save_pretrained(tmp_path)
    next(tmp_path.rglob("*.safetensors")).write_bytes(b"not tensors")
    with pytest.raises(StudyDamaged, match="cannot be read"):
        load_extractor(tmp_path, encode)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_features_and_gradients_are_finite_for_flat_images(extractor: Extractor, level: float, channels: int):
    images = torch.full((2, 3, 32, 32), level)
    if channels == 1:
        extractor = fitted("descriptors", pictures(20, channels=1))
        images = images[:, :1]
    images.requires_grad_()
    features = extractor(images)
    features.sum().backward()
    assert features.isfinite().all()
    assert images.grad is not None
    assert images.grad.isfinite().all()


def test_gradient_equals_finite_differences(extractor: Extractor):
    generator = Rng(4).torch()
    images = (0.3 + 0.4 * torch.rand(3, 3, 32, 32, generator=generator)).double()
    direction = torch.randn(images.shape, generator=generator).double()
    weights = torch.randn(extractor.width, generator=generator).double()

    def value(at: Tensor) -> Tensor:
        return (extractor(at).double() @ weights).sum()

    images.requires_grad_()
    value(images).backward()
    assert images.grad is not None
    step = 1e-4
    with torch.no_grad():
        difference = (value(images + step * direction) - value(images - step * direction)) / (2 * step)
    torch.testing.assert_close((images.grad * direction).sum(), difference, rtol=0.02, atol=0.05)


def test_graph_is_kept_only_where_gradients_are_enabled(extractor: Extractor):
    images = pictures(2).requires_grad_()
    assert extractor(images).requires_grad
    with torch.no_grad():
        assert not extractor(images).requires_grad


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 255.0])
def test_extractor_refuses_images_that_are_not_images(extractor: Extractor, value: float):
    images = pictures(3)
    images[1, 0, 4, 4] = value
    with pytest.raises(BadImages, match=r"in \[0, 1\]"):
        extractor(images)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 2, 32, 32), (2, 3, 8, 8)])
def test_extractor_refuses_wrong_shapes(extractor: Extractor, shape: tuple[int, ...]):
    with pytest.raises(BadImages, match="features need"):
        extractor(torch.zeros(shape))


@pytest.mark.parametrize("count", [0, 1])
def test_fit_refuses_too_few_images(name: str, count: int):
    with pytest.raises(PenchantError, match="at least 2 images"):
        fitted(name, pictures(2)[:count])
