"""The benchmark of metrics: damages are what they say, and a metric that moves the wrong way is told."""

import numpy as np
import pytest

from penchant.bench.metrics import _DAMAGES, JUDGED, Metrics, _moved
from penchant.core.contracts import METRICS, Measurement
from penchant.core.rng import Rng
from penchant.data import draw_pictures


@pytest.mark.parametrize("damage", list(JUDGED))
def test_each_damage_starts_from_none_and_grows(damage: str):
    generated, real, fresh = np.split(draw_pictures(90, 32, Rng(0)).images, 3)
    levels = _DAMAGES[damage](generated, real, fresh)
    assert {level.shape for level in levels} == {generated.shape}
    assert {level.dtype for level in levels} == {np.dtype(np.uint8)}
    if damage != "kinds dropped":
        gaps = [float(np.abs(level.astype(int) - generated.astype(int)).mean()) for level in levels]
        assert gaps[0] == 0
        assert gaps == sorted(gaps)
        assert len(set(gaps)) == 4


def test_every_metric_has_a_known_answer():
    assert {name.removeprefix("-") for names in JUDGED.values() for name in names} == set(METRICS.names())


def test_a_metric_is_right_only_when_it_moves_beyond_chance_at_no_step_back():
    def figures(*values: float) -> list[Measurement]:
        return [Measurement(value, value - 1, value + 1, 0.0, 10, "") for value in values]

    assert _moved([*figures(0, 1, 2, 9)], 1) == (True, 0, 9)
    assert _moved([*figures(9, 2, 1, 0)], -1) == (True, 9, 0)
    assert not _moved([*figures(0, 1, 2, 9)], -1)[0]
    assert not _moved([*figures(0, 5, 2, 9)], 1)[0]
    assert not _moved([*figures(0, 0.1, 0.2, 0.3)], 1)[0]


def test_random_networks_notice_noise_and_the_cost_is_of_all_metrics():
    rows = Metrics(images=60, extractors=("random_convolutions",), large=60).run(False, lambda progress: None)
    noise = [row for row in rows if "noise: kid" in row.what]
    assert noise[0].met
    assert noise[0].bar is not None
    assert noise[0].bar.startswith("rises from")
    assert any("memory" in row.what and row.met for row in rows)
    costs = [row.what for row in rows if row.what.endswith("seconds of a processor")]
    assert all(any(name in what for what in costs) for name in METRICS.names())
