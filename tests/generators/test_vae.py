"""The default generator: fits, resumes, decodes with gradients, is read back, refuses what it cannot learn."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.contracts import GENERATORS, Budget, Progress, Workspace
from penchant.core.errors import BadConfiguration, BadImages, Interrupted, PenchantError, StudyDamaged
from penchant.core.family import spec_of
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._coded import CodedImages
from penchant.generators.vae import VAE
from penchant.training.loop import Settings
from penchant.training.objective import Clock

SMALL = VAE(code_dim=12, widths=(8,), flow_width=32, flow_blocks=1, batch=16, learning_rate=0.01)
BUDGET = Budget(images=96)
PICTURES = draw_pictures(48, 28, Rng(0)).images


def fit(folder: Path, component: VAE = SMALL, images: np.ndarray = PICTURES, seed: int = 0) -> CodedImages:
    return component.fit(images, BUDGET, Rng(seed), Workspace(folder))


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> CodedImages:
    return fit(tmp_path_factory.mktemp("fit"))


def test_vae_samples_images_of_the_size_it_saw(generator: CodedImages) -> None:
    images = generator.sample(5, Rng(1))
    assert images.shape == (5, 3, 28, 28)
    assert images.min() >= 0
    assert images.max() <= 1
    assert 4 <= generator.latent_dim <= 12
    assert not torch.equal(images[0], images[1])


def test_vae_decodes_each_latent_on_its_own(generator: CodedImages) -> None:
    latents = generator.latents(4, Rng(2))
    assert torch.allclose(generator.decode(latents)[2:3], generator.decode(latents[2:3]), atol=1e-5)


def test_vae_gradient_matches_finite_differences(generator: CodedImages) -> None:
    latents = generator.latents(1, Rng(3)).requires_grad_()
    direction = generator.latents(1, Rng(4))
    (gradient,) = torch.autograd.grad(generator.decode(latents).mean(), latents)
    with torch.no_grad():
        step = 0.02 * direction
        change = (generator.decode(latents + step).mean() - generator.decode(latents - step).mean()) / 0.04
    assert gradient.abs().sum() > 0
    assert (gradient * direction).sum().item() == pytest.approx(change.item(), rel=0.05, abs=1e-5)
    assert not any(p.requires_grad for module in (generator.network, generator.flow) for p in module.parameters())


def test_vae_encodes_used_dimensions_with_gradients(generator: CodedImages) -> None:
    images = torch.from_numpy(PICTURES[:3] / np.float32(255)).requires_grad_()
    codes = generator.encode(images)
    assert codes.shape == (3, generator.latent_dim)
    (gradient,) = torch.autograd.grad(codes.square().sum(), images)
    assert gradient.abs().sum() > 0
    assert generator.reconstruct(images).shape == images.shape


def test_vae_reads_back_what_it_saved(generator: CodedImages, tmp_path: Path) -> None:
    generator.save_pretrained(tmp_path)
    found = load_generator(tmp_path)
    assert isinstance(found, CodedImages)
    latents = generator.latents(3, Rng(5))
    assert torch.equal(found.decode(latents), generator.decode(latents))
    assert (found.hash, found.settings, found.image) == (generator.hash, generator.settings, generator.image)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "weights.safetensors"]


def test_vae_draws_over_the_seams_of_patches_where_it_is_asked_to(tmp_path: Path) -> None:
    component = GENERATORS.make({**spec_of(SMALL), "fine": 8})
    made = fit(tmp_path / "fit", component)
    last = [layer for layer in made.network.decoder if isinstance(layer, torch.nn.Conv2d)][-1]
    assert tuple(last.weight.shape) == (3, 8, 3, 3)
    made.save_pretrained(tmp_path / "saved")
    assert torch.equal(load_generator(tmp_path / "saved").sample(2, Rng(0)), made.sample(2, Rng(0)))


def test_vae_of_before_there_was_a_fine_convolution_is_read_back(tmp_path: Path) -> None:
    made = fit(tmp_path / "fit", replace(SMALL, fine=0))
    made.save_pretrained(tmp_path / "saved")
    file = tmp_path / "saved" / "config.json"
    config = json.loads(file.read_text())
    del config["settings"]["fine"]
    file.write_text(json.dumps(config))
    assert torch.equal(load_generator(tmp_path / "saved").sample(2, Rng(0)), made.sample(2, Rng(0)))


@pytest.mark.parametrize("harm", ["missing", "changed", "empty", "settings"])
def test_vae_says_so_when_what_was_saved_is_damaged(generator: CodedImages, tmp_path: Path, harm: str) -> None:
    generator.save_pretrained(tmp_path)
    weights, config = tmp_path / "weights.safetensors", tmp_path / "config.json"
    if harm == "missing":
        weights.unlink()
    elif harm == "changed":
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
    elif harm == "empty":
        weights.write_bytes(b"")
    else:
        config.write_text(config.read_text().replace('"code_dim": 12', '"code_dim": 13'))
    with pytest.raises(StudyDamaged):
        load_generator(tmp_path)


def test_vae_depends_on_its_seed_alone(generator: CodedImages, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    assert fit(tmp_path / "same").hash == generator.hash
    assert torch.equal(before, torch.random.get_rng_state())
    assert fit(tmp_path / "other", seed=1).hash != generator.hash


@pytest.mark.parametrize("stage", ["autoencoder", "flow"])
def test_vae_resumes_to_the_bit_when_stopped(generator: CodedImages, tmp_path: Path, stage: str) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == stage and 0 < progress.fraction < 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penchant.generators.vae.Settings", partial(Settings, report_seconds=0.0))
        with pytest.raises(Interrupted, match="go on"):
            SMALL.fit(PICTURES, BUDGET, Rng(0), Workspace(tmp_path, stop))
    assert fit(tmp_path).hash == generator.hash


def test_vae_writes_sheets_while_it_trains(tmp_path: Path) -> None:
    fit(tmp_path)
    names = {path.name.split("-")[0] for path in (tmp_path / "sheets").iterdir()}
    assert names == {"autoencoder", "flow"}


def test_vae_learns_grey_and_mirrored_images(tmp_path: Path) -> None:
    grey = fit(tmp_path, replace(SMALL, mirror=True), draw_pictures(16, 32, Rng(0), channels=1).images)
    assert grey.sample(2, Rng(0)).shape == (2, 1, 32, 32)


def test_vae_reads_memory_maps(tmp_path: Path, generator: CodedImages) -> None:
    np.save(tmp_path / "images.npy", PICTURES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert fit(tmp_path / "fit", images=mapped).hash == generator.hash


def test_vae_leaves_the_flow_the_time_that_is_left() -> None:
    assert VAE()._stage().left(Budget(seconds=10), Clock(seconds=5.5), 0.5) == Budget(seconds=4.0)
    assert VAE()._stage().left(Budget(seconds=10), Clock(seconds=12), 0.5) == Budget(seconds=0.1)
    assert VAE(flow_share=0.5)._stage().left(Budget(images=100), Clock(), 3.0).seconds is None


def test_vae_is_made_from_its_description() -> None:
    made = GENERATORS.make("vae(code_dim=12, widths=(8,), flow_width=32, flow_blocks=1, batch=16, learning_rate=0.01)")
    assert made == SMALL
    assert GENERATORS.make(spec_of(SMALL)) == SMALL


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (PICTURES[:15], "at least 16 images; found 15"),
        (PICTURES[:, :2], "bytes shaped"),
        (PICTURES / 255, "bytes shaped"),
        (PICTURES[0], "bytes shaped"),
        (PICTURES[..., :20], "squares of 28, 32, 48, 64, 128 pixels; found 28 × 20"),
        (np.zeros((20, 3, 30, 30), np.uint8), "found 30 × 30"),
    ],
)
def test_vae_refuses_images_that_it_cannot_learn(tmp_path: Path, images: np.ndarray, said: str) -> None:
    with pytest.raises(BadImages, match=said):
        fit(tmp_path, images=images)


@pytest.mark.parametrize(
    "settings",
    ["code_dim=0", "flow_share=1.0", "widths=(12,)", "widths=()", "beta=-1.0", "learning_rate=0.0", "batch=0"],
)
def test_vae_refuses_settings_that_cannot_work(settings: str) -> None:
    with pytest.raises(PenchantError, match="must"):
        GENERATORS.make(f"vae({settings})")


def test_vae_refuses_latents_of_another_width_and_conditions(generator: CodedImages) -> None:
    with pytest.raises(BadConfiguration, match=rf"n × {generator.latent_dim}.*found \(2, 99\)"):
        generator.decode(torch.zeros(2, 99))
    with pytest.raises(BadConfiguration, match="condition of these images is none"):
        generator.decode(generator.latents(1, Rng(0)), torch.zeros(1, 3))


@pytest.mark.slow
def test_vae_learns_the_embedded_pictures(tmp_path: Path) -> None:
    images = draw_pictures(1000, 32, Rng(0)).images
    held_out = torch.from_numpy(draw_pictures(1200, 32, Rng(0)).images[1000:] / np.float32(255))
    learned = VAE().fit(images, Budget(images=6_000), Rng(0), Workspace(tmp_path))
    with torch.no_grad():
        error = (learned.reconstruct(held_out) - held_out).square().mean()
    assert error < 0.1 * (held_out - held_out.mean(dim=0)).square().mean()
    sampled = learned.sample(200, Rng(0))
    assert sampled.std(dim=0).mean() > 0.6 * held_out.std(dim=0).mean()
