"""A training run on disk: one safetensors file, replaced in one motion, from which it goes on to the bit."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from penchant.core.errors import NO_ROOM, BadConfiguration, StorageFull, StudyDamaged, StudyTooNew
from penchant.training.objective import Clock

FORMAT = 1
"""Version of the checkpoint format."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stood.

    ``identity`` says which run it was; ``bfloat16`` is the precision that was measured to pay; ``step_seconds`` what
    a step took; ``looks`` are what was seen along the way. There is no random state: order and noise are functions of
    the seed and the clock.
    """

    clock: Clock
    step_seconds: float
    bfloat16: bool
    identity: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    looks: Sequence[Mapping[str, Any]] = ()


def write(path: Path, state: Checkpoint) -> None:
    """Write a checkpoint; a reader, or a crash, sees the former one or the new one, never half of it.

    Raises:
        StorageFull: no room; the former checkpoint is still there.
        StudyDamaged: the folder cannot be written to.
    """
    described = {
        "format": FORMAT,
        "clock": asdict(state.clock),
        "step_seconds": state.step_seconds,
        "bfloat16": state.bfloat16,
        "identity": state.identity,
        "looks": list(state.looks),
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.tensors.items()}
    data = save(tensors, {"run": json.dumps(described)})
    draft = path.with_name(path.name + ".draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        if error.errno in NO_ROOM:
            raise StorageFull(
                f"no room left for the checkpoint {path} ({len(data) / 2**20:.1f} MiB); the one before it is kept. "
                "Free some space and start the same command again."
            ) from None
        raise StudyDamaged(f"the checkpoint {path} cannot be written: {error}") from None


def read(path: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """The checkpoint of this very run, or None where there is none yet.

    Raises:
        BadConfiguration: it belongs to a run with other data, settings or seed; the text says which differ.
        StudyDamaged: it is not a checkpoint.
        StudyTooNew: a later Penchant wrote it.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {})["run"])
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
        version = int(described["format"])
        found = Checkpoint(
            Clock(**described["clock"]),
            described["step_seconds"],
            described["bfloat16"],
            described["identity"],
            tensors,
            described.get("looks", []),  # not written before there were looks
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise StudyDamaged(f"{path} is not a whole checkpoint: {error}. Remove it to train from the start.") from None
    if version > FORMAT:
        raise StudyTooNew(f"{path} has format {version}; this Penchant reads up to {FORMAT}. Upgrade Penchant.")
    wanted = json.loads(json.dumps(identity))
    differing = sorted(key for key in {*wanted, *found.identity} if wanted.get(key) != found.identity.get(key))
    if differing:
        raise BadConfiguration(
            f"{path} belongs to another training run; these differ: {', '.join(differing)}. "
            "Use another folder, or remove it to train from the start."
        )
    return found
