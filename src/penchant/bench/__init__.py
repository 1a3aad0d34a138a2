"""Benchmarks: one file, one benchmark; figures with their errors, as a table and as JSON rows."""

from penchant.bench._running import BENCHMARKS, Row, run_benchmark

__all__ = ["BENCHMARKS", "Row", "run_benchmark"]
