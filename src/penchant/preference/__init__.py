"""Models of a taste, learned from votes: one file, one model."""

from penchant.preference._convolutional import Convolutional, ConvolutionalModel

__all__ = ["Convolutional", "ConvolutionalModel"]
