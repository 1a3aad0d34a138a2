"""Captions by a language model, on tiny ones whose vocabulary and weights are made here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from penchant.core.contracts import TEXTS
from penchant.core.errors import BadConfiguration, PenchantError, StudyDamaged
from penchant.core.pretrained import load_text_encoder
from penchant.texts.pretrained import Pretrained, PretrainedTexts

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

WORDS = ("red", "blue", "green", "apple", "sky", "car", "house")
CAPTIONS = [f"{colour} {thing}" for colour in WORDS[:3] for thing in WORDS[3:]]
SHAPE: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def bert(folder: Path) -> Path:
    """As sentence-transformers has it: a BERT whose words are averaged."""
    vocabulary = {word: number for number, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS))}
    transformers.BertTokenizer(vocab=vocabulary, model_max_length=8).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.BertConfig(
            vocab_size=len(vocabulary), max_position_embeddings=8, initializer_range=1.0, **SHAPE
        )
        transformers.BertModel(config).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16).save_pretrained(folder)
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1, "pad_token_id": len(tokens) - 1}
    text = {"vocab_size": len(tokens), "max_position_embeddings": 16, "projection_dim": 12, **ends, **SHAPE}
    vision = {"image_size": 8, "patch_size": 4, "projection_dim": 12, **SHAPE}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
        transformers.CLIPModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert(tmp_path_factory.mktemp("bert"))


def test_pretrained_texts_are_the_mean_of_the_words_whitened(model: Path) -> None:
    encoder = Pretrained(str(model), width=8).fit(CAPTIONS)
    rows = encoder(CAPTIONS)
    assert rows.shape == (12, 8)
    assert rows.dtype == np.float32
    assert np.abs(rows.mean(axis=0)).max() < 1e-5
    assert 0.5 < rows.std() < 1.1
    words, network = (kind.from_pretrained(model) for kind in (transformers.AutoTokenizer, transformers.AutoModel))
    with torch.no_grad():  # one at a time, so without padding
        states = [network.eval()(**words(text, return_tensors="pt")).last_hidden_state.mean(1) for text in CAPTIONS]
    expected = torch.nn.functional.normalize(torch.cat(states), dim=1).numpy()
    distances = np.linalg.norm((expected[:, None] - expected) @ encoder._axes, axis=2)
    assert np.allclose(np.linalg.norm(rows[:, None] - rows, axis=2), distances, atol=1e-4)


def test_pretrained_texts_of_clip_are_its_text_features(tmp_path: Path) -> None:
    encoder = Pretrained(str(clip(tmp_path))).fit(CAPTIONS)
    assert encoder.width == 11
    words, network = (kind.from_pretrained(tmp_path) for kind in (transformers.AutoTokenizer, transformers.AutoModel))
    with torch.no_grad():
        told = words(CAPTIONS, padding="max_length", max_length=16, return_tensors="pt")
        expected = network.eval().text_projection(network.text_model(**told).pooler_output)
    expected = torch.nn.functional.normalize(expected, dim=1).numpy()
    assert np.allclose((expected - expected.mean(0)) @ encoder._axes, encoder(CAPTIONS), atol=1e-3)


def test_pretrained_texts_are_read_back_and_notice_other_weights(model: Path, tmp_path: Path) -> None:
    own = bert(tmp_path / "own")
    encoder = TEXTS.make(f"pretrained(model='{own}')").fit(CAPTIONS)
    encoder.save_pretrained(tmp_path / "saved")
    found = load_text_encoder(tmp_path / "saved")
    assert isinstance(found, PretrainedTexts)
    assert np.allclose(found(["red car", "\ud800"]), encoder(["red car", "\ud800"]), atol=1e-4)
    assert found.unfamiliar("zebra") == ()
    network = transformers.AutoModel.from_pretrained(own)
    network.embeddings.word_embeddings.weight.data += 1
    network.save_pretrained(own)
    with pytest.raises(StudyDamaged, match="bring those back"):
        load_text_encoder(tmp_path / "saved")
    (tmp_path / "saved" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(StudyDamaged, match="whole text encoder"):
        load_text_encoder(tmp_path / "saved")


def test_pretrained_texts_say_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadConfiguration, match="there is none"):
        Pretrained(str(tmp_path / "absent")).fit(CAPTIONS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadConfiguration, match=r"cannot be had.*hashed"):
        Pretrained(str(tmp_path / "empty")).fit(CAPTIONS)
    with pytest.raises(BadConfiguration, match="at least one text"):
        Pretrained().fit([])
    with pytest.raises(PenchantError, match="width must be"):
        TEXTS.make("pretrained(width=0)")


def test_pretrained_texts_take_one_caption_for_all(model: Path) -> None:
    assert np.isfinite(Pretrained(str(model)).fit(["red car"] * 4)(["red car", "blue sky", ""])).all()
