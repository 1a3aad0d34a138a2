"""The penultimate layer of a trained convolutional model as a group of features."""

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import FEATURES, Budget, Choice, Votes
from penchant.core.errors import BadConfiguration, BadImages, StudyDamaged
from penchant.core.pretrained import load_extractor
from penchant.core.rng import Rng
from penchant.features.convolutional import Convolutional
from penchant.features.descriptors import Descriptors
from penchant.preference import Convolutional as Model
from penchant.preference.linear import Linear


def images(count: int = 60, channels: int = 3, seed: int = 0) -> Tensor:
    levels = torch.linspace(0.2, 1, count)[:, None, None, None]
    return torch.rand(count, channels, 32, 32, generator=Rng(seed).torch()) * levels


def test_columns_are_the_principal_components_of_the_penultimate_layers(taught: Path):
    extractor = Convolutional(str(taught), of="descriptors", most=3).fit(images(), None, Rng(0))
    base = Descriptors().fit(images(), None, Rng(0))
    features = extractor(images()).double().numpy()
    np.testing.assert_array_equal(features[:, : base.width], base(images()).numpy())
    model = Model.load(taught)
    hidden: list[np.ndarray] = []
    for network in model.scorer.networks:
        seen: list[Tensor] = []
        network[-1].register_forward_hook(lambda layer, given, out, seen=seen: seen.append(given[0]))
        network((images() - model.scorer.mean) / model.scorer.spread)
        hidden.append(seen[0].detach().double().numpy())
    layer = np.concatenate(hidden, 1)
    assert layer.shape[1] == 2 * 2 * 4
    varying = layer.std(0) > 1e-4
    layer = (layer[:, varying] - layer[:, varying].mean(0)) / layer[:, varying].std(0)
    left, sizes, _ = np.linalg.svd(layer, full_matrices=False)
    own = features[:, base.width :]
    np.testing.assert_allclose(own.std(0), sizes[:3] / np.sqrt((sizes[:3] ** 2).mean()), atol=1e-3)
    for place in range(3):
        assert abs(np.corrcoef(left[:, place], own[:, place])[0, 1]) > 0.999


def test_group_is_optional_and_comes_after_the_other_optional_ones(taught: Path):
    alone = Convolutional(str(taught), of="descriptors").fit(images(), None, Rng(0))
    after = Convolutional(str(taught), of="quadratic(of='descriptors')").fit(images(), None, Rng(0))
    assert [group.optional for group in alone.groups[-2:]] == [0, 1]
    assert [group.optional for group in after.groups[-2:]] == [1, 2]
    assert Linear().prior(after.groups).used[-1].optional == 0
    joined = "joined(extractors=('descriptors', 'random_convolutions(most=4)'))"
    assert Convolutional(str(taught), of=joined).fit(images(), None, Rng(0)).groups[-1].name == "convolutional"


def test_hash_changes_with_a_single_weight_and_not_with_the_folder(taught: Path, tmp_path: Path):
    moved = copytree(taught, tmp_path / "moved")
    one = Convolutional(str(taught), of="descriptors").fit(images(), None, Rng(0))
    assert Convolutional(str(moved), of="descriptors").fit(images(), None, Rng(0)).hash == one.hash
    model = Model.load(taught)
    with torch.no_grad():
        model.scorer.networks[1].get_parameter("0.weight")[0, 0, 0, 0] += 1e-3
    model.save_pretrained(tmp_path / "other")
    assert Convolutional(str(tmp_path / "other"), of="descriptors").fit(images(), None, Rng(0)).hash != one.hash


def test_extractor_keeps_its_own_copy_of_the_weights(taught: Path, tmp_path: Path):
    moved = copytree(taught, tmp_path / "model")
    extractor = Convolutional(str(moved), of="descriptors").fit(images(), None, Rng(0))
    extractor.save_pretrained(tmp_path / "extractor")
    (moved / "model.safetensors").unlink()
    assert torch.equal(load_extractor(tmp_path / "extractor")(images(seed=1)), extractor(images(seed=1)))


