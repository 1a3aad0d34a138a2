"""What every metric promises: matched n, equal figures for equal seeds, clear refusals."""

import numpy as np
import pytest

from penchant.core.contracts import METRICS, Metric
from penchant.core.errors import BadFeatures


@pytest.fixture(params=METRICS.names())
def metric(request: pytest.FixtureRequest) -> Metric:
    return METRICS.make(request.param)


def sets(real: int, generated: int, holdout: int, width: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = (real, width), (generated, width), (holdout, width)
    return rng.standard_normal(shapes[0]), rng.standard_normal(shapes[1]), rng.standard_normal(shapes[2])


def test_metric_measures_at_matched_n_with_an_interval_that_holds_the_value(metric: Metric) -> None:
    real, generated, holdout = sets(60, 40, 50)
    result = metric.measure(real, generated, holdout, "0123456789abcdef", np.random.default_rng(1))
    assert result.n == 40
    assert result.extractor == "0123456789abcdef"
    assert result.low is not None
    assert result.high is not None
    assert result.floor is not None
    assert result.low <= result.value <= result.high


def test_metric_gives_the_same_figures_for_the_same_seed(metric: Metric) -> None:
    real, generated, holdout = sets(60, 40, 50)
    first, again = (metric.measure(real, generated, holdout, "", np.random.default_rng(1)) for _ in range(2))
    assert first == again


def test_metric_leaves_its_arguments_alone_and_takes_float32(metric: Metric) -> None:
    real, generated, holdout = sets(30, 20, 30)
    before = generated.astype(np.float32)
    given = before.copy()
    metric.measure(real.astype(np.float32), given, holdout.astype(np.float32), "", np.random.default_rng(1))
    assert (given == before).all()


def test_metric_takes_sets_smaller_than_their_width(metric: Metric) -> None:
    real, generated, holdout = sets(14, 14, 14, width=64)
    result = metric.measure(real, generated, holdout, "", np.random.default_rng(1))
    assert np.isfinite([result.value, result.low or 0, result.high or 0, result.floor or 0]).all()


def test_metric_refuses_when_features_are_not_finite(metric: Metric) -> None:
    real, generated, holdout = sets(30, 30, 30)
    generated[3, 1] = np.nan
    generated[4, 0] = np.inf
    with pytest.raises(BadFeatures, match="2 of 30 generated images are not finite"):
        metric.measure(real, generated, holdout, "", np.random.default_rng(1))


@pytest.mark.parametrize("count", [0, 1])
def test_metric_refuses_when_there_are_too_few_images(metric: Metric, count: int) -> None:
    real, generated, holdout = sets(30, count, 30)
    with pytest.raises(BadFeatures, match=f"{count} generated images cannot be judged"):
        metric.measure(real, generated, holdout, "", np.random.default_rng(1))


def test_metric_refuses_when_widths_differ(metric: Metric) -> None:
    real, generated, holdout = sets(30, 30, 30)
    with pytest.raises(BadFeatures, match="generated 5, held-out 4"):
        metric.measure(real, generated, holdout[:, :4], "", np.random.default_rng(1))


def test_metric_refuses_when_features_are_not_a_table(metric: Metric) -> None:
    real, generated, holdout = sets(30, 30, 30)
    with pytest.raises(BadFeatures, match="must be a table"):
        metric.measure(real, generated[:, 0], holdout, "", np.random.default_rng(1))
