"""Checkpoints: whole or not at all, and only of the run that asks."""

import errno
import os
from pathlib import Path

import pytest
import torch

from penchant.core.errors import BadConfiguration, StorageFull, StudyDamaged, StudyTooNew
from penchant.training import checkpoint
from penchant.training.checkpoint import Checkpoint
from penchant.training.objective import Clock

STATE = Checkpoint(
    Clock(step=3, images=12, seconds=1.0 / 3.0, fraction=0.3),
    0.1,
    True,
    {"seed": [1, "a"], "batch": 4},
    {"net/weights/a": torch.tensor([1.0, float("nan"), -0.0]), "net/optimiser/0/step": torch.tensor(3.0)},
)


def test_checkpoint_reads_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.safetensors"
    checkpoint.write(path, STATE)
    found = checkpoint.read(path, STATE.identity)
    assert found is not None
    assert (found.clock, found.step_seconds, found.bfloat16) == (STATE.clock, 0.1, True)
    for name, value in STATE.tensors.items():
        assert found.tensors[name].numpy().tobytes() == value.numpy().tobytes()
    assert [file.name for file in path.parent.iterdir()] == ["run.safetensors"]


def test_checkpoint_is_none_when_there_is_no_file(tmp_path: Path) -> None:
    assert checkpoint.read(tmp_path / "none", {}) is None


def test_checkpoint_names_what_differs(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "run", STATE)
    with pytest.raises(BadConfiguration, match=r"differ: batch, rows\."):
        checkpoint.read(tmp_path / "run", {"seed": [1, "a"], "batch": 5, "rows": 2})


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x08\0\0\0\0\0\0\0{}      "])
def test_checkpoint_says_so_when_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").write_bytes(content)
    with pytest.raises(StudyDamaged, match=r"not a whole checkpoint.*Remove it"):
        checkpoint.read(tmp_path / "run", {})


def test_checkpoint_of_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 99)
        checkpoint.write(tmp_path / "run", STATE)
    with pytest.raises(StudyTooNew, match="format 99"):
        checkpoint.read(tmp_path / "run", STATE.identity)


def test_checkpoint_keeps_the_former_one_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    checkpoint.write(path, STATE)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="the one before it is kept"):
        checkpoint.write(path, STATE)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_checkpoint_says_so_when_the_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyDamaged, match="cannot be written"):
        checkpoint.write(tmp_path / "file" / "run", STATE)
