"""Features of pretrained models, with models as small as they get."""

import builtins
import json
import sys
from pathlib import Path
from shutil import copytree
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from penchant.core.contracts import FEATURES
from penchant.core.errors import BadConfiguration, StudyDamaged
from penchant.core.pretrained import load_extractor
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.features._preprocessing import Preprocessing, preprocessing_of
from penchant.features._principal import principal_axes
from penchant.features._vision import load_preprocessing, load_vision
from penchant.features.joined import Joined
from penchant.features.pretrained import Pretrained


def drawn(count: int, size: int = 48) -> np.ndarray:
    return draw_pictures(count, size, Rng(0)).images


def pictures(count: int, size: int = 48) -> Tensor:
    return torch.from_numpy(drawn(count, size)).float() / 255


# ------------------------------------------------------------------------------------- how images are prepared


def test_preprocessing_equals_hand_computed_numbers():
    """Twice as small by bilinear averaging with PIL's triangle (1, 3, 3, 1) / 8, the middle cut out, standardised."""
    config = {
        "size": {"shortest_edge": 4}, "crop_size": {"height": 2, "width": 2}, "do_center_crop": True, "resample": 2,
        "image_mean": [0.5, 0.25, 0.0], "image_std": [0.5, 0.25, 1.0],
    }  # fmt: skip
    prepare = preprocessing_of(config, "here")
    row = torch.tensor([0, 0, 0.8, 0, 0, 0.4, 0, 0])
    images = row.expand(1, 3, 8, 8).clone()
    seen = prepare(images)[0]
    # Output place 1 covers input places 1 to 4, and place 2 covers 3 to 6.
    reduced = torch.tensor([0.8 * 3 / 8, 0.4 * 3 / 8])
    expected = torch.stack([(reduced - mean) / std for mean, std in ((0.5, 0.5), (0.25, 0.25), (0.0, 1.0))])
    torch.testing.assert_close(seen, expected[:, None].expand(3, 2, 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [24, 48, 100])
@pytest.mark.parametrize(
    ("processor", "settings"),
    [
        ("CLIPImageProcessor", {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}),
        ("BitImageProcessor", {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}}),
        ("SiglipImageProcessor", {"size": {"height": 40, "width": 40}}),
        ("ViTImageProcessor", {"size": {"height": 32, "width": 32}}),
    ],
)
def test_preprocessing_is_that_of_the_models_own_image_processor(
    transformers: ModuleType, processor: str, settings: dict[str, Any], size: int
):
    theirs = getattr(transformers, processor)(**settings)
    images = [Image.fromarray(image.transpose(1, 2, 0)) for image in drawn(4, size)]
    expected = torch.as_tensor(np.stack(theirs(images)["pixel_values"]))
    ours = preprocessing_of(theirs.to_dict(), processor)(pictures(4, size))
    byte = 1 / 255 / min(theirs.image_std)  # they round to bytes twice, after each direction
    assert ours.shape == expected.shape
    assert float((ours - expected).abs().max()) < 1.5 * byte
    assert float((ours - expected).abs().mean()) < 0.3 * byte


def test_preprocessing_keeps_the_shape_of_images_that_are_not_square(transformers: ModuleType):
    theirs = transformers.CLIPImageProcessor(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32})
    wide = drawn(1, 60)[:, :, :40]
    expected = torch.as_tensor(np.stack(theirs([Image.fromarray(wide[0].transpose(1, 2, 0))])["pixel_values"]))
    ours = preprocessing_of(theirs.to_dict(), "here")(torch.from_numpy(wide.copy()).float() / 255)
    assert float((ours - expected).abs().max()) < 1.5 / 255 / min(theirs.image_std)


def test_another_side_cuts_away_the_same_share():
    prepare = Preprocessing((256, 0), "bicubic", (224, 224), 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)).at(112)
    assert prepare.resize == (128, 0)
    assert tuple(prepare(pictures(1)).shape) == (1, 3, 112, 112)


