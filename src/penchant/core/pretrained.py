"""Folders that hold a trained object: ``config.json`` says which component wrote it, safetensors hold the numbers."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from penchant.core import contracts
from penchant.core.contracts import Encoder, Extractor, Generator, Reward, TextEncoder
from penchant.core.errors import StudyDamaged, StudyTooNew
from penchant.core.family import Family

FORMAT = 1
"""Version of the folder format; a folder with a larger one was written by a newer Penchant."""

_FAMILIES = {
    family.package.rpartition(".")[2]: family for family in vars(contracts).values() if isinstance(family, Family)
}


def write_config(directory: Path, kind: str, settings: Mapping[str, Any]) -> None:
    """Write ``config.json``; ``kind`` is ``"family/name"``, for example ``"generators/vae"``."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"penchant": kind, "format": FORMAT, **settings}, indent=2, sort_keys=True)
    (directory / "config.json").write_text(text + "\n", encoding="utf-8")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write safetensors; a full disk is an OSError, as for every other file (safetensors' own writer has its own)."""
    path.write_bytes(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names, types, shapes and numbers of tensors, in the order of their names."""
    digest = sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_config(directory: Path) -> dict[str, Any]:
    """The contents of ``config.json``.

    Raises:
        StudyDamaged: it is missing or is not what :func:`write_config` writes.
        StudyTooNew: it was written in a later format.
    """
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind, version = config["penchant"], config["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyDamaged(f"{path} cannot be read as the description of a saved model: {error}") from None
    if not isinstance(kind, str) or not isinstance(version, int):
        raise StudyDamaged(f"{path} does not say which component wrote it")
    if version > FORMAT:
        raise StudyTooNew(f"{path} has format {version}; this Penchant reads up to {FORMAT}. Upgrade Penchant.")
    return config


def load_generator(directory: Path) -> Generator:
    """The generator that ``save_pretrained`` wrote to ``directory``, trained or aligned."""
    return _component_of(directory).load(directory)


def load_extractor(directory: Path, encoder: Encoder | None = None) -> Extractor:
    """The feature extractor in ``directory``; ``encoder`` must be the one it was fitted with, if any."""
    return _component_of(directory).load(directory, encoder)


def load_text_encoder(directory: Path) -> TextEncoder:
    """The text encoder in ``directory``."""
    return _component_of(directory).load(directory)


def load_reward(directory: Path, encoder: Encoder | None = None) -> Reward:
    """The reward in ``directory``; ``encoder`` as in :func:`load_extractor`."""
    return _component_of(directory).load(directory, encoder)


def _component_of(directory: Path) -> Any:
    family, _, name = read_config(directory)["penchant"].partition("/")
    if family not in _FAMILIES:
        raise StudyDamaged(f"{directory / 'config.json'} names the family '{family}'; known: {', '.join(_FAMILIES)}")
    return _FAMILIES[family].get(name)
