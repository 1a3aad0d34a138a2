import numpy as np
import pytest

from penchant.core.contracts import METRICS, Measurement
from penchant.core.errors import BadFeatures
from penchant.core.rng import Rng
from penchant.metrics import measure_all
from penchant.metrics._half_samples import half_sample_sd


def test_measure_all_has_every_metric_and_reasons_where_there_is_none() -> None:
    rows = np.random.default_rng(0).standard_normal((8, 3))
    found = measure_all(rows, rows, rows, "abc", Rng(0))
    assert list(found) == METRICS.names()
    assert isinstance(found["coverage"], BadFeatures)
    assert isinstance(found["kid"], Measurement)
    assert list(measure_all(rows, rows, rows, "abc", Rng(0), ["kid"])) == ["kid"]


def test_standard_error_of_many_rows_is_that_of_a_mean() -> None:
    # Of 6,000 rows only 1,000 are drawn; the standard error of their mean is still 1 / √6000.
    rows = np.random.default_rng(1).standard_normal((6000, 1))
    error = half_sample_sd(lambda part: float(part.mean()), (rows,), 400, np.random.default_rng(2))
    assert error == pytest.approx(1 / np.sqrt(6000), rel=0.1)
