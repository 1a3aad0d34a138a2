"""Simulated voters with hidden tastes (one file, one taste), and Python functions as voters."""

from penchant.voters._function import FunctionVoter
from penchant.voters._loading import load_voter

__all__ = ["FunctionVoter", "load_voter"]
