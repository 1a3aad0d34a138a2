"""Models as small as they get, made here: pretrained ones with random weights, and one taught by a few votes."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from penchant.core.contracts import Budget, Choice
from penchant.core.rng import Rng
from penchant.preference import Convolutional


@pytest.fixture(scope="session")
def transformers() -> ModuleType:
    """The optional package; skips where it is missing."""
    return pytest.importorskip("transformers", reason="pip install 'penchant[pretrained]' brings transformers")


@pytest.fixture(scope="session")
def tiny_clip(transformers: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CLIP of two layers for 32 px, its text half included."""
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**layers, "vocab_size": 50, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1}
    vision = {**layers, "image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    folder = tmp_path_factory.mktemp("models") / "clip"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = transformers.CLIPModel(config)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    network.save_pretrained(folder)
    size = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    transformers.CLIPImageProcessor(**size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small convolutional preference model of two members that likes bright images."""
    folder = tmp_path_factory.mktemp("models") / "taught"
    rng = np.random.default_rng(0)
    bright = rng.integers(128, 255, (24, 3, 32, 32), dtype=np.uint8)
    dark = rng.integers(0, 128, (24, 3, 32, 32), dtype=np.uint8)
    model = Convolutional(width=4, members=2).fit(bright, dark, [Choice.LEFT] * 24, Budget(images=640), Rng(0))
    model.save_pretrained(folder)
    return folder
