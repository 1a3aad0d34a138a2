"""Feature stores: the same from two processes as from one, read again, and made anew for other images."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from penchant.core.contracts import Progress
from penchant.core.errors import StudyDamaged
from penchant.core.rng import Rng
from penchant.data.pictures import draw_pictures
from penchant.study.feature_store import feature_store, forget_stores
from penchant.study.shards import BLOCK

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from penchant.core.rng import Rng
from penchant.study.feature_store import feature_store
from penchant.training.processes import Processes

processes = Processes()
assert processes.count == 2
images = np.load(sys.argv[1], mmap_mode="r")
features, held = feature_store(Path(sys.argv[2]), "random_convolutions", images, "these", Rng(0), processes,
                               held=images[:5])
np.save(f"{sys.argv[2]}-{processes.index}.npy", features)
"""


def pictures(count: int) -> np.ndarray:
    return draw_pictures(count, 28, Rng(0)).images


def test_two_processes_make_the_store_of_one(tmp_path: Path):
    few = pictures(64)
    images = np.concatenate([np.roll(few, turn, axis=3) for turn in range(2 * BLOCK // 64 + 1)])
    np.save(tmp_path / "images.npy", images)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(script), str(tmp_path / "images.npy"), str(tmp_path / "two")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    torch.set_num_threads(1)
    one, held = feature_store(tmp_path / "one", "random_convolutions", images, "these", Rng(0), held=images[:5])
    both = [np.load(tmp_path / f"two-{index}.npy") for index in (0, 1)]
    assert np.array_equal(both[0], both[1])
    assert np.array_equal(both[0], one)
    assert held is not None
    assert np.array_equal(held, one[:5])


def test_a_store_is_read_again_and_other_images_have_their_own(tmp_path: Path):
    images, heard = pictures(40), list[Progress]()
    first, _ = feature_store(tmp_path, "descriptors", images, "a", Rng(0), report=heard.append)
    assert heard
    heard.clear()
    again, _ = feature_store(tmp_path, "descriptors", images, "a", Rng(0), report=heard.append)
    assert np.array_equal(first, again)
    assert not heard, "nothing was looked at a second time"
    other, _ = feature_store(tmp_path, "descriptors", images[::-1], "b", Rng(0), report=heard.append)
    assert heard
    assert other.shape == first.shape
    forget_stores(tmp_path, keep=1)
    assert len([one for one in tmp_path.iterdir() if not one.name.endswith(".extractor")]) == 1
    forget_stores(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_broken_store_is_told(tmp_path: Path):
    images = pictures(20)
    feature_store(tmp_path, "descriptors", images, "a", Rng(0))
    (file,) = tmp_path.glob("*/features.npy")
    file.write_bytes(b"nothing")
    with pytest.raises(StudyDamaged, match="remove that folder"):
        feature_store(tmp_path, "descriptors", images, "a", Rng(0))
