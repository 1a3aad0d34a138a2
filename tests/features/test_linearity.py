"""Hidden tastes are about linear in the descriptors, though none of them is a descriptor."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import Ridge
from torch import Tensor

from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.features.descriptors import Descriptors
from penchant.voters import load_voter

TASTES = ["warm", "symmetric", "high_contrast", "calm", "mixture"]


def described(images: Tensor) -> np.ndarray:
    return Descriptors().fit(images[: len(images) // 2], None, Rng(0))(images).numpy()


def held_out_accuracy(images: Tensor, features: np.ndarray, taste: str) -> float:
    """Share of held-out pairs that ridge regression on the descriptors orders as the taste does."""
    half = len(images) // 2
    utility = load_voter(taste, images[:half]).utility(images)
    assert utility is not None
    best = np.abs(np.corrcoef(features.T, utility)[-1, :-1]).max()
    assert best < 0.995, "the hidden taste is one of the descriptors"
    predicted = Ridge(alpha=3.0).fit(features[:half], utility[:half]).predict(features[half:])
    left, right = Rng(1).numpy().integers(0, half, (2, 5000))
    truth = utility[half:]
    differ = left != right
    return float(np.mean(((predicted[left] > predicted[right]) == (truth[left] > truth[right]))[differ]))


@pytest.fixture(scope="module")
def pictures() -> tuple[Tensor, np.ndarray]:
    images = torch.from_numpy(draw_pictures(800, 32, Rng(5)).images) / 255.0
    return images, described(images)


@pytest.mark.parametrize("taste", TASTES)
def test_tastes_are_linear_on_embedded_pictures(pictures: tuple[Tensor, np.ndarray], taste: str):
    assert held_out_accuracy(*pictures, taste) > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("taste", TASTES)
def test_tastes_are_linear_on_photographs(flowers: tuple[Tensor, np.ndarray], taste: str):
    assert held_out_accuracy(*flowers, taste) > 0.93


@pytest.fixture(scope="module")
def flowers(data_packs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tensor, np.ndarray]:
    archive = data_packs / "flowers_96.zip"
    if not archive.is_file():
        pytest.skip(f"{archive} is missing")
    folder = tmp_path_factory.mktemp("flowers")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))[::2]
    arrays: list[np.ndarray] = []
    for path in paths:
        with Image.open(path) as image:
            arrays.append(np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BOX)))
    order = Rng(0).numpy().permutation(len(arrays))
    images = torch.from_numpy(np.stack(arrays)[order].transpose(0, 3, 1, 2)).float() / 255
    return images, described(images)
