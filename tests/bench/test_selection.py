"""The benchmark of selecting, small."""

import pytest

from penchant.bench.selection import Selection
from penchant.core.contracts import silent
from penchant.core.errors import BadConfiguration


def test_selection_benchmark_measures_every_strategy_and_k_centre_covers_best():
    rows = {row.what: row.value for row in Selection(images=200_000, count=5000, width=16).run(True, silent)}
    assert sum("processor s" in what for what in rows) == 3
    radii = {what.partition(":")[0]: value for what, value in rows.items() if "radius" in what}
    assert radii["k_centre"] == 1
    assert all(value is not None and value >= 1 for value in radii.values())


def test_selection_benchmark_refuses_more_than_there_is():
    with pytest.raises(BadConfiguration, match="found 11 of 10"):
        Selection(images=10, count=11)
