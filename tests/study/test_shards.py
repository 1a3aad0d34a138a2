"""Arrays that several processes fill and score are those of one process, and interrupted work goes on."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from penchant.core.contracts import PREFERENCE, Choice, Group, Posterior, Votes, silent
from penchant.core.pretrained import load_extractor, load_generator
from penchant.core.rng import Rng
from penchant.study.pool import PoolPlan
from penchant.study.shards import BLOCK, Rows, ends, fill, share
from penchant.training.processes import Processes

ARRAYS = {"whole": ((2,), "int64"), "half": ((3, 2), "float16")}
COUNT = 5 * BLOCK + 7

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from penchant.core.contracts import silent
from penchant.core.pretrained import load_extractor, load_generator
from penchant.core.rng import Rng
from penchant.study.pool import PoolPlan
from penchant.study.shards import ends
from penchant.training.processes import Processes
sys.path.insert(0, sys.argv[4])
from test_shards import belief, features

study, folder, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
processes = Processes()
plan = PoolPlan(folder / "pool", count, Rng(5))

def load():
    generator = load_generator(study / "versions" / "1")
    return generator, load_extractor(study / "features", generator.encode)

if processes.main:
    plan.build(*load(), "this", processes, silent)
else:
    plan.assist(load, processes)
found = ends(features(30_000), belief(), 9, processes)
(folder / f"ends-{processes.index}-of-{processes.count}").write_text(repr([rows.tolist() for rows in found]))
"""


def features(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 4)).round(1).astype(np.float32)


def belief() -> Posterior:
    left, right = np.random.default_rng(1).normal(size=(2, 20, 4))
    choices = [Choice.LEFT if a > b else Choice.RIGHT for a, b in zip(left[:, 0], right[:, 0], strict=True)]
    return PREFERENCE.make("linear").prior([Group("one", 0, 4)]).refit(Votes(left, right, choices))


def process(index: int, count: int) -> Processes:
    """One of several, as far as the division of the work goes."""
    this = Processes.alone()
    this.index, this.count = index, count
    return this


class Maker:
    """Rows made of their numbers; stops at ``broken``."""

    def __init__(self, broken: int | None = None):
        self.made: list[int] = []
        self.broken = broken

    def __call__(self, rows: slice) -> Rows:
        if rows.start == self.broken:
            raise KeyboardInterrupt
        self.made.append(rows.start)
        numbers = np.arange(rows.start, rows.stop)
        return {
            "whole": np.stack([numbers, -numbers], 1),
            "half": np.repeat(numbers % 100, 6).reshape(-1, 3, 2) / 8,
        }


def filled(folder: Path, make: Maker, made_from: str = "numbers") -> None:
    fill(folder, COUNT, ARRAYS, made_from, make, Processes.alone())


@pytest.mark.parametrize("processes", [1, 2, 3, 16])
def test_shares_cover_all_rows_once(processes: int):
    parts = [block for index in range(processes) for block in share(COUNT, BLOCK, process(index, processes))]
    np.testing.assert_array_equal(np.concatenate([np.arange(COUNT)[part] for part in parts]), np.arange(COUNT))
    assert all(part.start % BLOCK == 0 for part in parts)


def test_arrays_hold_what_was_made(tmp_path: Path):
    heard: list[float] = []
    fill(tmp_path / "a", COUNT, ARRAYS, "numbers", Maker(), Processes.alone(), lambda told: heard.append(told.fraction))
    whole, half = (np.load(tmp_path / "a" / f"{name}.npy", mmap_mode="r") for name in ARRAYS)
    expected = Maker()(slice(0, COUNT))
    np.testing.assert_array_equal(whole, expected["whole"])
    np.testing.assert_array_equal(half, expected["half"])
    assert half.dtype == np.float16
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "half.npy", "whole.npy"]
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_interrupted_work_goes_on_where_it_stopped(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        filled(tmp_path / "a", Maker(broken=3 * BLOCK))
    assert not (tmp_path / "a").exists()
    again = Maker()
    filled(tmp_path / "a", again)
    assert again.made == [3 * BLOCK, 4 * BLOCK, 5 * BLOCK]
    np.testing.assert_array_equal(np.load(tmp_path / "a" / "whole.npy"), Maker()(slice(0, COUNT))["whole"])


def test_what_was_made_from_something_else_is_made_again(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        filled(tmp_path / "a", Maker(broken=3 * BLOCK))
    again = Maker()
    filled(tmp_path / "a", again, "other numbers")
    assert again.made == [BLOCK * i for i in range(6)]


def test_a_full_disk_is_told_and_leaves_no_half_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            filled(tmp_path / "a", Maker())
    assert not (tmp_path / "a").exists()
    filled(tmp_path / "a", Maker())
    np.testing.assert_array_equal(np.load(tmp_path / "a" / "whole.npy"), Maker()(slice(0, COUNT))["whole"])


@pytest.mark.parametrize("count", [1, 9, 30_000])
def test_ends_are_those_of_the_whole_order(count: int):
    values = features(30_000)
    means = belief().mean(values)
    order = np.lexsort((np.arange(len(means)), -means))
    liked, disliked = ends(values, belief(), count, Processes.alone())
    np.testing.assert_array_equal(liked, order[:count])
    np.testing.assert_array_equal(disliked, order[::-1][:count])


def test_ends_of_three_candidates_are_all_of_them():
    liked, disliked = ends(features(3).astype(np.float16), belief(), 9, Processes.alone())
    assert sorted(liked) == [0, 1, 2]
    np.testing.assert_array_equal(disliked, liked[::-1])


def test_a_longer_pool_begins_with_the_shorter_one(trained_folder: Path, tmp_path: Path):
    generator = load_generator(trained_folder / "versions" / "1")
    extractor = load_extractor(trained_folder / "features", generator.encode)
    short, long, half = (
        PoolPlan(tmp_path / str(count), count, Rng(5), precision).build(
            generator, extractor, "this", Processes.alone(), silent
        )
        for count, precision in ((256, "float32"), (1100, "float32"), (1101, "float16"))
    )
    np.testing.assert_array_equal(short.images, long.images[:256])
    np.testing.assert_array_equal(long.latents, half.latents[:1100])
    np.testing.assert_array_equal(long.features.astype(np.float16), half.features[:1100])
    assert half.features.dtype == np.float16
    assert len(np.unique(np.asarray(long.latents), axis=0)) == 1100


@pytest.mark.slow
def test_two_processes_make_and_score_the_pool_of_one(trained_folder: Path, tmp_path: Path):
    study = copytree(trained_folder, tmp_path / "study")
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    for name, launched in (("one", []), ("two", launcher)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "script.py").write_text(SCRIPT)
        script = [str(part) for part in (folder / "script.py", study, folder, 2500, Path(__file__).parent)]
        done = subprocess.run(
            [sys.executable, *launched, *script],
            env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
            capture_output=True,
            text=True,
            timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name in ("latents", "images", "features"):
        one, two = (np.load(tmp_path / folder / "pool" / f"{name}.npy") for folder in ("one", "two"))
        assert len(one) == 2500
        np.testing.assert_array_equal(one, two)
    alone = (tmp_path / "one" / "ends-0-of-1").read_text()
    assert {(tmp_path / "two" / f"ends-{index}-of-2").read_text() for index in (0, 1)} == {alone}
