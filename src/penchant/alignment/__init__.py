"""Ways of bending a generator to a taste within a KL budget: one file, one aligner."""

from penchant.alignment._turned import at_strengths, turned_down

__all__ = ["at_strengths", "turned_down"]
