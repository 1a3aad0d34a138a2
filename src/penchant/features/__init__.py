"""What is seen in an image, as numbers: one file, one extractor."""

from penchant.features._yardsticks import YARDSTICKS, Yardstick, yardstick
from penchant.features.descriptors import group_words, words

__all__ = ["YARDSTICKS", "Yardstick", "group_words", "words", "yardstick"]
