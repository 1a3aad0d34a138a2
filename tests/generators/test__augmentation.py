"""What a discriminator sees: pixels that are moved, recoloured and covered, with gradients of second order."""

import pytest
import torch

from penchant.core.rng import Rng
from penchant.generators._augmentation import KNOWN, Augmentation
from penchant.training.objective import Clock

PIXELS = torch.rand(200, 3, 16, 16, generator=Rng(0).torch()) * 2 - 1
LATE = Clock(fraction=1.0)


def seen(name: str, probability: float = 1.0, clock: Clock = LATE) -> torch.Tensor:
    return Augmentation((name,), probability, 0.0)(PIXELS, Rng(1).torch(), clock)


def test_augmentation_leaves_images_alone_at_the_start() -> None:
    assert torch.equal(Augmentation(KNOWN, 0.5, 0.0)(PIXELS, Rng(1).torch(), Clock()), PIXELS)


def test_augmentation_waits_until_images_were_seen_often() -> None:
    view = Augmentation(("colour",), 0.4, 0.0, learned_from=100)

    def changed(times: int) -> float:
        images = view(PIXELS, Rng(1).torch(), Clock(images=100 * times, fraction=0.9))
        return (images != PIXELS).flatten(1).any(dim=1).float().mean().item()

    assert changed(0) == changed(50) == 0
    assert 0.1 < changed(125) < 0.3
    assert 0.3 < changed(200) < 0.5
    assert changed(5000) == changed(200)


def test_augmentation_changes_the_share_that_was_asked_for() -> None:
    changed = (seen("colour", 0.3) != PIXELS).flatten(1).any(dim=1).float().mean()
    assert 0.2 < changed < 0.4
    halfway = (seen("colour", 0.3, Clock(fraction=0.25)) != PIXELS).flatten(1).any(dim=1).float().mean()
    assert 0.08 < halfway < 0.22


def test_flip_mirrors() -> None:
    assert torch.equal(seen("flip"), PIXELS.flip(3))


def test_turn_makes_every_quarter_turn() -> None:
    turned = seen("turn")
    quarters = [(turned == PIXELS.rot90(times, (2, 3))).flatten(1).all(dim=1) for times in (1, 2, 3)]
    assert torch.stack(quarters).sum(dim=0).eq(1).all()
    assert all(quarter.float().mean() > 0.2 for quarter in quarters)


def test_shift_moves_by_up_to_an_eighth_and_mirrors_the_border() -> None:
    shifted = seen("shift")
    padded = torch.nn.functional.pad(PIXELS, (2, 2, 2, 2), mode="reflect")
    places = [padded[:, :, y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
    found = torch.stack([(shifted == place).flatten(1).all(dim=1) for place in places])
    assert found.sum(dim=0).eq(1).all()
    assert found.any(dim=1).all()


def test_cutout_covers_a_square_of_half_the_side_at_most() -> None:
    covered = (seen("cutout") == 0).all(dim=1)
    assert covered.flatten(1).sum(dim=1).min() > 0
    assert covered.flatten(1).sum(dim=1).max() <= 64
    assert torch.equal(covered.flatten(1).sum(dim=1), (covered.any(2).sum(1) * covered.any(1).sum(1)))


def test_instance_noise_fades() -> None:
    noisy = [
        (Augmentation((), 0.0, 0.2)(PIXELS, Rng(1).torch(), Clock(fraction=fraction)) - PIXELS).std().item()
        for fraction in (0.0, 0.25, 0.5)
    ]
    assert noisy == pytest.approx([0.2, 0.1, 0.0], rel=0.02)


def test_augmentation_has_second_derivatives() -> None:
    pixels = PIXELS[:4].double().requires_grad_()

    def twice(x: torch.Tensor) -> torch.Tensor:
        return Augmentation(KNOWN, 0.7, 0.1)(x, Rng(1).torch(), Clock(fraction=0.4)).square().mean(dim=(1, 2, 3))

    (gradient,) = torch.autograd.grad(twice(pixels).sum(), pixels, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), pixels)
    assert second.abs().sum() > 0
