"""Captions as a large language model understands them, so that "crimson" is near "red"."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from penchant.core.config import build
from penchant.core.contracts import TextEncoder
from penchant.core.errors import BadConfiguration, StudyDamaged
from penchant.core.pretrained import read_config, tensors_hash, write_config, write_tensors

_AT_ONCE = 64
_SHRINKAGE = 0.05
"""Added to every variance before whitening, as a share of the largest, so that rare directions are not all noise."""


@dataclass(frozen=True)
class Pretrained:
    """Embeddings by a frozen text model of the transformers library: sentence-transformers, CLIP, SigLIP, BERT.

    Embeddings of length 1 are whitened on the captions that the images have, along their principal axes. For captions
    in words of many kinds, or prompts in words that no caption has. ``hashed`` needs neither download nor package and
    tells seen words apart as well. The weights stay where they are; their SHA-256 is kept, and others are refused.

    Args:
        model: a folder with config.json, tokenizer and model.safetensors, or an id on the hub; safetensors only.
        width: dimensions kept, at most; fewer where there are fewer captions or the model is narrower.
        pooling: ``mean`` over the words (sentence-transformers), ``pooled`` by the model (CLIP), or ``auto``: pooled
            for models of images and texts, mean for the others.
    """

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    width: int = 128
    pooling: Literal["auto", "mean", "pooled"] = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 4096:
            raise ValueError(f"width must be from 1 to 4096; found {self.width}")

    def fit(self, texts: Sequence[str]) -> "PretrainedTexts":
        """Embed the captions and whiten.

        Raises:
            BadConfiguration: there are no captions, or the model cannot be had.
        """
        if not texts:
            raise BadConfiguration("a text encoder is fitted to at least one text; found none")
        settings = replace(self, model=_resolved(self.model))
        language = _Language(settings)
        rows = language(texts)
        mean = rows.mean(axis=0, dtype=np.float64)
        values, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        count = min(self.width, len(values), max(1, len(set(texts)) - 1))
        values, vectors = np.maximum(values[::-1][:count], 0), vectors[:, ::-1][:, :count]
        axes = vectors / np.sqrt(values + _SHRINKAGE * values[0] + 1e-9)
        return PretrainedTexts(settings, language, mean.astype(np.float32), axes.astype(np.float32))

    @staticmethod
    def load(directory: Path) -> "PretrainedTexts":
        """What :meth:`PretrainedTexts.save_pretrained` wrote; the model must still be where it was.

        Raises:
            StudyDamaged: a file is missing, or the model's weights are not those that were used.
            BadConfiguration: the model cannot be had any more.
        """
        config = read_config(directory)
        try:
            settings = build(Pretrained, config["settings"], where=str(directory / "config.json"))
            arrays = load_file(directory / "weights.safetensors")
            mean, axes, expected = arrays["mean"], arrays["axes"], str(config["weights_sha256"])
        except (OSError, KeyError, TypeError, SafetensorError) as error:
            raise StudyDamaged(f"{directory} does not hold a whole text encoder: {error}") from None
        language = _Language(settings)
        if language.weights != expected:
            raise StudyDamaged(
                f"the weights of '{settings.model}' are not those that the captions were embedded with (SHA-256 "
                f"{expected[:16]}…, found {language.weights[:16]}…); bring those back, or make a new study"
            )
        if mean.shape != (len(axes),) or language([""]).shape[1] != len(axes):
            raise StudyDamaged(f"{directory} does not fit the model '{settings.model}'")
        return PretrainedTexts(settings, language, mean, axes)


class PretrainedTexts(TextEncoder):
    """What :class:`Pretrained` fits."""

    def __init__(
        self,
        settings: Pretrained,
        language: "_Language",
        mean: Float[np.ndarray, " k"],
        axes: Float[np.ndarray, "k c"],
    ):
        self.settings, self.width = settings, int(axes.shape[1])
        self._language, self._mean, self._axes = language, mean, axes

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n c"]:
        """See :class:`TextEncoder`."""
        return ((self._language(texts) - self._mean) @ self._axes).astype(np.float32)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json``, with the model's name and SHA-256, and the whitening."""
        described = {"settings": asdict(self.settings), "weights_sha256": self._language.weights}
        write_config(directory, "texts/pretrained", described)
        arrays = {"mean": torch.from_numpy(self._mean), "axes": torch.from_numpy(self._axes)}
        write_tensors(directory / "weights.safetensors", arrays)


class _Language:
    """The frozen model: texts to embeddings of length 1. Each text is embedded once."""

    def __init__(self, settings: Pretrained):
        transformers = _transformers()
        model = _resolved(settings.model)
        try:
            self._words = transformers.AutoTokenizer.from_pretrained(model, trust_remote_code=False)
            network = transformers.AutoModel.from_pretrained(
                model, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
            )
        except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
            line = str(error).strip().partition("\n")[0].rstrip(".")
            raise BadConfiguration(
                f"the text model '{model}' cannot be had: {line}. Give a local folder with config.json, a tokenizer "
                'and model.safetensors, connect to the hub once so that it is kept, or take conditions = "hashed"'
            ) from None
        network.eval().requires_grad_(False)
        self.weights = tensors_hash(network.state_dict())
        both = "text_config" in network.config.to_dict()
        self._network = network.text_model if both else network
        self._projection = network.get_submodule("text_projection") if _projects(network) else None
        self._pooled = settings.pooling == "pooled" or (settings.pooling == "auto" and both)
        longest = getattr(self._network.config, "max_position_embeddings", None) or 512
        self._longest = min(int(self._words.model_max_length), int(longest))
        self._known: dict[str, Float[np.ndarray, " k"]] = {}

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n k"]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), _AT_ONCE):
            part = new[start : start + _AT_ONCE]
            self._known.update(zip(part, self._embedded(part).numpy(), strict=True))
        return np.stack([self._known[text] for text in texts])

    def _embedded(self, texts: list[str]) -> Float[Tensor, "n k"]:
        readable = [text.encode("utf-8", "replace").decode() for text in texts]  # half a surrogate pair is no text
        # Texts of a model of images and texts are always of its full length: SigLIP has seen no others.
        padding = "max_length" if self._pooled else True
        told = self._words(readable, padding=padding, truncation=True, max_length=self._longest, return_tensors="pt")
        made = self._network(**told)
        if self._pooled:
            rows = made.pooler_output if self._projection is None else self._projection(made.pooler_output)
        else:
            mask = told["attention_mask"][..., None].to(made.last_hidden_state)
            rows = (made.last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return torch.nn.functional.normalize(rows.float(), dim=1)


def _projects(network: Any) -> bool:
    return any(name == "text_projection" for name, _ in network.named_children())


def _resolved(model: str) -> str:
    """A local folder as an absolute path, anything else (an id on a hub) as it is; raises BadConfiguration."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if model.startswith((".", "~", "/")):
        raise BadConfiguration(f"the text encoder 'pretrained' needs a model in the folder {model}; there is none")
    return model


def _transformers() -> Any:
    try:
        return import_module("transformers")
    except ImportError as error:
        raise BadConfiguration(
            f"the text encoder 'pretrained' needs the package transformers, which cannot be imported ({error}): pip "
            "install 'penchant[pretrained]', or take conditions = \"hashed\", which needs nothing more"
        ) from None
