"""Precision, recall, density and coverage against prdc; a development-only package."""

from typing import Any

import numpy as np
import pytest

from penchant.metrics._neighbours import neighbour_figures


@pytest.fixture(scope="module")
def prdc() -> Any:
    return pytest.importorskip("prdc", reason="needs prdc: pip install 'penchant[parity]'")


@pytest.mark.parametrize(("width", "neighbours"), [(3, 5), (64, 5), (64, 1), (200, 10)])
def test_all_four_are_exactly_those_of_prdc(
    prdc: Any, width: int, neighbours: int, capsys: pytest.CaptureFixture
) -> None:
    rng = np.random.default_rng(width)
    real, generated = rng.standard_normal((120, width)), rng.standard_normal((90, width)) * 0.8 + 0.1
    expected = prdc.compute_prdc(real, generated, neighbours)
    assert vars(neighbour_figures(real, generated, neighbours)) == pytest.approx(expected, abs=1e-12)