@pytest.mark.parametrize(
    ("config", "match"),
    [({"size": {"longest_edge": 9}}, "shortest_edge"), ({"size": 9, "resample": 1}, "resampling")],
)
def test_preprocessing_refuses_what_it_cannot_do(config: dict[str, Any], match: str):
    with pytest.raises(BadConfiguration, match=match):
        preprocessing_of({"image_mean": 0.5, "image_std": 0.5, **config}, "here")


# ----------------------------------------------------------------------------------------------------- features


def test_features_are_principal_components_of_the_models_own_vectors(transformers: ModuleType, tiny_clip: Path):
    images = pictures(60)
    own = transformers.CLIPVisionModel.from_pretrained(tiny_clip).eval()
    with torch.no_grad():
        vectors = own(pixel_values=load_preprocessing(str(tiny_clip))(images)).pooler_output
    mean, axes, deviations = principal_axes(vectors, 5)
    expected = (vectors.double() - mean) @ axes / deviations[0]
    extractor = Pretrained(str(tiny_clip), most=5).fit(images, None, Rng(0))
    torch.testing.assert_close(extractor(images), expected.float(), rtol=1e-3, atol=1e-4)
    assert [group.name for group in extractor.groups] == ["pretrained"]


def test_poolings_layers_and_sizes_give_other_features(tiny_clip: Path):
    settings: list[dict[str, Any]] = [{}, {"pooling": "mean"}, {"pooling": "mean", "layer": 1}, {"size": 48}]
    hashes = {Pretrained(str(tiny_clip), **each).fit(pictures(20), None, Rng(0)).hash for each in settings}
    assert len(hashes) == len(settings)


def test_mean_pooling_is_the_mean_of_a_hidden_state(transformers: ModuleType, tiny_clip: Path):
    prepared = load_preprocessing(str(tiny_clip))(pictures(3))
    own = transformers.CLIPVisionModel.from_pretrained(tiny_clip).eval()
    with torch.no_grad():
        states = own(pixel_values=prepared, output_hidden_states=True).hidden_states
    torch.testing.assert_close(load_vision(str(tiny_clip), 1)(prepared), states[1].mean(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["Dinov2", "ViT", "ResNet"])
def test_other_models_work_too(transformers: ModuleType, tmp_path: Path, kind: str):
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    settings = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]} if kind == "ResNet" else layers
    if kind != "ResNet":
        settings = {**settings, "image_size": 32, "patch_size": 8}
    config = getattr(transformers, f"{kind}Config")(**settings)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    for pooling in ("pooled", "mean"):
        features = Pretrained(str(tmp_path), size=40, pooling=pooling).fit(pictures(12), None, Rng(0))(pictures(12))
        assert features.isfinite().all()
        assert float(features[:, 0].std(correction=0)) == pytest.approx(1, abs=1e-2)


def test_joined_with_descriptors(tiny_clip: Path, tmp_path: Path):
    joined = Joined(("descriptors", f"pretrained(model={str(tiny_clip)!r}, most=4)")).fit(pictures(20), None, Rng(0))
    assert joined.groups[-1].name == "pretrained/pretrained"
    joined.save_pretrained(tmp_path)
    assert torch.equal(load_extractor(tmp_path)(pictures(3)), joined(pictures(3)))


# ------------------------------------------------------------------------------------------------------- weights


def test_weights_are_not_copied_but_known_by_their_hash(tiny_clip: Path, tmp_path: Path):
    model = copytree(tiny_clip, tmp_path / "model")
    extractor = Pretrained(str(model)).fit(pictures(20), None, Rng(0))
    extractor.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
    assert config["component"]["model"] == str(model)
    assert len(config["weights_sha256"]) == 64
    assert (tmp_path / "saved" / "features.safetensors").stat().st_size < 20_000