def test_grey_images_are_seen_by_a_network_for_colour_and_not_the_other_way_round(taught: Path, tmp_path: Path):
    grey = images(channels=1)
    extractor = Convolutional(str(taught), of="random_convolutions(most=2)").fit(grey, None, Rng(0))
    own = extractor.groups[-1]
    scorer = Model.load(taught).scorer
    layers = scorer.penultimate(grey.expand(-1, 3, -1, -1))
    assert torch.linalg.matrix_rank(extractor(grey)[:, own.start :]) == min(own.stop - own.start, layers.shape[1])
    pixels = (grey * 255).to(torch.uint8).numpy()
    model = Model(width=4).fit(pixels[:9], pixels[9:18], [Choice.LEFT] * 9, Budget(images=64), Rng(0))
    model.save_pretrained(tmp_path)
    assert Convolutional(str(tmp_path), of="descriptors").fit(grey, None, Rng(0))(grey).isfinite().all()
    with pytest.raises(BadImages, match="taught grey images; found images with 3 channels"):
        Convolutional(str(tmp_path), of="descriptors").fit(images(), None, Rng(0))


def test_gradient_of_the_group_equals_finite_differences(taught: Path):
    extractor = Convolutional(str(taught), of="descriptors", most=4).fit(images(), None, Rng(0))
    generator = Rng(3).torch()
    at = images(3, seed=2).double()
    direction = torch.randn(at.shape, generator=generator).double()

    def value(pictures: Tensor) -> Tensor:
        return extractor(pictures)[:, extractor.groups[-1].start :].double().sum()

    at.requires_grad_()
    value(at).backward()
    assert at.grad is not None
    step = 1e-3
    with torch.no_grad():
        slope = (value(at + step * direction) - value(at - step * direction)) / (2 * step)
    assert abs(float(slope)) > 0.1
    torch.testing.assert_close((at.grad * direction).sum(), slope, rtol=0.01, atol=0.02)


def test_a_network_taught_by_three_votes_gives_finite_features_and_tastes(tmp_path: Path):
    pixels = (images() * 255).to(torch.uint8).numpy()
    choices = [Choice.LEFT, Choice.RIGHT, Choice.TIE]
    Model(width=4).fit(pixels[:3], pixels[3:6], choices, Budget(images=320), Rng(0)).save_pretrained(tmp_path)
    extractor = Convolutional(str(tmp_path), of="descriptors").fit(images(), None, Rng(0))
    features = extractor(images()).double().numpy()
    belief = Linear().prior(extractor.groups).refit(Votes(features[:3], features[3:6], choices))
    assert np.isfinite(features).all()
    assert np.isfinite(belief.predict(features[:30], features[30:])).all()


def test_a_missing_or_wrong_folder_is_told(taught: Path, tmp_path: Path):
    with pytest.raises(BadConfiguration, match="no convolutional preference model in '"):
        Convolutional(str(tmp_path / "nowhere")).fit(images(), None, Rng(0))
    Descriptors().fit(images(), None, Rng(0)).save_pretrained(tmp_path / "other")
    with pytest.raises(BadConfiguration, match="holds features/descriptors, not preference/convolutional"):
        Convolutional(str(tmp_path / "other")).fit(images(), None, Rng(0))
    with pytest.raises(BadConfiguration, match="model"):
        FEATURES.make("convolutional")
    broken = copytree(taught, tmp_path / "broken")
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "members": 3}))
    with pytest.raises(StudyDamaged, match="whole network"):
        Convolutional(str(broken)).fit(images(), None, Rng(0))
    (broken / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(StudyDamaged, match="cannot be read"):
        Convolutional(str(broken)).fit(images(), None, Rng(0))


def test_settings_that_make_no_sense_are_refused(taught: Path):
    for settings in ("of='convolutional'", "most=0"):
        with pytest.raises(BadConfiguration):
            FEATURES.make(f"convolutional(model={str(taught)!r}, {settings})")
    with pytest.raises(BadConfiguration, match="model needs the folder"):
        FEATURES.make("convolutional(model='')")
