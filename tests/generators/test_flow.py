"""The flow: exact where the velocity is known, under conditions, resumed, read back; refuses what it cannot learn."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import GENERATORS, Annotations, Budget, ImageSpec, Progress, Workspace
from penchant.core.errors import BadConfiguration, BadImages, Interrupted, PenchantError, StudyDamaged
from penchant.core.family import spec_of
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._velocity import Velocity, VelocityMatching
from penchant.generators.flow import Flow, FlowImages
from penchant.training.loop import Settings
from penchant.training.objective import Clock

SMALL = Flow(widths=(8, 16), steps=2, batch=16)
BUDGET = Budget(images=96)
PICTURES = draw_pictures(48, 28, Rng(0)).images
CLASSES = np.eye(3, dtype=np.float32)[np.arange(48) % 3]


def fit(folder: Path, images: np.ndarray = PICTURES, seed: int = 0, conditions: np.ndarray | None = None) -> FlowImages:
    return SMALL.fit(images, BUDGET, Rng(seed), Workspace(folder), Annotations(conditions=conditions))


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> FlowImages:
    return fit(tmp_path_factory.mktemp("fit"))


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> FlowImages:
    return fit(tmp_path_factory.mktemp("fit"), conditions=CLASSES)


class Straight(Velocity):
    """Every path leads straight from its noise to a picture of halves: v = (0.5 − x) / (1 − t)."""

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        return (0.5 - x) / (1 - time[:, None, None, None])


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_flow_follows_straight_paths_exactly_in_any_number_of_steps(steps: int) -> None:
    made = FlowImages(ImageSpec(1, 28), Flow(steps=steps), Straight(ImageSpec(1, 28), (8,), 0, 0.3))
    assert torch.allclose(made.sample(3, Rng(0)), torch.full((3, 1, 28, 28), 0.75), atol=1e-6)


def test_flow_starts_as_the_best_linear_guess() -> None:
    network = Velocity(ImageSpec(3, 32), (8, 16), 0, 0.3)
    noise = torch.Generator().manual_seed(0)
    start = torch.randn(64, 3, 32, 32, generator=noise)
    end = 0.3**0.5 * torch.randn(64, 3, 32, 32, generator=noise)
    for t in (0.1, 0.5, 0.9):
        x = torch.lerp(start, end, t)
        slope = ((end - start) * x).mean() / x.square().mean()
        with torch.no_grad():
            assert torch.allclose(network(x, torch.tensor([t])), slope * x, atol=0.05)


def test_flow_learns_an_image_in_ten_without_its_condition() -> None:
    seen: list[Tensor] = []

    class Watched(Velocity):
        def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
            assert condition is not None
            seen.append(condition.isnan().all(dim=1))
            return x

    loss = VelocityMatching(Watched(ImageSpec(1, 28), (8,), 2, 0.3))
    loss((torch.zeros(2000, 1, 28, 28, dtype=torch.uint8), torch.ones(2000, 2)), torch.Generator(), Clock())
    assert seen[0].float().mean().item() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (1, 48), (3, 64), (3, 128)])
def test_velocity_gives_back_the_shape_that_it_got(channels: int, size: int) -> None:
    network = Velocity(ImageSpec(channels, size), (8, 16), 0, 0.3)
    x = torch.zeros(2, channels, size, size)
    assert network(x, torch.tensor([0.5])).shape == x.shape


def test_flow_samples_images_of_the_size_it_saw(generator: FlowImages) -> None:
    images = generator.sample(3, Rng(1))
    assert images.shape == (3, 3, 28, 28)
    assert images.min() >= 0
    assert images.max() <= 1
    assert not torch.equal(images[0], images[1])
    assert generator.latent_dim == 3 * 28 * 28
    assert not generator.capabilities.conditional


def test_flow_gradient_matches_finite_differences(generator: FlowImages) -> None:
    latents = generator.latents(1, Rng(3)).requires_grad_()
    direction = generator.latents(1, Rng(4))
    (gradient,) = torch.autograd.grad(generator.decode(latents).square().mean(), latents)
    with torch.no_grad():
        after, before = (generator.decode(latents + way * 0.01 * direction).square().mean() for way in (1, -1))
    assert gradient.abs().sum() > 0
    assert (gradient * direction).sum().item() == pytest.approx((after - before).item() / 0.02, rel=0.05, abs=1e-5)
    assert not any(parameter.requires_grad for parameter in generator.network.parameters())


def test_flow_draws_what_the_condition_says_and_without_one_from_all(conditional: FlowImages) -> None:
    latents, first = conditional.latents(3, Rng(5)), torch.from_numpy(CLASSES[:1])
    assert conditional.capabilities.conditional
    assert conditional.condition_dim == 3
    one, other = conditional.decode(latents, first), conditional.decode(latents, first.roll(1))
    assert not torch.equal(one, other)
    assert torch.equal(one, conditional.decode(latents, first.expand(3, 3)))
    assert torch.equal(conditional.decode(latents), conditional.sample(3, Rng(5)))


def test_flow_learns_which_images_belong_to_which_condition(tmp_path: Path) -> None:
    images = np.zeros((64, 1, 28, 28), np.uint8)
    images[1::2] = 255
    conditions = np.eye(2, dtype=np.float32)[np.arange(64) % 2]
    component = Flow(widths=(8,), steps=3, batch=8)
    made = component.fit(images, Budget(images=1600), Rng(0), Workspace(tmp_path), Annotations(conditions=conditions))
    latents = made.latents(8, Rng(1))
    dark, bright = (made.decode(latents, torch.from_numpy(row[None])).mean() for row in np.eye(2, dtype=np.float32))
    assert bright - dark > 0.4


@pytest.mark.parametrize("harm", ["two rows", "wide", "nan"])
def test_flow_refuses_conditions_that_it_does_not_know(
    generator: FlowImages, conditional: FlowImages, harm: str
) -> None:
    wrong = {"two rows": torch.ones(2, 3), "wide": torch.ones(3, 4), "nan": torch.full((3, 3), torch.nan)}[harm]
    with pytest.raises(BadConfiguration, match="condition"):
        conditional.decode(conditional.latents(3, Rng(0)), wrong)
    with pytest.raises(BadConfiguration, match="trained without"):
        generator.decode(generator.latents(3, Rng(0)), torch.ones(3, 3))
    with pytest.raises(BadConfiguration, match="n × 2352"):
        generator.decode(torch.zeros(3, 7))


def test_flow_reads_back_what_it_saved(conditional: FlowImages, tmp_path: Path) -> None:
    conditional.save_pretrained(tmp_path)
    found = load_generator(tmp_path)
    assert isinstance(found, FlowImages)
    latents = conditional.latents(2, Rng(5))
    condition = torch.from_numpy(CLASSES[:2])
    assert torch.equal(found.decode(latents, condition), conditional.decode(latents, condition))
    assert (found.hash, found.settings, found.image) == (conditional.hash, conditional.settings, conditional.image)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(StudyDamaged, match="hash"):
        load_generator(tmp_path)


def test_flow_goes_on_learning_under_its_conditions(conditional: FlowImages, generator: FlowImages) -> None:
    def losses(of: FlowImages, conditions: Tensor | None) -> tuple[Tensor, Tensor]:
        continued = of.continued()
        assert isinstance(continued.generator, FlowImages)
        loss = continued.loss(torch.from_numpy(PICTURES[:16]), Rng(0).torch(), conditions)
        learned = next(iter(continued.generator.network.condition.parameters()))
        (gradient,) = torch.autograd.grad(loss, learned, allow_unused=True, materialize_grads=True)
        return loss.detach(), gradient.abs().sum()

    told = torch.from_numpy(CLASSES[:16])
    assert losses(conditional, told)[1] > 0
    assert losses(conditional, None)[1] == 0
    assert losses(conditional, torch.full_like(told, torch.nan))[1] == 0
    assert losses(generator, torch.zeros(16, 0))[0] == losses(generator, None)[0]


def test_flow_resumes_to_the_bit_when_stopped(conditional: FlowImages, generator: FlowImages, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if 0 < progress.fraction < 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penchant.generators.flow.Settings", partial(Settings, report_seconds=0.0))
        with pytest.raises(Interrupted, match="go on"):
            SMALL.fit(PICTURES, BUDGET, Rng(0), Workspace(tmp_path, stop), Annotations(conditions=CLASSES))
    assert fit(tmp_path, conditions=CLASSES).hash == conditional.hash
    assert fit(tmp_path / "other", seed=1, conditions=CLASSES).hash != conditional.hash
    assert conditional.hash != generator.hash
    assert any((tmp_path / "sheets").iterdir())


def test_flow_learns_mirrored_grey_images_that_are_all_alike(tmp_path: Path) -> None:
    component = Flow(widths=(8,), steps=1, batch=16, mirror=True)
    black = component.fit(np.zeros((16, 1, 32, 32), np.uint8), Budget(images=64), Rng(0), Workspace(tmp_path))
    assert black.sample(2, Rng(0)).isfinite().all()


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (PICTURES[:15], "at least 16 images; found 15"),
        (PICTURES / 255, "bytes shaped"),
        (PICTURES[..., :20], "squares of 28, 32, 48, 64, 128 pixels; found 28 × 20"),
    ],
)
def test_flow_refuses_images_that_it_cannot_learn(tmp_path: Path, images: np.ndarray, said: str) -> None:
    with pytest.raises(BadImages, match=said):
        fit(tmp_path, images)


@pytest.mark.parametrize("conditions", [CLASSES[:5], CLASSES[:, 0], np.full_like(CLASSES, np.nan)])
def test_flow_refuses_conditions_that_are_not_one_row_an_image(tmp_path: Path, conditions: np.ndarray) -> None:
    with pytest.raises(BadConfiguration, match="conditions are"):
        fit(tmp_path, conditions=conditions)


@pytest.mark.parametrize("settings", ["steps=0", "widths=(12,)", "guidance=-1.0", "learning_rate=0.0", "batch=0"])
def test_flow_refuses_settings_that_cannot_work(settings: str) -> None:
    with pytest.raises(PenchantError, match="must"):
        GENERATORS.make(f"flow({settings})")


def test_flow_is_made_from_its_description() -> None:
    assert GENERATORS.make(spec_of(SMALL)) == SMALL
