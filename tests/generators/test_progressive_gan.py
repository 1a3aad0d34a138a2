"""The progressive GAN: stages come when the clock says, fade without a jump, and a run is the same in pieces."""

from functools import partial
from pathlib import Path

import pytest
import torch

from penchant.core.contracts import GENERATORS, Budget, ImageSpec, Progress, Workspace
from penchant.core.errors import Interrupted, PenchantError
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._common import seeded
from penchant.generators._growing import (
    Growing,
    GrowingDiscriminator,
    GrowingGenerator,
    faded,
    growth_at,
    sides_of,
)
from penchant.generators.progressive_gan import ProgressiveGAN
from penchant.training.loop import Settings
from penchant.training.objective import Batch, Clock, Loss

IMAGE = ImageSpec(1, 28)
SMALL = ProgressiveGAN(latent_dim=6, widths=(8,), judge_widths=(8,), batch=16, growing=0.8)


@pytest.mark.parametrize(
    ("fraction", "growth"),
    [(0.0, 0.0), (0.1, 0.0), (0.15, 0.2), (0.1875, 0.5), (0.25, 1.0), (0.35, 1.0), (0.4375, 1.5), (0.5, 2.0), (1, 2)],
)
def test_stages_settle_and_fade_in_equal_parts(fraction: float, growth: float) -> None:
    assert growth_at(fraction, 3, 0.5) == pytest.approx(growth)


def test_stages_double_from_four_to_seven_pixels_up_to_the_patches() -> None:
    found = [sides_of(ImageSpec(3, size)) for size in (28, 32, 48, 64, 128)]
    assert found == [[7, 14, 28], [4, 8, 16, 32], [6, 12, 24, 48], [4, 8, 16, 64], [4, 8, 16, 32, 128]]


def test_growing_networks_fade_without_a_jump() -> None:
    network = seeded(Rng(0), lambda: GrowingGenerator(IMAGE, 6, (8,)))
    judge = seeded(Rng(0), lambda: GrowingDiscriminator(IMAGE, (8,), True))
    latents = torch.randn(4, 6, generator=Rng(1).torch())

    def drawn(growth: float) -> tuple[torch.Tensor, torch.Tensor]:
        network.growth = judge.growth = growth
        with torch.no_grad():
            images = network(latents)
            return images, judge(images)

    for stage in (1.0, 2.0):
        for before, at in zip(drawn(stage - 1e-4), drawn(stage), strict=True):
            assert torch.allclose(before, at, atol=1e-3)
        for after, at in zip(drawn(stage - 1 + 1e-4), drawn(stage - 1), strict=True):
            assert torch.allclose(after, at, atol=1e-3)
    assert not torch.allclose(drawn(0.0)[0], drawn(0.5)[0], atol=1e-3)
    assert not torch.allclose(drawn(0.5)[0], drawn(1.0)[0], atol=1e-3)


@pytest.mark.parametrize("growth", [0.0, 0.5, 1.0, 1.5])
def test_growing_discriminator_sees_no_more_than_its_stage(growth: float) -> None:
    judge = seeded(Rng(0), lambda: GrowingDiscriminator(IMAGE, (8,), False))
    judge.growth = growth
    images = torch.randn(4, 1, 28, 28, generator=Rng(1).torch())
    side = judge.sides[int(growth + 0.999)]
    coarse = torch.nn.functional.interpolate(torch.nn.functional.adaptive_avg_pool2d(images, side), size=28)
    with torch.no_grad():
        assert torch.allclose(judge(images), judge(coarse), atol=1e-5)


def test_real_images_fade_in_as_made_ones_do() -> None:
    images = torch.rand(2, 1, 28, 28, generator=Rng(0).torch())
    assert torch.equal(faded(images, [7, 14, 28], 2.0), images)
    coarse, finer = (torch.nn.functional.adaptive_avg_pool2d(images, side) for side in (7, 14))
    expected = 0.75 * coarse.repeat_interleave(2, 2).repeat_interleave(2, 3) + 0.25 * finer
    seen = faded(images, [7, 14, 28], 0.25)
    assert torch.allclose(seen[..., ::2, ::2], expected, atol=1e-6)
    assert torch.equal(seen[..., ::2, ::2], seen[..., 1::2, 1::2])


def test_growing_puts_both_networks_where_the_clock_is() -> None:
    network, judge = GrowingGenerator(IMAGE, 6, (8,)), GrowingDiscriminator(IMAGE, (8,), False)
    seen: list[torch.Tensor] = []

    def loss(batch: Batch, noise: torch.Generator, clock: Clock) -> Loss:
        seen.append(batch[0])
        return Loss(torch.tensor(0.0))

    images = torch.from_numpy(draw_pictures(4, 28, Rng(0), channels=1).images)
    Growing(loss, network, judge, 0.5)((images,), Rng(0).torch(), Clock(fraction=0.0))
    assert network.growth == judge.growth == 0
    assert torch.equal(seen[0][..., ::4, ::4], seen[0][..., 3::4, 3::4])
    Growing(loss, network, judge, 0.5)((images,), Rng(0).torch(), Clock(fraction=0.9))
    assert network.growth == judge.growth == 2
    assert torch.equal(seen[1], images.float())


def test_progressive_gan_is_the_same_when_stopped_in_every_stage(tmp_path: Path) -> None:
    images, budget = draw_pictures(32, 28, Rng(0), channels=1).images, Budget(images=128)
    whole = SMALL.fit(images, budget, Rng(0), Workspace(tmp_path / "whole"))
    last, stops = 0.0, 0

    def stop(progress: Progress) -> None:
        nonlocal last, stops
        if last + 0.2 < progress.fraction < 1:
            last, stops = progress.fraction, stops + 1
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penchant.generators.progressive_gan.Settings", partial(Settings, report_seconds=0.0))
        while True:
            try:
                pieces = SMALL.fit(images, budget, Rng(0), Workspace(tmp_path / "pieces", stop))
            except Interrupted:
                continue
            break
    assert stops >= 3
    assert pieces.hash == whole.hash
    assert torch.equal(pieces.sample(2, Rng(1)), whole.sample(2, Rng(1)))


@pytest.mark.parametrize("settings", ["growing=0.0", "growing=1.5", "widths=(9,)", "judge_widths=()", "gamma=-1.0"])
def test_progressive_gan_refuses_settings_that_cannot_work(settings: str) -> None:
    with pytest.raises(PenchantError, match="must"):
        GENERATORS.make(f"progressive_gan({settings})")
