"""Pretrained vision models through transformers, an optional dependency; nothing is unpickled."""

import inspect
import json
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from penchant.core.errors import BadConfiguration
from penchant.features._preprocessing import Preprocessing, preprocessing_of
from penchant.features._weights import MODELS, sha256_of


class Vision:
    """A frozen network from images, preprocessed, to one vector an image.

    Args:
        network: transformers' model.
        layer: the hidden state whose mean over places is taken; None takes what the model itself pools.
    """

    def __init__(self, network: nn.Module, layer: int | None):
        self._network = network.eval().requires_grad_(False)
        self._layer = layer
        parameters = inspect.signature(network.forward).parameters
        # Only some models have to be told that images of another size than they were trained on are meant.
        self._options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in parameters else {}

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k"]:
        """The vectors; the network moves to where the images are, and to their precision."""
        self._network.to(images)
        if self._layer is None:
            return self._network(pixel_values=images, **self._options).pooler_output.flatten(1)
        states = self._network(pixel_values=images, output_hidden_states=True, **self._options).hidden_states
        state = states[self._layer]
        return state.mean(1) if state.ndim == 3 else state.mean((2, 3))

    @cached_property
    def weights(self) -> str:
        """SHA-256 of all weights in their single-precision form."""
        digest = sha256()
        for name, tensor in sorted(self._network.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def resolved(model: str) -> str:
    """A local folder as an absolute path, anything else (an id on a hub) as it is.

    Raises:
        BadConfiguration: it looks like a folder and is none.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if model.startswith((".", "~", "/")):
        raise BadConfiguration(f"the features 'pretrained' need the model in the folder {model}; there is none")
    return model


def model_file(model: str) -> Path | None:
    """``model.safetensors`` of a folder or of an id on the hub that was fetched; None where there is no such one file.

    Raises:
        BadConfiguration: transformers is missing, or it looks like a folder and is none.
    """
    _transformers()
    name = "model.safetensors"
    if Path(resolved(model)).is_dir():
        path = Path(resolved(model)) / name
        return path if path.is_file() else None
    try:
        found = import_module("transformers.utils").cached_file(model, name)
    except (OSError, ValueError):
        return None
    return None if found is None else Path(found)


def _check_published(model: str) -> None:
    """A model of the hub whose hash is known must have it."""
    expected, file = MODELS.get(model), None if model not in MODELS else model_file(model)
    if expected is not None and file is not None and (found := sha256_of(file)) != expected:
        raise BadConfiguration(
            f"the weights of '{model}' in {file} have the SHA-256 {found}, and the published ones {expected}: they "
            "are broken, or others. Fetch them again, or name the folder they are in if they are meant"
        )


def load_vision(model: str, layer: int | None) -> Vision:
    """The image part of a pretrained model, in single precision.

    Raises:
        BadConfiguration: transformers is missing, the weights cannot be had as safetensors, or are not the published
            ones where those are known.
    """
    transformers = _transformers()
    model = resolved(model)
    try:
        network = transformers.AutoModel.from_pretrained(
            model, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise BadConfiguration(
            f"the model '{model}' cannot be had: {_first_line(error)} Give a local folder with config.json, "
            "preprocessor_config.json and model.safetensors, or connect to the hub once so that it is kept"
        ) from None
    _check_published(model)
    both = "vision_config" in network.config.to_dict()
    return Vision(network.vision_model if both else network, layer)


def load_preprocessing(model: str) -> Preprocessing:
    """What the model's own image processor does.

    Raises:
        BadConfiguration: transformers is missing, or the model does not say.
    """
    _transformers()
    model = resolved(model)
    try:
        reader = import_module("transformers.image_processing_base").ImageProcessingMixin
        config, _ = reader.get_image_processor_dict(model)
    except (OSError, json.JSONDecodeError) as error:
        raise BadConfiguration(
            f"the model '{model}' does not say how images are prepared for it: {_first_line(error)} "
            "A preprocessor_config.json beside its weights would"
        ) from None
    try:
        return preprocessing_of(config, f"the preprocessor_config.json of '{model}'")
    except (KeyError, TypeError, ValueError) as error:
        raise BadConfiguration(f"the preprocessor_config.json of '{model}' cannot be understood: {error!r}") from None


def _transformers() -> Any:
    try:
        return import_module("transformers")
    except ImportError as error:
        raise BadConfiguration(
            f"the features 'pretrained' need the package transformers, which cannot be imported ({error}): "
            "pip install 'penchant[pretrained]', or use 'self_supervised', which needs nothing more"
        ) from None


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{line}."
