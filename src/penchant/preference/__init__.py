"""Models of a taste, learned from votes: one file, one model."""

from penchant.preference._convolutional import Convolutional, ConvolutionalModel
from penchant.preference._known import trusted
from penchant.preference._observations import BOTH_BAD
from penchant.preference._portable import PortableTaste, blended
from penchant.preference._skips import skippability

__all__ = ["BOTH_BAD", "Convolutional", "ConvolutionalModel", "PortableTaste", "blended", "skippability", "trusted"]
