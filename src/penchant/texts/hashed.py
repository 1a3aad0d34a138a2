"""Words and pieces of words as fixed random directions, made independent: the small encoder that needs no model."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file

from penchant.core.config import build
from penchant.core.contracts import TextEncoder
from penchant.core.errors import BadConfiguration, StudyDamaged
from penchant.core.pretrained import read_config, write_config, write_tensors

_WORD = re.compile(r"[^\W_]+")
_PIECES_SHARE = 0.3
"""What all pieces of a word weigh together, beside the word's own 1."""
_SHRINKAGE = 0.05
"""Added to every variance before whitening, as a share of the largest, so that rare directions are not all noise."""
_LEAST_VARIANCE = 1e-3
"""Directions of less variance than this share of the largest are dropped."""


@dataclass(frozen=True)
class Hashed:
    """A bag of words, and of pieces of three letters, each a fixed direction of ±1 that its hash decides.

    Feature hashing (Weinberger et al. 2009) in its dense form: hundreds of nearly orthogonal directions fit into a few
    hundred dimensions, so "red apple" is near "apple, red" and "red apples", and every word that was seen can be told
    from the others. Words weigh as their rarity says (inverse document frequency), so "a photo of" on every image
    weighs nothing, and the result is whitened on the texts that the images have. Needs no network and no download.

    It knows no meaning: "crimson" is not near "red".

    Args:
        width: dimensions, a multiple of 8 of at most 512.
    """

    width: int = 256

    def __post_init__(self) -> None:
        if not 8 <= self.width <= 512 or self.width % 8:
            raise ValueError(f"width must be a multiple of 8 from 8 to 512; found {self.width}")

    def fit(self, texts: Sequence[str]) -> "HashedTexts":
        """Whiten on ``texts``; raises BadConfiguration where there is none."""
        if not texts:
            raise BadConfiguration("a text encoder is fitted to at least one text; found none")
        counted = Counter(word for text in texts for word in set(_words(text)))
        weights = {word: float(np.log((1 + len(texts)) / count)) for word, count in sorted(counted.items())}
        rows = _bags(texts, self.width, weights)
        mean = rows.mean(axis=0)
        values, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        # Directions in which the texts do not differ would be blown up by whitening; a prompt may well differ there.
        used = values > _LEAST_VARIANCE * max(float(values[-1]), 1e-9)
        scale = np.where(used, 1 / np.sqrt(np.where(used, values + _SHRINKAGE * values[-1], 1.0)), 0.0)
        whitening = (vectors * scale) @ vectors.T
        return HashedTexts(self, mean.astype(np.float32), whitening.astype(np.float32), weights)

    @staticmethod
    def load(directory: Path) -> "HashedTexts":
        """What :meth:`HashedTexts.save_pretrained` wrote.

        Raises:
            StudyDamaged: a file is missing or does not fit the other.
        """
        config = read_config(directory)
        try:
            settings = build(Hashed, config["settings"], where=str(directory / "config.json"))
            arrays = load_file(directory / "weights.safetensors")
            mean, whitening = arrays["mean"], arrays["whitening"]
            if mean.shape != (settings.width,) or whitening.shape != (settings.width, settings.width):
                raise ValueError(f"arrays of {mean.shape} and {whitening.shape}")
            weights = {str(word): float(weight) for word, weight in config["words"].items()}
            return HashedTexts(settings, mean, whitening, weights)
        except (OSError, AttributeError, KeyError, TypeError, ValueError, SafetensorError, BadConfiguration) as error:
            raise StudyDamaged(f"{directory} does not hold a whole text encoder: {error}") from None


class HashedTexts(TextEncoder):
    """What :class:`Hashed` fits."""

    def __init__(
        self,
        settings: Hashed,
        mean: Float[np.ndarray, " c"],
        whitening: Float[np.ndarray, "c c"],
        weights: Mapping[str, float],
    ):
        self.settings = settings
        self.width = settings.width
        self._mean = mean
        self._whitening = whitening
        self._weights = weights

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n c"]:
        """See :class:`TextEncoder`."""
        return (_bags(texts, self.width, self._weights) - self._mean) @ self._whitening

    def unfamiliar(self, text: str) -> tuple[str, ...]:
        """See :class:`TextEncoder`."""
        return tuple(word for word in _words(text) if word not in self._weights)

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json`` with the words that were seen, and the whitening."""
        write_config(directory, "texts/hashed", {"settings": asdict(self.settings), "words": dict(self._weights)})
        arrays = {"mean": torch.from_numpy(self._mean), "whitening": torch.from_numpy(self._whitening)}
        write_tensors(directory / "weights.safetensors", arrays)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _bags(texts: Sequence[str], width: int, weights: Mapping[str, float]) -> Float[np.ndarray, "n c"]:
    """The sum of the directions of what is in each text, of length 1; 0 for a text without words.

    A word that was never seen counts by its pieces alone.
    """
    rows = np.zeros((len(texts), width), np.float32)
    typical = float(np.median(list(weights.values()))) if weights else 1.0
    for row, text in zip(rows, texts, strict=True):
        for word in _words(text):
            framed = f"<{word}>"
            pieces = [framed[start : start + 3] for start in range(len(framed) - 2)]
            share = _PIECES_SHARE * weights.get(word, typical) / len(pieces)
            row += weights.get(word, 0.0) * _direction(word, width)
            row += share * sum(_direction(f"…{piece}", width) for piece in pieces)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


@lru_cache(maxsize=20_000)
def _direction(token: str, width: int) -> Float[np.ndarray, " c"]:
    """±1 in each dimension, as the bits of a hash say."""
    bits = np.frombuffer(blake2b(token.encode("utf-8", "surrogatepass"), digest_size=width // 8).digest(), np.uint8)
    return 2.0 * np.unpackbits(bits).astype(np.float32) - 1.0
