"""A person's own module as a generator: used as it is, kept with its weights, refused where it does not fit."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from penchant.core.contracts import GENERATORS, Budget, Workspace
from penchant.core.errors import BadConfiguration, PenchantError, StudyDamaged
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.generators.imported import Imported, ImportedImages

CODE = """
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, size, channels=3):
        super().__init__()
        self.layer = nn.ConvTranspose2d(6, channels, size)
        self.again = self.layer
    def forward(self, z):
        return torch.tanh(self.layer(z))

def make():
    torch.manual_seed(3)
    return Mine(28)

def blank():
    net = Mine(28)
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    return net

def large():
    return Mine(32)

def stuck():
    return nn.Sequential(Mine(28), Stopped())

class Stopped(nn.Module):
    def forward(self, x):
        return x.detach()

def nothing():
    return None

def broken():
    raise RuntimeError("no file")
"""
THEIRS = """
import torch
from torch import nn

class Generator(nn.Module):
    def __init__(self, latent):
        super().__init__()
        self.layer = nn.ConvTranspose2d(latent, 3, 28)
    def forward(self, z):
        return torch.tanh(self.layer(z))
"""
IMAGES = np.zeros((16, 3, 28, 28), np.uint8)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_generators.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_generators", raising=False)
    return tmp_path


def adopt(function: str = "make", weights: str = "", latent_shape: tuple[int, ...] = (6, 1, 1)) -> ImportedImages:
    component = Imported(f"own_generators:{function}", 6, weights, latent_shape)
    return component.fit(IMAGES, Budget(images=1), Rng(0), Workspace(Path("work")))


def test_imported_gives_the_modules_own_images_with_gradients() -> None:
    generator = adopt()
    latents = generator.latents(3, Rng(1)).requires_grad_()
    images = generator.decode(latents)
    expected = (generator.network(latents[:, :, None, None]) + 1) / 2
    assert torch.allclose(images, expected)
    assert images.shape == (3, 3, 28, 28)
    assert generator.capabilities.differentiable
    (gradient,) = torch.autograd.grad(images.sum(), latents)
    assert gradient.abs().sum() > 0
    assert not adopt("stuck").capabilities.differentiable


def test_imported_is_read_back_with_the_weights_it_had(workplace: Path) -> None:
    generator = adopt()
    generator.save_pretrained(workplace / "saved")
    (workplace / "own_generators.py").write_text(CODE.replace("manual_seed(3)", "manual_seed(4)"))
    found = load_generator(workplace / "saved")
    assert isinstance(found, ImportedImages)
    assert torch.equal(found.sample(2, Rng(0)), generator.sample(2, Rng(0)))
    assert found.hash == generator.hash
    config = workplace / "saved" / "config.json"
    config.write_text(config.read_text().replace(":make", ":large"))
    with pytest.raises(StudyDamaged, match="another network"):
        load_generator(workplace / "saved")


def test_imported_takes_weights_from_a_file(workplace: Path) -> None:
    state = {name: value.clone() + 0.1 for name, value in adopt().network.state_dict().items()}
    save_file(state, workplace / "mine.safetensors")
    assert not torch.equal(adopt("blank", "mine.safetensors").sample(1, Rng(0)), adopt().sample(1, Rng(0)))
    (workplace / "mine.safetensors").write_bytes(b"cut")
    for name in ("mine.safetensors", "absent.safetensors"):
        with pytest.raises(BadConfiguration, match="does not hold the weights"):
            adopt("blank", name)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("blank", "the same image"),
        ("large", r"shaped \(2, 3, 28, 28\)"),
        ("nothing", "it made NoneType"),
        ("broken", "RuntimeError: no file"),
        ("absent", "cannot be made: AttributeError"),
    ],
)
def test_imported_says_what_does_not_fit(function: str, said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        adopt(function)


def test_imported_says_so_when_the_noise_does_not_fit() -> None:
    with pytest.raises(BadConfiguration, match="cannot be given noise"):
        adopt(latent_shape=(1, 2, 3))
    with pytest.raises(BadConfiguration, match="no condition"):
        adopt().decode(torch.zeros(1, 6), torch.zeros(1, 2))


@pytest.mark.parametrize("name", ["", "own_generators", ":make", "absent_module:make"])
def test_imported_needs_a_function_that_there_is(name: str) -> None:
    with pytest.raises(BadConfiguration, match=r"names no function|cannot be made"):
        Imported(name, 6).fit(IMAGES, Budget(images=1), Rng(0), Workspace(Path("work")))


@pytest.mark.parametrize("wrong", ["latent_dim=0", "latent_dim=6, latent_shape=(5,)", "latent_dim=6, low=1.0"])
def test_imported_refuses_settings_that_cannot_work(wrong: str) -> None:
    with pytest.raises(PenchantError, match="must be"):
        GENERATORS.make(f"imported(module='own_generators:make', {wrong})")


def test_the_way_in_that_is_documented_works(workplace: Path) -> None:
    """docs/extending.md, word for word: its function in a file, its settings on the command line."""
    page = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
    page = page[page.index("## Your own generator") :]
    code = re.search(r"```python\n# my_gan.py\n(.*?)```", page, re.DOTALL)
    spec = re.search(r'--generator "(imported.*?)"`', page, re.DOTALL)
    assert code is not None
    assert spec is not None
    (workplace / "my_gan.py").write_text(code[1])
    (workplace / "my_project.py").write_text(THEIRS)
    for name in ("my_gan", "my_project"):
        sys.modules.pop(name, None)
    state = {"layer.weight": torch.randn(100, 3, 28, 28, generator=Rng(0).torch()) / 10, "layer.bias": torch.zeros(3)}
    save_file(state, workplace / "my_gan.safetensors")
    component: Imported = GENERATORS.make(spec[1].replace("\n", " "))
    generator = component.fit(IMAGES, Budget(images=1), Rng(0), Workspace(Path("work")))
    latents = generator.latents(2, Rng(1))
    expected = torch.tanh(torch.einsum("nz,zchw->nchw", latents, state["layer.weight"]))
    assert torch.allclose(generator.decode(latents), (expected + 1) / 2, atol=1e-5)
