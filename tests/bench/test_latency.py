"""The benchmark of latency: what it measures, not how long that takes."""

from pathlib import Path

import numpy as np
import pytest

from penchant.bench._latency_pools import Waits, pool_waits, synthetic_features
from penchant.bench.latency import Latency
from penchant.core.contracts import Group, silent
from penchant.core.errors import BadConfiguration

GROUPS = (Group("one", 0, 3), Group("two", 3, 5))


def test_the_figures_are_percentiles_by_hand():
    rows = {row.what: row for row in Waits([1.0, 2.0, 3.0], [10.0, 30.0, 20.0], [1.0, 7.0, 5.0]).rows(10_000, "bald")}
    assert rows["10,000 candidates, bald: learning, median, ms"].value == 2
    assert rows["10,000 candidates, bald: choosing, median, ms"].value == 20
    assert rows["10,000 candidates, bald: together, median, ms"].value == 23
    assert rows["10,000 candidates, bald: together, processor time, median, ms"].value == 5
    worst = rows["10,000 candidates, bald: together, 95th percentile, ms"]
    assert worst.value == pytest.approx(23 + 0.9 * 9)
    assert (worst.bar, worst.met) == ("< 5", False)
    assert [row.bar for row in rows.values()].count("< 5") == 1
    assert not [row for row in Waits([1.0], [1.0], [1.0]).rows(77, "bald") if row.bar]


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_every_vote_is_timed_and_the_pool_is_a_file(tmp_path: Path, precision: str):
    features = synthetic_features(tmp_path / "f.npy", 70_000, 5, precision)
    assert isinstance(features, np.memmap)
    assert features.dtype == precision
    assert features.shape == (70_000, 5)
    assert np.asarray(features[-5000:], dtype=float).std() == pytest.approx(1, abs=0.05)
    waits = pool_waits(features, GROUPS, "thompson", 11)
    assert len(waits.learning) == len(waits.choosing) == len(waits.processor) == 11
    assert min(*waits.learning, *waits.choosing, *waits.processor) > 0


def test_settings_without_sense_are_refused():
    with pytest.raises(BadConfiguration, match="at least 3 candidates; found 2"):
        Latency(pools=(2,))
    with pytest.raises(BadConfiguration, match="float64"):
        Latency(precision="float64")


@pytest.mark.slow
def test_the_whole_benchmark_tells_every_pool_and_strategy():
    rows = Latency(candidates=50, votes=6, pools=(60, 90), strategies=("bald", "random")).run(False, silent)
    whats = [row.what for row in rows]
    assert len(whats) == len(set(whats)) == 4 + 2 * 2 * 8
    assert all(row.value is not None and row.value > 0 for row in rows)