def test_loading_refuses_other_weights_under_the_same_name(transformers: ModuleType, tiny_clip: Path, tmp_path: Path):
    model = copytree(tiny_clip, tmp_path / "model")
    Pretrained(str(model)).fit(pictures(20), None, Rng(0)).save_pretrained(tmp_path / "saved")
    network = transformers.CLIPModel.from_pretrained(model)
    with torch.no_grad():
        network.vision_model.post_layernorm.bias[0] += 1e-3
    network.save_pretrained(model)
    with pytest.raises(StudyDamaged, match="are not those"):
        load_extractor(tmp_path / "saved")


def test_hash_does_not_depend_on_where_the_weights_are(tiny_clip: Path, tmp_path: Path):
    elsewhere = copytree(tiny_clip, tmp_path / "model")
    first, second = (Pretrained(str(model)).fit(pictures(20), None, Rng(0)) for model in (tiny_clip, elsewhere))
    assert first.hash == second.hash


def test_pickled_weights_are_refused(transformers: ModuleType, tiny_clip: Path, tmp_path: Path):
    model = copytree(tiny_clip, tmp_path / "model")
    network = transformers.CLIPModel.from_pretrained(model)
    (model / "model.safetensors").unlink()
    torch.save(network.state_dict(), model / "pytorch_model.bin")
    with pytest.raises(BadConfiguration, match=r"cannot be had.*model\.safetensors"):
        Pretrained(str(model)).fit(pictures(4), None, Rng(0))


def test_broken_weights_are_told(tiny_clip: Path, tmp_path: Path):
    model = copytree(tiny_clip, tmp_path / "model")
    (model / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(BadConfiguration, match="cannot be had"):
        Pretrained(str(model)).fit(pictures(4), None, Rng(0))


def test_weights_with_numbers_that_are_not_are_told(transformers: ModuleType, tiny_clip: Path, tmp_path: Path):
    network = transformers.CLIPModel.from_pretrained(copytree(tiny_clip, tmp_path / "model"))
    with torch.no_grad():
        network.vision_model.post_layernorm.bias.fill_(torch.nan)
    network.save_pretrained(tmp_path / "model")
    with pytest.raises(BadConfiguration, match="not finite"):
        Pretrained(str(tmp_path / "model")).fit(pictures(4), None, Rng(0))


def test_model_without_preprocessing_says_what_is_missing(tiny_clip: Path, tmp_path: Path):
    model = copytree(tiny_clip, tmp_path / "model")
    (model / "preprocessor_config.json").unlink()
    with pytest.raises(BadConfiguration, match=r"preprocessor_config\.json"):
        Pretrained(str(model)).fit(pictures(4), None, Rng(0))


def test_unreachable_model_says_what_would_work(transformers: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadConfiguration, match=r"'nobody/has-this-model' .*local folder"):
        load_vision("nobody/has-this-model", None)
    with pytest.raises(BadConfiguration, match=r"preprocessor_config\.json"):
        load_preprocessing("nobody/has-this-model")
    with pytest.raises(BadConfiguration, match=r"folder \./nowhere; there is none"):
        load_vision("./nowhere", None)


def test_settings_that_the_model_cannot_serve_are_told(tiny_clip: Path):
    with pytest.raises(BadConfiguration, match="layer=9"):
        Pretrained(str(tiny_clip), pooling="mean", layer=9).fit(pictures(4), None, Rng(0))


def test_missing_transformers_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BadConfiguration, match=r"pip install 'penchant\[pretrained\]'"):
        Pretrained().fit(pictures(4), None, Rng(0))


def test_naming_a_model_imports_nothing(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def watched(name: str, *rest: Any) -> Any:
        assert not name.startswith("transformers")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", watched)
    assert FEATURES.make("pretrained(model='some/model', size=98)").size == 98


@pytest.mark.parametrize("setting", ["model=''", "most=0", "size=0", "layer=3", "pooling='max'"])
def test_impossible_settings_are_refused(setting: str):
    with pytest.raises(BadConfiguration):
        FEATURES.make(f"pretrained({setting})")
