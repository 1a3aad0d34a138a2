"""The GAN: fits, resumes, decodes with gradients, is read back, copes with odd images, refuses what it cannot learn."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.contracts import GENERATORS, Annotations, Budget, Progress, Workspace
from penchant.core.errors import BadConfiguration, BadImages, Interrupted, PenchantError, StudyDamaged
from penchant.core.family import spec_of
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._one_step import OneStep
from penchant.generators.gan import GAN
from penchant.training.loop import Settings
from penchant.training.objective import Clock

SMALL = GAN(
    latent_dim=6,
    widths=(8,),
    judge_widths=(8,),
    batch=16,
    augmentation=0.4,
    augmentations=("flip", "turn", "shift", "colour", "cutout"),
    instance_noise=0.1,
    minibatch_deviation=True,
    top_k=0.5,
)
BUDGET = Budget(images=64)
PICTURES = draw_pictures(48, 28, Rng(0)).images


def fit(folder: Path, component: GAN = SMALL, images: np.ndarray = PICTURES, seed: int = 0) -> OneStep:
    return component.fit(images, BUDGET, Rng(seed), Workspace(folder))


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> OneStep:
    return fit(tmp_path_factory.mktemp("fit"))


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 48), (1, 64)])
def test_gan_samples_images_of_the_size_it_saw(tmp_path: Path, channels: int, size: int) -> None:
    fitted = fit(tmp_path, images=draw_pictures(16, size, Rng(0), channels=channels).images)
    images = fitted.sample(5, Rng(1))
    assert images.shape == (5, channels, size, size)
    assert images.min() >= 0
    assert images.max() <= 1
    assert not torch.equal(images[0], images[1])


def test_gan_decodes_each_latent_on_its_own(generator: OneStep) -> None:
    latents = generator.latents(4, Rng(2))
    assert torch.allclose(generator.decode(latents)[2:3], generator.decode(latents[2:3]), atol=1e-5)


def test_gan_gradient_matches_finite_differences(generator: OneStep) -> None:
    latents = generator.latents(32, Rng(3)).requires_grad_()  # many: single ones lie at kinks
    direction = generator.latents(32, Rng(4))

    def brightness(z: torch.Tensor) -> torch.Tensor:
        return generator.decode(z).double().square().sum(dim=(1, 2, 3))

    (gradient,) = torch.autograd.grad(brightness(latents).sum(), latents)
    with torch.no_grad():
        change = (brightness(latents + 0.001 * direction) - brightness(latents - 0.001 * direction)) / 0.002
    apart = ((gradient * direction).sum(dim=1) - change).abs().mean()
    assert change.abs().mean() > 0.1
    assert apart < 0.03 * change.abs().mean()
    assert not any(parameter.requires_grad for parameter in generator.network.parameters())


def test_gan_reads_back_what_it_saved(generator: OneStep, tmp_path: Path) -> None:
    generator.save_pretrained(tmp_path)
    found = load_generator(tmp_path)
    assert isinstance(found, OneStep)
    latents = generator.latents(3, Rng(5))
    assert torch.equal(found.decode(latents), generator.decode(latents))
    assert (found.hash, found.settings, found.image) == (generator.hash, generator.settings, generator.image)


@pytest.mark.parametrize("harm", ["missing", "truncated", "settings"])
def test_gan_says_so_when_what_was_saved_is_damaged(generator: OneStep, tmp_path: Path, harm: str) -> None:
    generator.save_pretrained(tmp_path)
    weights, config = tmp_path / "weights.safetensors", tmp_path / "config.json"
    if harm == "missing":
        weights.unlink()
    elif harm == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        config.write_text(config.read_text().replace('"latent_dim": 6', '"latent_dim": 7'))
    with pytest.raises(StudyDamaged):
        load_generator(tmp_path)


def test_gan_depends_on_its_seed_alone(generator: OneStep, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    assert fit(tmp_path / "same").hash == generator.hash
    assert torch.equal(before, torch.random.get_rng_state())
    assert fit(tmp_path / "other", seed=1).hash != generator.hash


def test_gan_resumes_to_the_bit_when_stopped(generator: OneStep, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if 0 < progress.fraction < 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penchant.generators.gan.Settings", partial(Settings, report_seconds=0.0))
        with pytest.raises(Interrupted, match="go on"):
            SMALL.fit(PICTURES, BUDGET, Rng(0), Workspace(tmp_path, stop))
    assert fit(tmp_path).hash == generator.hash
    assert list((tmp_path / "sheets").iterdir())


@pytest.mark.parametrize("value", [0, 90])
def test_gan_learns_one_image_repeated(tmp_path: Path, value: int) -> None:
    images = np.full((16, 1, 28, 28), value, np.uint8)
    assert torch.isfinite(fit(tmp_path, images=images).sample(4, Rng(0))).all()


def test_gan_never_sees_images_of_weight_zero(tmp_path: Path, generator: OneStep) -> None:
    doubled = np.concatenate([PICTURES, 255 - PICTURES])
    weights = np.repeat([1.0, 0.0], len(PICTURES))

    def weighted(name: str, images: np.ndarray) -> str:
        annotations = Annotations(weights=weights)
        return SMALL.fit(images, BUDGET, Rng(0), Workspace(tmp_path / name), annotations).hash

    seen = np.concatenate([PICTURES, PICTURES])
    assert weighted("one", doubled) == weighted("other", seen)


def test_gan_is_made_from_its_description() -> None:
    assert GENERATORS.make(spec_of(SMALL)) == SMALL
    assert GENERATORS.make("gan(widths=(8,))") == GAN(widths=(8,))


def test_gan_augments_images_that_it_has_seen_often() -> None:
    def probabilities(component: GAN) -> list[float]:
        view = component._recipe().view(300)
        return [view.probability_at(Clock(images=300 * times, fraction=0.25)) for times in (0, 50, 125, 200, 900)]

    assert probabilities(GAN()) == pytest.approx([0, 0, 0.2, 0.4, 0.4])
    assert probabilities(GAN(augmentation=0.1)) == pytest.approx([0.05] * 5)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (PICTURES[:8], "at least 16 images; found 8"),
        (PICTURES / 255, "bytes shaped"),
        (PICTURES[..., :20], "squares of 28, 32, 48, 64, 128 pixels; found 28 × 20"),
    ],
)
def test_gan_refuses_images_that_it_cannot_learn(tmp_path: Path, images: np.ndarray, said: str) -> None:
    with pytest.raises(BadImages, match=said):
        fit(tmp_path, images=images)


@pytest.mark.parametrize(
    "settings",
    [
        "latent_dim=0",
        "widths=(12,)",
        "judge_widths=()",
        "learning_rate=0.0",
        "gamma=-1.0",
        "penalised=0.0",
        "top_k=1.5",
        "augmentation=2.0",
        "augmentations=('blur',)",
    ],
)
def test_gan_refuses_settings_that_cannot_work(settings: str) -> None:
    with pytest.raises(PenchantError, match="must"):
        GENERATORS.make(f"gan({settings})")


def test_gan_refuses_latents_of_another_width_and_conditions(generator: OneStep) -> None:
    with pytest.raises(BadConfiguration, match=r"n × 6.*found \(2, 99\)"):
        generator.decode(torch.zeros(2, 99))
    with pytest.raises(BadConfiguration, match="trained without"):
        generator.decode(generator.latents(1, Rng(0)), torch.ones(1, 3))


def test_gan_goes_on_only_with_a_run_of_its_own(tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.raises(BadConfiguration, match="belongs to another training run"):
        fit(tmp_path, images=draw_pictures(48, 32, Rng(0)).images)


def kinds(images: np.ndarray) -> set[tuple[int, int]]:
    """Layouts and grounds (16 in all) of drawn pictures that are nearest to at least one image in a hundred."""
    drawn = draw_pictures(2000, 28, Rng(9))
    shown = torch.from_numpy(drawn.images).float().flatten(1)
    nearest = torch.cdist(torch.from_numpy(images).float().flatten(1), shown).argmin(dim=1).numpy()
    found = np.stack([drawn.factors["layout"], drawn.factors["light"] > 0], axis=1).astype(int)[nearest]
    values, counts = np.unique(found, axis=0, return_counts=True)
    return {
        (int(layout), int(light)) for (layout, light), n in zip(values, counts, strict=True) if n >= len(images) / 100
    }


def test_kinds_are_those_there_are() -> None:
    images = draw_pictures(400, 28, Rng(3)).images
    assert len(kinds(images)) == 16
    assert len(kinds(images[:1].repeat(400, axis=0))) == 1


@pytest.mark.slow
def test_gan_makes_many_kinds_of_pictures_early(tmp_path: Path) -> None:
    """After 10,000 images 9 of the 16 kinds were counted; a generator that collapses shows one or two."""
    images = draw_pictures(2000, 28, Rng(0)).images
    learned = GAN().fit(images, Budget(images=10_000), Rng(0), Workspace(tmp_path))
    made = (learned.sample(400, Rng(1)).numpy() * 255).round().astype(np.uint8)
    assert len(kinds(made)) >= 7
