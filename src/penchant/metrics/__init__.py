"""Figures that judge generated images: one file, one metric."""

from penchant.metrics._agreement import Agreement, agreement
from penchant.metrics._battery import measure_all
from penchant.metrics._intervals import wilson
from penchant.metrics._pixel_test import PIXELS, pixel_test
from penchant.metrics._ranking import Strengths, bradley_terry, connected, votes_needed
from penchant.metrics._weighted import effective_number, linear_strengths
from penchant.metrics._win_rate import WinRate, win_rate

__all__ = [
    "PIXELS",
    "Agreement",
    "Strengths",
    "WinRate",
    "agreement",
    "bradley_terry",
    "connected",
    "effective_number",
    "linear_strengths",
    "measure_all",
    "pixel_test",
    "votes_needed",
    "wilson",
    "win_rate",
]
