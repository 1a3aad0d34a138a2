"""Images as tokens: rounding, the token model's distribution, drawing by inversion, classes, going on training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.contracts import GENERATORS, Annotations, Budget, Generator, ImageSpec, Workspace
from penchant.core.errors import NotCapable, PenchantError
from penchant.core.pretrained import load_generator
from penchant.core.rng import Rng
from penchant.generators._common import seeded
from penchant.generators._quantised import ScalarQuantiser, TokenAutoencoder, usage
from penchant.generators._token_model import TokenModel
from penchant.generators.vq_vae import VQVAE, TokenImages

SMALL = VQVAE(
    levels=(4, 3), widths=(8,), token_width=16, token_layers=1, batch=16, token_learning_rate=0.03, token_share=0.8
)
SHADES = np.array([[0.0, 1.0]] * 16 + [[1.0, 0.0]] * 16, dtype=np.float32)
NOISE = Rng(0).numpy().integers(0, 60, (32, 1, 28, 28))
IMAGES = (NOISE + 190 * SHADES[:, :1, None, None]).astype(np.uint8)
"""Dark images and light ones."""


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory) -> TokenImages:
    workspace = Workspace(tmp_path_factory.mktemp("shades"))
    return SMALL.fit(IMAGES, Budget(images=800), Rng(0), workspace, Annotations(conditions=SHADES))


def test_every_level_can_be_reached_and_nothing_beyond() -> None:
    quantise = ScalarQuantiser((8, 5, 2))
    codes = torch.linspace(-20, 20, 4001)[:, None, None, None].expand(-1, 1, 1, 3).clone().requires_grad_()
    levels = quantise(codes)
    assert [sorted(set(levels[..., c].flatten().tolist())) for c in range(3)] == [
        [*range(8)],
        [*range(5)],
        [*range(2)],
    ]
    (gradient,) = torch.autograd.grad(levels.sum(), codes)
    middle = gradient[2000].flatten()
    torch.testing.assert_close(middle, torch.tensor([3.5, 2.0, 0.5]) * 1.001)  # as if nothing were rounded
    ends = quantise.scaled(torch.tensor([[[[0.0, 0.0, 0.0]]], [[[7.0, 4.0, 1.0]]]]))
    assert ends.flatten().tolist() == [-1.0] * 3 + [1.0] * 3


@pytest.mark.parametrize(("size", "side"), [(28, 7), (32, 8), (48, 6), (64, 8), (128, 8)])
def test_grids_have_six_to_eight_tokens_a_side(size: int, side: int) -> None:
    network = TokenAutoencoder(ImageSpec(3, size), (4, 3), (8,))
    levels = network.encode(torch.zeros(1, 3, size, size))
    assert levels.shape == (1, side**2, 2)
    assert network.decode(levels).shape == (1, 3, size, size)
    assert int(network.numbered(levels).max()) < 12


def test_usage_of_a_codebook_counts_codes_and_evenness() -> None:
    used, evenly = usage(torch.tensor([[0, 1], [2, 3]]), 8)
    assert float(used) == pytest.approx(0.5)
    assert float(evenly) == pytest.approx(0.5)
    used, evenly = usage(torch.tensor([[3, 3], [3, 3]]), 8)
    assert float(used) == pytest.approx(1 / 8)
    assert float(evenly) == pytest.approx(1 / 8)


def test_what_is_drawn_has_the_probabilities_that_the_model_tells() -> None:
    model = seeded(Rng(0), lambda: TokenModel(2, (3, 2), 8, 1)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(
                0.5 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
            )
    grid = torch.cartesian_prod(*[torch.arange(float(count)) for count in (3, 2, 3, 2)]).unflatten(1, (2, 2))
    with torch.no_grad():
        logits = model(grid)
    log_likelihood = torch.zeros(len(grid))
    for channel, scores in enumerate(logits):
        chosen = grid[..., channel].long()[..., None]
        log_likelihood += scores.log_softmax(dim=2).gather(2, chosen)[..., 0].sum(dim=1)
    told = log_likelihood.exp()
    assert float(told.sum()) == pytest.approx(1, abs=1e-5)
    noise = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    drawn = model.draw(noise, None, 1.0).flatten(1)
    places = torch.tensor([12.0, 6.0, 2.0, 1.0])
    found = torch.bincount((drawn @ places).long(), minlength=36).float()[(grid.flatten(1) @ places).long()]
    assert float((found / 20_000 - told).abs().max()) < 4.5 * 0.5 / 20_000**0.5
    assert float(told.max()) > 2 / 36, "a model that tells nothing proves nothing"


def test_more_noise_never_draws_a_lower_level() -> None:
    model = seeded(Rng(1), lambda: TokenModel(1, (5,), 8, 1)).eval()
    drawn = model.draw(torch.linspace(-4, 4, 200)[:, None], None, 1.0).flatten()
    assert (drawn.diff() >= 0).all()
    assert set(drawn.tolist()) == set(range(5))
    assert len(set(model.draw(torch.linspace(-3, 3, 50)[:, None], None, 1e-3).flatten().tolist())) == 1


def test_vq_vae_gives_back_images_and_draws_what_a_class_says(shades: TokenImages) -> None:
    images = torch.from_numpy(IMAGES / np.float32(255))
    with torch.no_grad():
        assert float((shades.reconstruct(images) - images).square().mean().sqrt()) < 0.2
    dark, light = (shades.sample(32, Rng(1), torch.tensor([row])).mean() for row in ([0.0, 1.0], [1.0, 0.0]))
    assert light > dark + 0.4
    free = shades.sample(64, Rng(1)).mean(dim=(1, 2, 3))
    assert free.min() < 0.3
    assert free.max() > 0.6
    codes = images.clone().requires_grad_()
    assert shades.encode(codes).shape == (32, shades.latent_dim)
    (gradient,) = torch.autograd.grad(shades.encode(codes).square().sum(), codes)
    assert gradient.abs().sum() > 0


def test_vq_vae_goes_on_training_its_token_model_alone(shades: TokenImages, tmp_path: Path) -> None:
    shades.save_pretrained(tmp_path)
    found = load_generator(tmp_path)
    assert isinstance(found, TokenImages)
    assert found.hash == shades.hash
    light = torch.from_numpy(IMAGES[16:])
    goes_on = found.continued()
    adam = torch.optim.Adam(goes_on.parameters, 1e-2)
    for step in range(30):
        adam.zero_grad()
        goes_on.loss(light, torch.Generator().manual_seed(step)).backward()
        adam.step()
    learned: Generator = goes_on.generator
    assert learned.sample(32, Rng(2)).mean() > found.sample(32, Rng(2)).mean() + 0.1
    assert found.hash == shades.hash
    with pytest.raises(NotCapable, match="likelihood"):
        goes_on.error(light)


@pytest.mark.parametrize(
    "settings",
    ["levels=()", "levels=(8, 1)", "token_width=10", "token_share=1.0", "temperature=0.0", "batch=0", "widths=(5,)"],
)
def test_vq_vae_refuses_settings_that_cannot_work(settings: str) -> None:
    with pytest.raises(PenchantError, match="must"):
        GENERATORS.make(f"vq_vae({settings})")
