"""Families of generators measured with the same computing."""

from pathlib import Path

import pytest

from penchant.bench.generators import Generators
from penchant.core.contracts import Progress
from penchant.core.errors import BadConfiguration

SMALL = "gan(latent_dim=4, widths=(8,), judge_widths=(8,), batch=16)"


def test_generators_are_measured_with_the_core_seconds_they_had(tmp_path: Path) -> None:
    heard: list[Progress] = []
    benchmark = Generators("pictures:1200", 28, False, (SMALL,), core_seconds=30.0, compared=100, sheets=str(tmp_path))
    rows = benchmark.run(quick=True, report=heard.append)
    assert [row.what for row in rows] == [f"{SMALL}: {name}" for name in ("kid", "recall", "coverage")]
    assert all(row.seconds is not None and 0.4 < row.seconds < 2.5 for row in rows)
    assert all(row.error is not None and row.note is not None and "images seen" in row.note for row in rows)
    values = [row.value for row in rows]
    assert values[0] is not None
    assert values[0] > 0.1
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert {"gan", "generator 1 of 1"} <= {progress.stage for progress in heard}


def test_generators_refuse_a_comparison_of_nothing() -> None:
    with pytest.raises(BadConfiguration, match="at least 100"):
        Generators(compared=10)
