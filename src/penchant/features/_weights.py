"""Files of published weights: found, fetched once, and believed only after their SHA-256."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from penchant.core.errors import BadConfiguration


@dataclass(frozen=True)
class Published:
    """A file of weights as its makers give it out."""

    file: str
    sha256: str
    url: str


PUBLISHED: Mapping[str, Published] = {
    "inception": Published(
        "pt_inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
    "vgg16": Published(
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
    ),
}
"""The Inception network of 2015 that FID is defined by, and torchvision's VGG16, with all their hexadecimal digits."""

MODELS: Mapping[str, str] = {
    "facebook/dinov2-small": "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1",
    "facebook/dinov2-base": "d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841",
    "openai/clip-vit-large-patch14": "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
}
"""SHA-256 of ``model.safetensors`` of models on the Hugging Face hub, as the hub itself lists them."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors by name, the SHA-256 of the file they came from, and whether that is the published one."""

    tensors: Mapping[str, Tensor]
    sha256: str
    published: bool

    @property
    def told(self) -> str:
        """Where they are from, for beside a figure."""
        kind = "as published" if self.published else "of another file than the published one"
        return f"weights SHA-256 {self.sha256[:16]}…, {kind}"


def sha256_of(path: Path) -> str:
    """Of a file's contents."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def read_weights(name: str, given: str | None) -> Weights:
    """The weights called ``name``: from the file ``given``, else from torch's own cache, else fetched there once.

    A file of PyTorch's own format is opened only where its SHA-256 is the published one (and then as tensors alone,
    ``weights_only``); any other weights of the same network must be safetensors.

    Raises:
        BadConfiguration: there is no such file, it cannot be fetched, or it is not what it should be.
    """
    known = PUBLISHED[name]
    path = _fetched(name, known) if given is None else Path(given).expanduser()
    if not path.is_file():
        raise BadConfiguration(f"'{name}' needs its weights in the file {path}; there is none")
    found = sha256_of(path)
    published = found == known.sha256
    if not published and path.suffix != ".safetensors":
        raise BadConfiguration(
            f"{path} has the SHA-256 {found}, and {known.file} has {known.sha256}: it is broken, or holds other "
            f"weights. Fetch {known.url} again, or give other weights of '{name}' as .safetensors"
        )
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, UnpicklingError) as error:
        raise BadConfiguration(f"the weights in {path} cannot be read: {error}") from None
    return Weights(tensors, found, published)


def fill(network: torch.nn.Module, name: str, weights: Weights, unused: tuple[str, ...]) -> None:
    """Give the weights to ``network``; ``unused`` begin the names of layers that it does without.

    Raises:
        BadConfiguration: some are missing, unknown, or of another shape.
    """
    own = {
        key: tensor
        for key, tensor in weights.tensors.items()
        if not key.startswith(unused) and not key.endswith("num_batches_tracked")
    }
    try:
        network.load_state_dict({key: tensor.float() for key, tensor in own.items()}, assign=True)
    except RuntimeError as error:
        last = str(error).strip().splitlines()[-1].strip()
        raise BadConfiguration(f"the weights given are not those of '{name}': {last[:200]}") from None


def _fetched(name: str, known: Published) -> Path:
    """Where torch keeps such files: what pytorch-fid or torchvision fetched before is found."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / known.file
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(known.url, str(path), hash_prefix=known.sha256, progress=False)
    except (URLError, OSError, RuntimeError, ValueError) as error:
        raise BadConfiguration(
            f"the weights of '{name}' are not at {path} and cannot be fetched ({error}): put {known.url} there, or "
            f"name the file: {name}(weights='FILE')"
        ) from None
    return path
