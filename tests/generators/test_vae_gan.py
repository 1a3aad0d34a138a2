"""The autoencoder with a judge: what pulls at its images, when the judge joins, classes, and going on training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from penchant.core.contracts import GENERATORS, Annotations, Budget, ImageSpec, Workspace
from penchant.core.errors import BadConfiguration, PenchantError
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._adversaries import Discriminator
from penchant.generators._autoencoder import Autoencoder, NegativeElbo
from penchant.generators._coded import CodedImages
from penchant.generators._common import seeded
from penchant.generators._judged_autoencoder import Judged, Telling, seen
from penchant.generators.vae_gan import VAEGAN
from penchant.training.objective import Clock

SMALL = VAEGAN(code_dim=8, widths=(8,), judge_widths=(8,), flow_width=32, flow_blocks=1, batch=16)
PICTURES = draw_pictures(24, 28, Rng(0)).images
IMAGE = ImageSpec(3, 28)
LATE = Clock(fraction=1.0)


@pytest.fixture(scope="module")
def networks() -> tuple[Autoencoder, Discriminator]:
    network = seeded(Rng(0), lambda: Autoencoder(IMAGE, 8, (8,)))
    return network, seeded(Rng(1), lambda: Discriminator(IMAGE, (8,), minibatch_deviation=False))


def pulled(network: Autoencoder, loss: Judged | NegativeElbo, clock: Clock = LATE) -> Tensor:
    """The gradient of the decoder's last layer."""
    total = loss((torch.from_numpy(PICTURES[:8]),), torch.Generator().manual_seed(0), clock).total
    (gradient,) = torch.autograd.grad(total, dict(network.named_parameters())["decoder.6.weight"])
    return gradient


def test_without_a_judge_it_is_the_vae(networks: tuple[Autoencoder, Discriminator]) -> None:
    network, judge = networks
    plain = pulled(network, NegativeElbo(network, 4.0, 0.05))
    torch.testing.assert_close(pulled(network, Judged(network, judge, 4.0, 0.05, 0.0, 0.0, 0.0)), plain)
    early = Clock(fraction=0.2)
    torch.testing.assert_close(pulled(network, Judged(network, judge, 4.0, 0.05, 1.0, 1.0, 0.2), early), plain)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0)])
def test_both_opinions_of_the_judge_pull(
    networks: tuple[Autoencoder, Discriminator], weights: tuple[float, float]
) -> None:
    network, judge = networks
    plain = pulled(network, Judged(network, judge, 4.0, 0.05, 0.0, 0.0, 0.0))
    whole = pulled(network, Judged(network, judge, 4.0, 0.05, *weights, 0.2))
    half = pulled(network, Judged(network, judge, 4.0, 0.05, *weights, 0.2), Clock(fraction=0.25))
    assert (whole - plain).norm() > 0.05 * plain.norm()
    torch.testing.assert_close(half - plain, (whole - plain) / 2, rtol=1e-3, atol=1e-5)
    assert all(parameter.grad is None for parameter in judge.parameters())


def test_a_step_along_the_score_makes_images_look_more_real(networks: tuple[Autoencoder, Discriminator]) -> None:
    network, judge = networks
    pixels = torch.from_numpy(PICTURES[:8]).float() / 127.5 - 1
    made = network.decode(network.encode(pixels)[0]).detach().requires_grad_()
    opinion, _ = Judged(network, judge, 4.0, 0.05, 0.0, 1.0, 0.0)._opinion(pixels, made)
    with torch.no_grad():
        before, after = (seen(judge, image)[1] for image in (made, made - 0.1 * opinion))
    torch.testing.assert_close(opinion.norm(), torch.tensor(1.0))
    assert after.mean() > before.mean()
    torch.testing.assert_close(before, judge(made))


def test_the_judge_learns_to_tell(networks: tuple[Autoencoder, Discriminator]) -> None:
    network, _ = networks
    judge = seeded(Rng(2), lambda: Discriminator(IMAGE, (8,), minibatch_deviation=False))
    telling = Telling(network, judge, 0.1, 0.25)
    adam = torch.optim.Adam(judge.parameters(), 5e-3)
    margins: list[float] = []
    for step in range(12):
        loss = telling((torch.from_numpy(PICTURES),), torch.Generator().manual_seed(step), Clock())
        adam.zero_grad()
        loss.total.backward()
        adam.step()
        margins.append(float(loss.figures["margin"].detach()))
    assert margins[-1] > margins[0] + 0.5
    assert all(parameter.grad is None for parameter in network.parameters())


def test_vae_gan_draws_what_a_class_says_and_goes_on_training(tmp_path: Path) -> None:
    shades = np.repeat(np.array([[0.0, 1.0]] * 16 + [[1.0, 0.0]] * 16, dtype=np.float32), 1, axis=0)
    noise = Rng(0).numpy().integers(0, 60, (32, 1, 28, 28))
    images = (noise + 190 * shades[:, :1, None, None]).astype(np.uint8)
    made = SMALL.fit(images, Budget(images=1500), Rng(0), Workspace(tmp_path), Annotations(conditions=shades))
    assert made.capabilities.conditional
    dark, light = (made.sample(32, Rng(1), torch.tensor([row])).mean() for row in ([0.0, 1.0], [1.0, 0.0]))
    assert light > dark + 0.4
    free = made.sample(64, Rng(1)).mean(dim=(1, 2, 3))
    assert free.min() < 0.3
    assert free.max() > 0.6
    with pytest.raises(BadConfiguration, match="4 × 2 numbers"):
        made.decode(made.latents(4, Rng(0)), torch.zeros(4, 3))
    made.save_pretrained(tmp_path / "saved")
    found = load_generator(tmp_path / "saved")
    assert isinstance(found, CodedImages)
    assert found.hash == made.hash
    goes_on = found.continued()
    loss = goes_on.loss(torch.from_numpy(images), torch.Generator().manual_seed(0), torch.from_numpy(shades))
    gradients = torch.autograd.grad(loss, list(goes_on.parameters), allow_unused=True)
    assert sum(float(g.abs().sum()) for g in gradients if g is not None) > 0
    assert found.hash == made.hash


@pytest.mark.parametrize(
    "settings", ["adversarial=-1.0", "joins=1.0", "penalised=0.0", "judge_widths=(5,)", "batch=0", "flow_share=1.0"]
)
def test_vae_gan_refuses_settings_that_cannot_work(settings: str) -> None:
    with pytest.raises(PenchantError, match="must"):
        GENERATORS.make(f"vae_gan({settings})")
