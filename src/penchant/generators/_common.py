"""What every generator does alike: check its images, start its network from a seed, be written and read back."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from penchant.core.contracts import Annotations, Examined, ImageSpec, Workspace
from penchant.core.contracts import Generator as ImageGenerator
from penchant.core.errors import BadConfiguration, BadImages, StudyDamaged
from penchant.core.pretrained import read_config, write_config
from penchant.core.rng import Rng
from penchant.data.sheet import contact_sheet

Network = TypeVar("Network", bound=nn.Module)

SIZES = (28, 32, 48, 64, 128)
FEWEST = 16
WEIGHTS = "weights.safetensors"


def image_spec(images: np.ndarray, what: str) -> ImageSpec:
    """Channels and size of the images, if ``what`` ("a VAE") can learn from them; raises BadImages if not."""
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1] not in (1, 3):
        raise BadImages(f"{what} needs bytes shaped n × 1 or 3 × size × size; found {images.dtype} {images.shape}")
    count, channels, height, width = images.shape
    if height != width or height not in SIZES:
        raise BadImages(f"{what} learns squares of {', '.join(map(str, SIZES))} pixels; found {height} × {width}")
    if count < FEWEST:
        raise BadImages(f"{what} needs at least {FEWEST} images; found {count}")
    return ImageSpec(channels, height)


def check_latents(latents: Tensor, width: int) -> None:
    """Raises BadConfiguration for latents that are not n × ``width``."""
    if latents.ndim != 2 or latents.shape[1] != width:
        raise BadConfiguration(f"this generator decodes latents shaped n × {width}; found {tuple(latents.shape)}")


def check_condition(
    condition: Tensor | np.ndarray | None, count: int, width: int, device: torch.device
) -> Float[Tensor, "n c"] | None:
    """The condition on ``device``; raises BadConfiguration for one that is not count × ``width`` finite numbers.

    One row stands for all. A generator without conditions (``width`` 0) refuses every one.
    """
    if condition is None:
        return None
    given = torch.as_tensor(condition, dtype=torch.float32, device=device)
    if not width or given.ndim != 2 or given.shape[1] != width or len(given) not in (1, count):
        wanted = f"{count} × {width} numbers, or none" if width else "none: it was trained without"
        raise BadConfiguration(f"the condition of these images is {wanted}; found {tuple(given.shape)}")
    if not given.isfinite().all():
        raise BadConfiguration("a condition is finite numbers; found some that are not")
    return given.expand(count, -1)


def training_conditions(annotations: Annotations, count: int) -> Float[np.ndarray, "n c"] | None:
    """The conditions of ``count`` images; raises BadConfiguration where they are not one finite row an image."""
    conditions = annotations.conditions
    if conditions is None:
        return None
    if conditions.ndim != 2 or len(conditions) != count or not conditions.shape[1]:
        raise BadConfiguration(f"conditions are one row for each of the {count} images; found {conditions.shape}")
    if not np.isfinite(conditions).all():
        raise BadConfiguration("conditions are finite numbers; found some that are not")
    return conditions.astype(np.float32)


def mirrored(images: np.ndarray, annotations: Annotations) -> tuple[np.ndarray, Annotations]:
    """The images and their left-right mirror images, with the same weights and conditions."""
    weights, conditions = annotations.weights, annotations.conditions
    twice = replace(
        annotations,
        weights=None if weights is None else np.tile(weights, 2),
        conditions=None if conditions is None else np.tile(conditions, (2, 1)),
    )
    return np.concatenate([images, images[..., ::-1]]), twice


def seeded(rng: Rng, make: Callable[[], Network]) -> Network:
    """A network whose first weights are decided by ``rng``; torch's own random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.entropy % 2**63)
        return make()


def drawing(generator: ImageGenerator, rng: Rng) -> Callable[[Path], None]:
    """Writes a sheet of 64 samples, always of the same latents."""
    return lambda path: contact_sheet(to_bytes(generator.sample(64, rng.child("preview"))), columns=8).save(
        path, compress_level=1
    )


def examining(generator: ImageGenerator, workspace: Workspace) -> Callable[[], Examined] | None:
    """Judges the generator as it is, where the workspace can."""
    examine = workspace.examine
    return None if examine is None else lambda: examine(generator)


def to_bytes(images: Float[Tensor, "n c h w"]) -> UInt8[np.ndarray, "n c h w"]:
    """Images in [0, 1] as bytes, in main memory."""
    return images.detach().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()


def packed(tensors: Mapping[str, Tensor]) -> bytes:
    """The tensors as safetensors, from whatever device they are on."""
    return save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})


def write_pretrained(directory: Path, kind: str, described: Mapping[str, Any], data: bytes) -> None:
    """Write ``config.json``, with the hash of the weights, and the weights that :func:`packed` gave."""
    write_config(directory, kind, {**described, "weights_sha256": sha256(data).hexdigest()})
    (directory / WEIGHTS).write_bytes(data)


@contextmanager
def reading_pretrained(directory: Path) -> Generator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """The description and the tensors that :func:`write_pretrained` wrote, inside a block that builds from them.

    Raises:
        StudyDamaged: a file is missing, the weights are not those that were written, or the block could not build
            its networks from them.
    """
    config = read_config(directory)
    try:
        data = (directory / WEIGHTS).read_bytes()
        if sha256(data).hexdigest() != config["weights_sha256"]:
            raise StudyDamaged(f"{directory / WEIGHTS} is not the file that was saved (its hash differs)")
        yield config, load(data)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise StudyDamaged(f"{directory} does not hold a whole saved generator: {error}") from None
