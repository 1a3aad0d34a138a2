"""What a conditional generator is told of the images, and how a person's words are told to it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file

from penchant.core.contracts import NO_ANNOTATIONS, TEXTS, Annotations, Generator, TextEncoder
from penchant.core.errors import BadConfiguration, PenchantError
from penchant.core.family import parse_spec
from penchant.core.pretrained import load_text_encoder, write_tensors
from penchant.data import ImageSet
from penchant.study.files import moved_into_place
from penchant.study.settings import Component, StudySettings
from penchant.training.processes import Processes

FOLDER = "conditions"
_ROWS = "rows.safetensors"
_MOST_CLASSES = 1000


@dataclass(frozen=True)
class Told:
    """What goes with the training images, and the encoder that made it; None where nothing is told."""

    annotations: Annotations = NO_ANNOTATIONS
    encoder: TextEncoder | None = None


def told(settings: StudySettings, images: ImageSet, cache: Path | None = None) -> Told:
    """Conditions of the training images as the settings ask for them.

    ``auto`` takes captions where there are any, else the sub-folders where there are 2 to 1,000 of them, else file
    names that hold words, else nothing. The same in every process and on every day. What a language model made of the
    captions is kept in the folder ``cache``, so that going on with a training does not ask it again.

    Raises:
        BadConfiguration: classes or captions are asked for and there are none.
    """
    spec = _spec(settings, images)
    if spec == "none":
        return Told(Annotations())
    texts = _texts(images, parse_spec(spec, TEXTS.kind)[0])
    kept = None if cache is None else _folder(cache, spec, texts)
    if kept is not None and (rows := _rows(kept)) is not None:
        try:
            return Told(Annotations(conditions=rows), load_text_encoder(kept))
        except PenchantError:  # another model is there by now; its own word counts
            pass
    encoder: TextEncoder = TEXTS.make(spec).fit(texts)
    rows = encoder(texts)
    if kept is not None and Processes().main:
        with moved_into_place(kept) as folder:
            encoder.save_pretrained(folder)
            write_tensors(folder / _ROWS, {"rows": torch.from_numpy(rows)})
    return Told(Annotations(conditions=rows), encoder)


def conditions_of(settings: StudySettings, images: ImageSet, cache: Path) -> Float[np.ndarray, "n c"] | None:
    """What :func:`told` told of the training images; no language model is loaded where that was kept."""
    spec = _spec(settings, images)
    if spec == "none":
        return None
    rows = _rows(_folder(cache, spec, _texts(images, parse_spec(spec, TEXTS.kind)[0])))
    return told(settings, images, cache).annotations.conditions if rows is None else rows


def condition_of(path: Path, generator: Generator, prompt: str) -> Float[torch.Tensor, "1 c"]:
    """The words as the generator of the study at ``path`` understands them.

    Raises:
        BadConfiguration: the words are empty, or the generator was trained without any.
        UnknownName: it knows classes, and the words are none of them.
    """
    if not prompt.strip():
        raise BadConfiguration("a prompt needs a word; leave it out for images of every kind")
    if generator.capabilities.prompts:
        return generator.prompted(prompt)
    return torch.from_numpy(encoder_of(path, generator)([prompt]))


def unfamiliar(path: Path, generator: Generator, prompt: str) -> tuple[str, ...]:
    """Words of the prompt that no image was called by; none where the generator brings its own text encoder."""
    if generator.capabilities.prompts:
        return ()
    return encoder_of(path, generator).unfamiliar(prompt)


def encoder_of(path: Path, generator: Generator) -> TextEncoder:
    """The encoder that was kept with the generator."""
    if not generator.condition_dim or not (path / FOLDER).is_dir():
        raise BadConfiguration(
            f"the generator of {path} knows no words: it was trained without any. A study of images with captions or "
            "sub-folders, made with --generator flow, vae_gan, vq_vae, gan, style_gan or progressive_gan would"
        )
    return load_text_encoder(path / FOLDER)


def _spec(settings: StudySettings, images: ImageSet) -> Component:
    return _chosen(images) if settings.conditions == "auto" else settings.conditions


def _folder(cache: Path, spec: Component, texts: Sequence[str]) -> Path:
    """Where what an encoder made of these texts, in this order, is kept."""
    return cache / f"texts-{sha256(json.dumps([spec, list(texts)], sort_keys=True).encode()).hexdigest()[:16]}"


def _rows(folder: Path) -> Float[np.ndarray, "n c"] | None:
    """The rows that were kept; None where there are none, or they are damaged."""
    try:
        return load_file(folder / _ROWS)["rows"]
    except (OSError, KeyError, SafetensorError):
        return None


def _chosen(images: ImageSet) -> str:
    captions = images.captions
    if captions.origin == "captions":
        return "hashed"
    if 2 <= len(set(captions.classes)) <= min(_MOST_CLASSES, len(captions.classes) // 2):
        return "classes"
    return "hashed" if captions.origin == "names" else "none"


def _texts(images: ImageSet, encoder: str) -> Sequence[str]:
    captions = images.captions
    if encoder == "classes":
        return [name or "other" for name in captions.classes]
    if not any(captions.texts):
        raise BadConfiguration(
            f"conditions are to be '{encoder}', but the images have no captions: no captions.csv, index.csv, .txt "
            'files beside them or telling file names. Set conditions = "none", or write captions'
        )
    return captions.texts
