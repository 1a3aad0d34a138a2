"""The field's own networks: their weights are checked before they are believed, and they compute what they should."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from penchant.core.errors import BadConfiguration, BadImages
from penchant.core.rng import Rng
from penchant.features import YARDSTICKS, _vision, _weights, _yardsticks, yardstick
from penchant.features._inception import Inception, resized
from penchant.features._vgg import Vgg16
from penchant.features._weights import PUBLISHED, sha256_of


def images(count: int, size: int = 32, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, size, size, generator=Rng(size).torch())


def tiny_vgg() -> Vgg16:
    return Vgg16(base=2, width=12)


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Inception network of random weights, as the published file holds it, with the layers for classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Inception()
    state = network.state_dict()
    state |= {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    state["Conv2d_1a_3x3.bn.num_batches_tracked"] = torch.tensor(1)
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def vgg_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A tiny VGG16's weights, and yardsticks that build it as tiny."""
    monkeypatch.setattr(_yardsticks, "VggNetwork", tiny_vgg)
    network = tiny_vgg()
    state = network.state_dict() | {"classifier.6.weight": torch.zeros(5, 12), "classifier.6.bias": torch.zeros(5)}
    path = tmp_path / "vgg16.safetensors"
    save_file(state, path)
    return path


def publish(monkeypatch: pytest.MonkeyPatch, name: str, path: Path) -> None:
    """Take the file at ``path`` for the published one."""
    known = {**PUBLISHED, name: replace(PUBLISHED[name], sha256=sha256_of(path), file=path.name)}
    monkeypatch.setattr(_weights, "PUBLISHED", known)


def test_there_are_the_four_that_are_documented():
    assert list(YARDSTICKS) == ["inception", "vgg16", "dinov2", "clip"]


def test_the_hashes_are_whole_and_begin_as_the_published_files_are_called():
    for known in PUBLISHED.values():
        assert len(known.sha256) == 64
        assert f"-{known.sha256[:8]}." in known.file
        assert known.url.endswith(known.file)


def test_resizing_is_that_of_tensorflow_1():
    """Twice as large: the places of the new pixels are 0, ½, 1, 1½ (the last lies beyond the last pixel)."""
    row = torch.tensor([[[[10.0, 20.0]]]]).expand(1, 1, 2, 2)
    assert resized(row, 4)[0, 0, 0].tolist() == [10.0, 15.0, 20.0, 20.0]
    # Smaller: every third pixel, nothing is averaged.
    assert resized(torch.arange(6.0).expand(1, 1, 6, 6), 2)[0, 0, 0].tolist() == [0.0, 3.0]


def test_inception_has_the_published_parameters():
    """23.9 million in torchvision, less the 2.05 of its 1,000 classes: 21.8; 94 convolutions."""
    network = Inception()
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_785_568
    assert sum(isinstance(module, torch.nn.Conv2d) for module in network.modules()) == 94


def test_published_weights_are_read_and_said_to_be(monkeypatch: pytest.MonkeyPatch, inception_file: Path):
    publish(monkeypatch, "inception", inception_file)
    found = yardstick(f"inception(weights={str(inception_file)!r})")
    assert found.published
    assert "as published" in found.about
    assert found.width == 2048
    features = found(images(2))
    assert features.shape == (2, 2048)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        own = Inception().eval()
    with torch.no_grad():
        torch.testing.assert_close(features, own(images(2) * 255))
    assert found(torch.zeros(0, 3, 32, 32)).shape == (0, 2048)
    grey = images(1, channels=1)
    assert torch.equal(found(grey), found(grey.expand(-1, 3, -1, -1)))


def test_a_file_of_pytorchs_that_is_not_the_published_one_is_never_opened(
    monkeypatch: pytest.MonkeyPatch, inception_file: Path
):
    def opened(*_: object, **__: object) -> None:
        pytest.fail("it was opened")

    monkeypatch.setattr(torch, "load", opened)
    with pytest.raises(BadConfiguration, match=r"6726825d.* it is broken, or holds other weights"):
        yardstick(f"inception(weights={str(inception_file)!r})")


def test_other_weights_as_safetensors_are_taken_and_said_to_be_others(vgg_file: Path):
    found = yardstick(f"vgg16(weights={str(vgg_file)!r})")
    assert not found.published
    assert "another file than the published one" in found.about
    assert found(images(3)).shape == (3, 12)
    assert bool((found(images(3)) >= 0).all())
    with pytest.raises(BadImages, match="NaN"):
        found(images(1) * float("nan"))


def test_weights_of_another_network_are_refused(vgg_file: Path):
    with pytest.raises(BadConfiguration, match="not those of 'inception'"):
        yardstick(f"inception(weights={str(vgg_file)!r})")


def test_what_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(BadConfiguration, match="there is none"):
        yardstick("inception(weights='nowhere.pth')")

    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(BadConfiguration, match=r"put https://.*6726825d\.pth there, or name the file"):
        yardstick("inception")


def test_torchs_own_cache_is_looked_in_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vgg_file: Path):
    publish(monkeypatch, "vgg16", vgg_file)
    (tmp_path / "checkpoints").mkdir()
    vgg_file.rename(tmp_path / "checkpoints" / vgg_file.name)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert yardstick("vgg16").published


def test_models_of_the_hub_say_which_weights_they_have(
    transformers: ModuleType, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
):
    found = yardstick(f"clip(model={str(tiny_clip)!r})")
    assert not found.published
    assert sha256_of(tiny_clip / "model.safetensors")[:16] in found.about
    assert found(images(3, 40)).shape == (3, found.width)
    known = {"some/model": sha256_of(tiny_clip / "model.safetensors")}
    monkeypatch.setattr(_yardsticks, "MODELS", known)
    again = yardstick(f"clip(model={str(tiny_clip)!r})")
    assert again.published
    assert "published as some/model" in again.about
    assert again.hash == found.hash


def test_a_known_model_with_other_weights_is_refused(
    transformers: ModuleType, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_vision, "MODELS", {str(tiny_clip.resolve()): "0" * 64})
    with pytest.raises(BadConfiguration, match=r"and the published ones 0000"):
        _vision.load_vision(str(tiny_clip), None)
