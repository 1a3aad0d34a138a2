"""The encoder that learns from the images alone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from penchant.core.contracts import FEATURES, Extractor
from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.features._encoder import Network, nt_xent, side_and_patch, statistics
from penchant.features._views import Views
from penchant.features.self_supervised import SelfSupervised
from penchant.training.processes import Processes


def pictures(count: int, seed: int = 0, size: int = 32) -> Tensor:
    return torch.from_numpy(draw_pictures(count, size, Rng(seed)).images).float() / 255


@pytest.fixture(scope="module")
def trained() -> Extractor:
    return SelfSupervised(images=4000).fit(pictures(500), None, Rng(0))


def share_found(extractor: Extractor, images: Tensor) -> float:
    """How often the nearest among all second views is of the same image."""
    noise = Rng(9).torch()
    first, second = (extractor(Views().draw(images, noise)) for _ in range(2))
    return float((torch.cdist(first, second).argmin(1) == torch.arange(len(images))).float().mean())


def test_two_views_of_an_unseen_image_are_closer_than_two_images(trained: Extractor):
    unseen = pictures(300, seed=1)
    assert share_found(trained, unseen) > 0.5  # chance is 1 in 300


def test_training_finds_more_than_random_weights(trained: Extractor):
    unseen = pictures(300, seed=1)
    untrained = SelfSupervised(images=1, batch=2).fit(pictures(500), None, Rng(0))
    assert share_found(trained, unseen) > share_found(untrained, unseen) + 0.03


def test_training_depends_on_rng_and_nothing_else():
    first, again, other = (SelfSupervised(images=200).fit(pictures(64), None, Rng(seed)) for seed in (0, 0, 1))
    assert first.hash == again.hash != other.hash
    before = torch.get_rng_state()
    SelfSupervised(images=64).fit(pictures(64), None, Rng(2))
    assert torch.equal(before, torch.get_rng_state())


def test_leading_component_has_unit_spread_and_the_others_less(trained: Extractor):
    deviations = trained(pictures(500)).std(0, correction=0)
    assert len(deviations) == 64
    assert float(deviations[0]) == pytest.approx(1, abs=1e-3)
    assert bool((deviations.diff() <= 1e-4).all())
    assert [group.name for group in trained.groups] == ["self_supervised"]


def test_images_of_another_size_than_fitted_to_are_seen(trained: Extractor):
    features = trained(pictures(20, size=64))
    reduced = trained(F.adaptive_avg_pool2d(pictures(20, size=64), 32))
    torch.testing.assert_close(features, reduced, rtol=1e-4, atol=1e-4)


def test_two_images_are_enough():
    features = SelfSupervised(images=8).fit(pictures(2), None, Rng(0))(pictures(2))
    assert features.isfinite().all()


def test_nt_xent_is_the_cross_entropy_of_finding_the_partner():
    generator = Rng(0).torch()
    first, second = torch.randn(2, 5, 3, generator=generator)
    both = np.concatenate([first.numpy(), second.numpy()])
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    expected: list[float] = []
    for row in range(10):
        scores = [np.exp(both[row] @ both[other] / 0.3) for other in range(10) if other != row]
        expected.append(-np.log(np.exp(both[row] @ both[(row + 5) % 10] / 0.3) / sum(scores)))
    loss, _ = nt_xent(first, second, 0.3)
    assert float(loss) == pytest.approx(np.mean(expected), rel=1e-4)


def test_statistics_of_a_flat_image_are_means_alone():
    network = Network(32, 2)
    found = statistics(torch.full((1, 3, 32, 32), 0.3), network.layers, 32, 2)[0].detach()
    widths = [24, 48, 96]
    for depth, width in enumerate(widths):
        start = 3 * sum(widths[:depth])
        torch.testing.assert_close(found[start + width : start + 2 * width], torch.full((width,), 1e-2))
        torch.testing.assert_close(found[start + 2 * width : start + 3 * width], torch.full((width,), 1e-3**0.5))


@pytest.mark.parametrize("size", [16, 17, 28, 47, 48, 63, 64, 100])
def test_sides_are_cut_into_whole_patches(size: int):
    side, patch = side_and_patch(size, size)
    assert side % patch == 0
    assert 7 <= side // patch <= 23
    features = SelfSupervised(images=4, most=2).fit(pictures(4, size=size), None, Rng(0))(pictures(4, size=size))
    assert features.isfinite().all()


def test_views_without_changes_are_the_images():
    images = pictures(4)
    still = Views(crop=0, turn=0, flip=0, colour=0, cover=0)
    torch.testing.assert_close(still.draw(images, Rng(0).torch()), images, rtol=0, atol=1e-5)


def test_views_keep_the_colour_of_an_image():
    images = pictures(200)
    views = Views().draw(images, Rng(0).torch())
    own = (views.mean((2, 3)) - images.mean((2, 3))).norm(dim=1)
    others = (views.mean((2, 3)) - images.roll(1, 0).mean((2, 3))).norm(dim=1)
    assert own.mean() < 0.4 * others.mean()


def test_cover_hides_a_square_of_its_side():
    images = torch.zeros(400, 1, 32, 32)
    images[:, :, ::2] = 1
    views = Views(crop=0, turn=0, flip=0, colour=0, cover=0.25).draw(images, Rng(0).torch())
    hidden = ((views - 0.5).abs() < 1e-6).sum((2, 3)).flatten()
    assert hidden.max() == 8 * 8
    assert hidden.min() >= 4 * 4


def test_alone_is_one_process_that_waits_for_nobody():
    alone = Processes.alone()
    assert (alone.count, alone.main) == (1, True)
    alone.wait()


@pytest.mark.parametrize(
    "spec",
    [
        "self_supervised(images=0)",
        "self_supervised(most=0)",
        "self_supervised(batch=1)",
        "self_supervised(temperature=0.0)",
        {"name": "self_supervised", "views": {"crop": 1.0}},
    ],
)
def test_impossible_settings_are_refused(spec: str | dict[str, object]):
    with pytest.raises(BadConfiguration):
        FEATURES.make(spec)


SCRIPT = """
import torch
from penchant.core.rng import Rng
from penchant.features.self_supervised import SelfSupervised
from penchant.training.processes import Processes

if Processes().main:
    images = torch.rand(32, 3, 32, 32, generator=Rng(0).torch())
    print(SelfSupervised(images=64).fit(images, None, Rng(0)).hash, Processes().count)
Processes().wait()
"""


@pytest.mark.slow
def test_one_of_two_processes_trains_while_the_other_does_not(tmp_path: Path):
    (tmp_path / "script.py").write_text(SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", str(tmp_path / "script.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(launcher, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    images = torch.rand(32, 3, 32, 32, generator=Rng(0).torch())
    assert done.stdout.split() == [SelfSupervised(images=64).fit(images, None, Rng(0)).hash, "2"]
