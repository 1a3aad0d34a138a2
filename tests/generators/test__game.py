"""The shared frame plays the game that it says: written out by hand it gives the same weights to the bit."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from penchant.core.contracts import Budget, ImageSpec, Workspace
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.generators._adversarial import RelativisticDiscriminator, RelativisticGenerator
from penchant.generators._adversaries import Discriminator, PlainGenerator
from penchant.generators._augmentation import Augmentation
from penchant.generators._common import seeded
from penchant.generators.dcgan import DCGAN, Judging, Making
from penchant.generators.gan import GAN
from penchant.training.loop import Settings, train
from penchant.training.objective import Adam, Objective

IMAGES = draw_pictures(32, 28, Rng(0)).images
IMAGE = ImageSpec(3, 28)
BUDGET = Budget(images=32)


def same_checkpoints(folder: Path, name: str) -> bool:
    mine, theirs = (load_file(folder / who / "checkpoint" / f"{name}.safetensors") for who in ("mine", "theirs"))
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def by_hand(folder: Path, rng: Rng, players: list[Objective], settings: Settings) -> None:
    for player in players:
        player.module.requires_grad_(True)
    train(players, [IMAGES], BUDGET, rng, Workspace(folder / "theirs"), settings)


def test_gan_is_the_relativistic_game_to_the_bit(tmp_path: Path) -> None:
    component = GAN(latent_dim=4, widths=(8,), judge_widths=(8,), batch=16, gamma=0.3, top_k=0.5, instance_noise=0.1)
    made = component.fit(IMAGES, BUDGET, Rng(0), Workspace(tmp_path / "mine"))
    rng = Rng(0)
    network = seeded(rng.child("generator network"), lambda: PlainGenerator(IMAGE, 4, (8,)))
    judge = seeded(rng.child("discriminator network"), lambda: Discriminator(IMAGE, (8,), False))
    view = Augmentation(component.augmentations, 0.4, 0.1, learned_from=len(IMAGES))
    adam = Adam(2e-3, betas=(0.0, 0.9), last_beta=0.99, clip=100.0)
    judging = RelativisticDiscriminator(network, judge, 4, 0.3, 0.25, view)
    making = RelativisticGenerator(network, judge, 4, 0.5, view)
    players = [
        Objective("discriminator", judge, judging, adam, half_life=None),
        Objective("generator", network, making, adam, half_life=20_000),
    ]
    by_hand(tmp_path, rng, players, Settings("gan", batch=16, lowest=0.1))
    assert same_checkpoints(tmp_path, "gan")
    assert equal(made.network, network)


def test_dcgan_is_the_textbook_game_to_the_bit(tmp_path: Path) -> None:
    component = DCGAN(latent_dim=4, width=8, batch=16)
    made = component.fit(IMAGES, BUDGET, Rng(0), Workspace(tmp_path / "mine"))
    rng = Rng(0)
    network = seeded(rng.child("generator network"), lambda: component._network(IMAGE))
    judge = seeded(rng.child("discriminator network"), lambda: component._judge(IMAGE))
    adam = Adam(2e-4, betas=(0.5, 0.999), clip=100.0)
    players = [
        Objective("discriminator", judge, Judging(network, judge, 4), adam, half_life=None),
        Objective("generator", network, Making(network, judge, 4), adam, half_life=None),
    ]
    by_hand(tmp_path, rng, players, Settings("dcgan", batch=16, warm_up=0.0, lowest=1.0))
    assert same_checkpoints(tmp_path, "dcgan")
    assert equal(made.network, network)


def equal(mine: nn.Module, theirs: nn.Module) -> bool:
    theirs_tensors = theirs.state_dict()
    return all(np.array_equal(value, theirs_tensors[name]) for name, value in mine.state_dict().items())
