"""Figures that judge generated images: one file, one metric."""

from penchant.metrics._battery import measure_all
from penchant.metrics._intervals import wilson
from penchant.metrics._win_rate import WinRate, win_rate

__all__ = ["WinRate", "measure_all", "wilson", "win_rate"]
