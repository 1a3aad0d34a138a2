"""The teaching baseline: fits, resumes, is read back, refuses what it cannot learn."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.contracts import GENERATORS, Budget, Progress, Workspace
from penchant.core.errors import BadImages, Interrupted, PenchantError, StudyDamaged
from penchant.core.family import spec_of
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._one_step import OneStep
from penchant.generators.dcgan import DCGAN, Judging, Making
from penchant.training.loop import Settings
from penchant.training.objective import Clock

SMALL = DCGAN(latent_dim=6, width=8, batch=16)
BUDGET = Budget(images=64)
PICTURES = draw_pictures(48, 28, Rng(0), channels=1).images


def fit(folder: Path, images: np.ndarray = PICTURES, seed: int = 0) -> OneStep:
    return SMALL.fit(images, BUDGET, Rng(seed), Workspace(folder))


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> OneStep:
    return fit(tmp_path_factory.mktemp("fit"))


@pytest.mark.parametrize(("channels", "size"), [(3, 28), (3, 32), (1, 48), (3, 64)])
def test_dcgan_samples_images_of_the_size_it_saw(tmp_path: Path, channels: int, size: int) -> None:
    images = fit(tmp_path, draw_pictures(16, size, Rng(0), channels=channels).images).sample(5, Rng(1))
    assert images.shape == (5, channels, size, size)
    assert images.min() >= 0
    assert images.max() <= 1
    assert not torch.equal(images[0], images[1])


def test_dcgan_decodes_each_latent_on_its_own_with_gradients(generator: OneStep) -> None:
    latents = generator.latents(4, Rng(2)).requires_grad_()
    images = generator.decode(latents)
    assert torch.allclose(images[2:3], generator.decode(latents[2:3]), atol=1e-5)
    (gradient,) = torch.autograd.grad(images.mean(), latents)
    assert gradient.abs().sum() > 0


def test_dcgan_reads_back_what_it_saved(generator: OneStep, tmp_path: Path) -> None:
    generator.save_pretrained(tmp_path)
    found = load_generator(tmp_path)
    assert isinstance(found, OneStep)
    latents = generator.latents(3, Rng(5))
    assert torch.equal(found.decode(latents), generator.decode(latents))
    assert (found.hash, found.settings, found.image) == (generator.hash, SMALL, generator.image)
    (tmp_path / "weights.safetensors").write_bytes((tmp_path / "weights.safetensors").read_bytes()[:-9])
    with pytest.raises(StudyDamaged):
        load_generator(tmp_path)


def test_dcgan_depends_on_its_seed_alone(generator: OneStep, tmp_path: Path) -> None:
    assert fit(tmp_path / "same").hash == generator.hash
    assert fit(tmp_path / "other", seed=1).hash != generator.hash


def test_dcgan_resumes_to_the_bit_when_stopped(generator: OneStep, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if 0 < progress.fraction < 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penchant.generators.dcgan.Settings", partial(Settings, report_seconds=0.0))
        with pytest.raises(Interrupted, match="go on"):
            SMALL.fit(PICTURES, BUDGET, Rng(0), Workspace(tmp_path, stop))
    assert fit(tmp_path).hash == generator.hash


def test_dcgan_learns_black_images(tmp_path: Path) -> None:
    assert torch.isfinite(fit(tmp_path, np.zeros((16, 1, 28, 28), np.uint8)).sample(4, Rng(0))).all()


def test_dcgan_losses_are_those_of_an_undecided_judge() -> None:
    class Undecided(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return 0 * pixels.sum(dim=(1, 2, 3))

    made = torch.nn.Sequential(torch.nn.Linear(6, 784), torch.nn.Unflatten(1, (1, 28, 28)))
    batch, clock = (torch.from_numpy(PICTURES),), Clock()
    judged = Judging(made, Undecided(), 6)(batch, Rng(0).torch(), clock).total
    assert judged.item() == pytest.approx(2 * np.log(2))
    assert Making(made, Undecided(), 6)(batch, Rng(0).torch(), clock).total.item() == pytest.approx(np.log(2))


def test_dcgan_refuses_what_it_cannot_learn(tmp_path: Path) -> None:
    with pytest.raises(BadImages, match="a DCGAN needs at least 16 images; found 8"):
        fit(tmp_path, PICTURES[:8])


def test_dcgan_is_made_from_its_description() -> None:
    assert GENERATORS.make(spec_of(SMALL)) == SMALL


@pytest.mark.parametrize("settings", ["latent_dim=0", "width=0", "batch=1", "learning_rate=0.0"])
def test_dcgan_refuses_settings_that_cannot_work(settings: str) -> None:
    with pytest.raises(PenchantError, match="must"):
        GENERATORS.make(f"dcgan({settings})")
