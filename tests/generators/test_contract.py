"""What every family of generators that is trained here promises, in one place."""

from collections.abc import Generator as Yields
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.contracts import GENERATORS, Budget, Examined, Generator, GeneratorComponent, Progress, Workspace
from penchant.core.errors import BadConfiguration, BadImages, Interrupted, StudyDamaged
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.training.loop import Settings

TINY = {
    "vae": "vae(widths=(8, 8), code_dim=8, flow_width=16, flow_blocks=1, flow_steps=1, batch=16)",
    "vae_gan": "vae_gan(widths=(8,), judge_widths=(8,), code_dim=8, flow_width=8, flow_blocks=1, batch=16)",
    "vq_vae": "vq_vae(levels=(4, 3), widths=(8,), token_width=8, token_layers=1, batch=16)",
    "flow": "flow(widths=(8, 8), steps=1, batch=16)",
    "gan": "gan(latent_dim=6, widths=(8,), judge_widths=(8,), batch=16)",
    "dcgan": "dcgan(latent_dim=6, width=8, batch=16)",
    "progressive_gan": "progressive_gan(latent_dim=8, widths=(8,), judge_widths=(8,), batch=16)",
    "style_gan": "style_gan(latent_dim=6, style_dim=8, widths=(8,), judge_widths=(8,), batch=16)",
}
"""Settings that train in a moment; a family that is not named here is taken as it comes."""
BROUGHT = ("imported", "diffusers_pipeline", "auto")
"""Generators that nothing trains here: whatever a person brings, and the choice of another one."""
BUDGET = Budget(images=64)
SHAPES = [(1, 28), (3, 64)]


def made(name: str) -> GeneratorComponent:
    component: GeneratorComponent = GENERATORS.make(TINY.get(name, name))
    return component


def pictures(channels: int, size: int) -> np.ndarray:
    return draw_pictures(24, size, Rng(0), channels=channels).images


@contextmanager
def quick(name: str, **pace: float) -> Yields[None]:
    """Inside, the family trains at another pace: without sheets, which take most of a moment, or with every report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module(type(made(name)).__module__), "Settings", partial(Settings, **pace))
        yield


@pytest.fixture(scope="module", params=[name for name in GENERATORS.names() if name not in BROUGHT])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Generator]]:
    """A family's name, and what it learned from images of each of the shapes."""
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    with quick(name, sheets=0):
        return name, [
            made(name).fit(pictures(*shape), BUDGET, Rng(0), Workspace(folder / f"{shape[1]}")) for shape in SHAPES
        ]


Family = tuple[str, list[Generator]]


def test_family_draws_images_of_the_shape_it_saw(family: Family) -> None:
    for generator, (channels, size) in zip(family[1], SHAPES, strict=True):
        images = generator.sample(3, Rng(1))
        assert (generator.image.channels, generator.image.size) == (channels, size)
        assert images.shape == (3, channels, size, size)
        assert images.dtype == torch.float32
        assert images.isfinite().all()
        assert images.min() >= 0
        assert images.max() <= 1
        assert not torch.equal(images[0], images[1])


def test_family_is_a_function_of_each_latent_by_itself(family: Family) -> None:
    generator = family[1][0]
    latents = generator.latents(4, Rng(2))
    assert latents.shape == (4, generator.latent_dim)
    with torch.no_grad():
        together, again, alone = (generator.decode(part) for part in (latents, latents, latents[2:3]))
    assert torch.equal(together, again)
    assert torch.allclose(together[2:3], alone, atol=1e-5)


def test_family_has_gradients_where_it_says_so(family: Family) -> None:
    for generator in family[1]:
        latents = generator.latents(2, Rng(3)).requires_grad_()
        images = generator.decode(latents)
        assert images.requires_grad == generator.capabilities.differentiable
        if generator.capabilities.differentiable:
            (gradient,) = torch.autograd.grad(images.square().sum(), latents)
            assert gradient.isfinite().all()
            assert (gradient.abs().sum(dim=1) > 0).all()


def test_family_reads_back_what_it_saved(family: Family, tmp_path: Path) -> None:
    for generator, shape in zip(family[1], SHAPES, strict=True):
        folder = tmp_path / str(shape)
        generator.save_pretrained(folder)
        found = load_generator(folder)
        latents = generator.latents(3, Rng(4))
        with torch.no_grad():
            assert torch.equal(found.decode(latents), generator.decode(latents))
    weights = next(iter(sorted(tmp_path.rglob("*.safetensors"))))
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(StudyDamaged):
        load_generator(weights.parent)


def test_family_goes_on_to_the_bit_when_it_was_stopped(family: Family, tmp_path: Path) -> None:
    name, (whole, _) = family
    stopped: list[float] = []

    def stop(progress: Progress) -> None:
        if 0 < progress.fraction < 1:
            stopped.append(progress.fraction)
            raise KeyboardInterrupt

    with quick(name, report_seconds=0.0), pytest.raises(Interrupted, match="go on"):
        made(name).fit(pictures(*SHAPES[0]), BUDGET, Rng(0), Workspace(tmp_path, stop))
    resumed = made(name).fit(pictures(*SHAPES[0]), BUDGET, Rng(0), Workspace(tmp_path))
    latents = whole.latents(3, Rng(5))
    with torch.no_grad():
        assert torch.equal(resumed.decode(latents), whole.decode(latents))
    assert stopped


def test_family_keeps_the_best_state_that_was_examined(family: Family, tmp_path: Path) -> None:
    name, (whole, _) = family
    latents = whole.latents(3, Rng(6))
    seen: list[torch.Tensor] = []

    def examine(generator: Generator) -> Examined:
        with torch.no_grad():
            seen.append(generator.decode(latents))
        return Examined(score=float(len(seen)), error=0.1)

    with quick(name, sheets=4):
        kept = made(name).fit(pictures(*SHAPES[0]), BUDGET, Rng(0), Workspace(tmp_path, examine=examine))
    with torch.no_grad():
        assert torch.equal(kept.decode(latents), seen[0])
        assert torch.equal(whole.decode(latents), seen[-1])
    assert not torch.equal(seen[0], seen[-1])


def test_family_refuses_latents_and_images_that_it_cannot_take(family: Family, tmp_path: Path) -> None:
    name, (generator, _) = family
    with pytest.raises(BadConfiguration, match=f"n × {generator.latent_dim}"):
        generator.decode(torch.zeros(2, generator.latent_dim + 1))
    with pytest.raises(BadImages, match="at least 16 images; found 8"):
        made(name).fit(pictures(1, 28)[:8], BUDGET, Rng(0), Workspace(tmp_path))
    with pytest.raises(BadImages, match="squares"):
        made(name).fit(pictures(1, 28)[..., :20], BUDGET, Rng(0), Workspace(tmp_path))


@pytest.mark.parametrize("name", [name for name in GENERATORS.names() if name not in BROUGHT])
@pytest.mark.parametrize("value", [0, 255])
def test_family_learns_images_that_are_all_black_or_white(name: str, value: int, tmp_path: Path) -> None:
    images = np.full((24, 1, 28, 28), value, np.uint8)
    with quick(name, sheets=0):
        generator = made(name).fit(images, Budget(images=32), Rng(0), Workspace(tmp_path))
    drawn = generator.sample(3, Rng(1))
    assert drawn.shape == (3, 1, 28, 28)
    assert drawn.isfinite().all()
    generator.save_pretrained(tmp_path / "kept")
    assert torch.equal(load_generator(tmp_path / "kept").sample(3, Rng(1)), drawn)
