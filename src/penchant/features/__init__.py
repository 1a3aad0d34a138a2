"""What is seen in an image, as numbers: one file, one extractor."""

from penchant.features.descriptors import group_words, words

__all__ = ["group_words", "words"]
