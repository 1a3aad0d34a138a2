"""How extractors are written and read back, and the hash that says which one made a feature."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from penchant.core.errors import StudyDamaged
from penchant.core.pretrained import read_config, write_config, write_tensors

_FILE = "features.safetensors"


def content_hash(kind: str, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Sixteen hexadecimal digits of a component's name, its settings and its numbers."""
    digest = sha256(json.dumps([kind, settings], sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def save(directory: Path, kind: str, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write ``config.json`` and the tensors."""
    write_config(directory, kind, settings)
    write_tensors(directory / _FILE, tensors)


def read(directory: Path, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What :func:`save` wrote.

    Raises:
        StudyDamaged: a file is missing or broken, or lacks one of the tensors ``names``.
    """
    config = read_config(directory)
    path = directory / _FILE
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StudyDamaged(f"{path} cannot be read: {error}") from None
    missing = [name for name in names if name not in tensors]
    if missing:
        raise StudyDamaged(f"{path} lacks {', '.join(missing)}")
    return config, tensors
