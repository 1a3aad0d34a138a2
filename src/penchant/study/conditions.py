"""What a conditional generator is told of the images, and how a person's words are told to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float

from penchant.core.contracts import NO_ANNOTATIONS, TEXTS, Annotations, Generator, TextEncoder
from penchant.core.errors import BadConfiguration
from penchant.core.family import parse_spec
from penchant.core.pretrained import load_text_encoder
from penchant.data import ImageSet
from penchant.study.settings import StudySettings

FOLDER = "conditions"
_MOST_CLASSES = 1000


@dataclass(frozen=True)
class Told:
    """What goes with the training images, and the encoder that made it; None where nothing is told."""

    annotations: Annotations = NO_ANNOTATIONS
    encoder: TextEncoder | None = None


def told(settings: StudySettings, images: ImageSet) -> Told:
    """Conditions of the training images as the settings ask for them.

    ``auto`` takes captions where there are any, else the sub-folders where there are 2 to 1,000 of them, else file
    names that hold words, else nothing. The same in every process and on every day.

    Raises:
        BadConfiguration: classes or captions are asked for and there are none.
    """
    spec = _chosen(images) if settings.conditions == "auto" else settings.conditions
    if spec == "none":
        return Told(Annotations())
    texts = _texts(images, parse_spec(spec, TEXTS.kind)[0])
    encoder: TextEncoder = TEXTS.make(spec).fit(texts)
    return Told(Annotations(conditions=encoder(texts)), encoder)


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
