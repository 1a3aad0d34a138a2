"""Kinds are counted as they are made: of real stacks nearly all, of one stack repeated one."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from penchant.bench import BENCHMARKS
from penchant.bench._labelled import labelled_pictures, learned_classifier
from penchant.bench.modes import Modes, unevenness
from penchant.core.contracts import Progress
from penchant.core.errors import BadConfiguration

SMALL = "gan(latent_dim=4, widths=(8,), judge_widths=(8,), batch=16)"


def test_modes_are_counted_for_real_and_made_stacks(tmp_path: Path) -> None:
    heard: list[Progress] = []
    benchmark = Modes(generators=(SMALL,), images_seen=640, compared=600, sheets=str(tmp_path))
    rows = {row.what: row for row in benchmark.run(True, heard.append)}
    assert len(list(tmp_path.glob("*.png"))) == 1
    accuracy, real, made = (
        rows[what].value for what in ("classifier: right on unseen pictures", "real: modes", f"{SMALL}: modes")
    )
    assert accuracy is not None
    assert real is not None
    assert made is not None
    assert accuracy > 0.5
    assert real > 150
    assert made < real / 2  # forty steps make next to nothing
    assert {"classifier", SMALL} <= {progress.stage for progress in heard}


def test_unevenness_is_the_divergence_of_counts() -> None:
    assert unevenness(np.array([3, 3]), np.array([3, 3])) == 0
    expected = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    assert unevenness(np.array([8, 0]), np.array([4, 4])) == pytest.approx(expected)


def test_stacks_are_of_known_kinds_in_every_channel() -> None:
    pictures = labelled_pictures("pictures", 600)
    stacks = pictures.stacked(50, np.random.default_rng(0))
    assert stacks.shape == (50, 3, 28, 28)
    known = {image.tobytes() for image in pictures.images[:, 0]}
    assert all(channel.tobytes() in known for stack in stacks for channel in stack)


def test_classifier_learns_labels_of_an_idx_folder_and_refuses_one_without(tmp_path: Path) -> None:
    labels = np.arange(300, dtype=np.uint8) % 3
    images = np.repeat(labels[:, None] * 100, 784, axis=1).astype(np.uint8)
    images[:, 0] = np.arange(300) % 256
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + labels.tobytes()))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + images.tobytes()))
    network, accuracy = learned_classifier(labelled_pictures(str(tmp_path)), epochs=6)
    assert accuracy > 0.9
    assert (network.kinds(images[:3].reshape(-1, 1, 28, 28)) == [0, 1, 2]).all()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16 + 784)))
    with pytest.raises(BadConfiguration, match="300 labels"):
        labelled_pictures(str(tmp_path))
    with pytest.raises(BadConfiguration, match="holds no labels"):
        labelled_pictures(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("harm", ["images_seen=0", "compared=10", "seeds=0"])
def test_modes_refuse_to_count_nothing(harm: str) -> None:
    with pytest.raises(BadConfiguration, match="must be positive"):
        BENCHMARKS.make(f"modes({harm})")
