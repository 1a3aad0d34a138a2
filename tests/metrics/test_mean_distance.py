import numpy as np
import pytest
from scipy.spatial.distance import pdist

from penchant.metrics import mean_distance as module
from penchant.metrics.mean_distance import MeanDistance, mean_distance


def test_mean_distance_agrees_with_scipy_in_any_number_of_passes(
    toys: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mean_distance(toys[0]) == pytest.approx(pdist(toys[0]).mean(), rel=1e-9)
    monkeypatch.setattr(module, "ROWS_A_PASS", 7)
    assert mean_distance(toys[0]) == pytest.approx(pdist(toys[0]).mean(), rel=1e-9)


def test_mean_distance_measure_is_of_the_generated_images() -> None:
    rng = np.random.default_rng(0)
    generated, holdout = rng.standard_normal((200, 3)), 2 * rng.standard_normal((200, 3))
    result = MeanDistance().measure(np.empty((0, 3)), generated, holdout, "abc", rng)
    expected = 4 / np.sqrt(np.pi)  # two standard normals in 3 dimensions: √2 · E‖z‖, E‖z‖ = 2√(2/π)
    assert result.low is not None
    assert result.high is not None
    assert result.low < expected < result.high
    assert result.floor == pytest.approx(2 * expected, rel=0.1)
