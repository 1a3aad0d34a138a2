"""The alignment benchmark: its arithmetic by hand, its closed forms, and all of it at a tiny size."""

import numpy as np
import pytest
import torch

from penchant.alignment.best_of_n import expected_best
from penchant.bench import _alignment_line as line
from penchant.bench import alignment as benchmark
from penchant.bench._alignment_summary import told
from penchant.bench._alignment_trial import best_of_share, fell, tilt_weights
from penchant.bench._running import BENCHMARKS
from penchant.bench.alignment import Alignment
from penchant.core.contracts import silent

TINY = "vae(widths=(8, 8), code_dim=8, flow_width=16, flow_blocks=1, flow_steps=1, batch=16)"


@pytest.mark.parametrize("nats", [0.1, 1.0, 2.5])
def test_tilt_weights_cost_the_nats_and_gain_what_a_gaussian_reward_gains(nats: float):
    values = np.random.default_rng(0).standard_normal(20_000)
    weights = tilt_weights(values, nats)
    assert weights.sum() == pytest.approx(1)
    assert float(np.sum(weights * np.log(weights * len(weights)))) == pytest.approx(nats, rel=1e-3)
    assert weights @ values == pytest.approx(np.sqrt(2 * nats), rel=0.06)


@pytest.mark.parametrize("n", [1, 2, 16])
def test_best_of_share_is_the_mean_over_all_subsets(n: int):
    values = np.random.default_rng(0).standard_normal(50)
    share = best_of_share(50, n)
    assert share.sum() == pytest.approx(1)
    assert share @ np.sort(values) == pytest.approx(expected_best(torch.from_numpy(values), n))


def test_fell_needs_a_sure_fall_from_a_weaker_strength():
    noise = np.random.default_rng(0).standard_normal(400)
    rising = [noise, noise + 0.5, noise + 0.4]
    assert not fell(rising, 1)
    assert fell(rising, 2)
    other = np.random.default_rng(1).standard_normal(400)
    assert not fell([noise, noise + 0.5, other + 0.45], 2)


def test_closed_form_is_met_and_a_wrong_tilt_is_not(monkeypatch: pytest.MonkeyPatch):
    quick = "latent_tilt(steps={steps}, batch=16, couplings=0, hidden=4, learning_rate=0.02, beta={{beta}})"
    monkeypatch.setattr(line, "LINES", {"latent_tilt": quick.format(steps=150)})
    assert [row.met for row in line.closed_forms(silent)] == [True] * 5
    monkeypatch.setattr(line, "LINES", {"latent_tilt": quick.format(steps=1)})
    assert [row.met for row in line.closed_forms(silent)][:2] == [False, False]


def test_told_gives_means_errors_and_bars():
    rows = told(
        {
            "x · 60 votes · auto · all tastes · gold win rate": [0.8, 0.9],
            "over-optimisation · x · auto past the peak (share of runs)": [0.0, 0.0],
            "x · strength that auto takes": [2.0, 4.0, 100.0],
        }
    )
    assert (rows[0].value, rows[0].bar, rows[0].met) == (pytest.approx(0.85), "≥ 0.9", False)
    assert rows[0].error == pytest.approx(0.05)
    assert rows[1].met is True
    assert rows[2].value == 4.0


def test_alignment_benchmark_runs_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(benchmark, "CHECKPOINTS", (4, 8))
    monkeypatch.setattr(benchmark, "TIMED", 64)
    bench = BENCHMARKS.make("alignment")
    assert isinstance(bench, Alignment)
    tiny = Alignment(
        source="pictures:200", size=28, generator=TINY, train_images=64, features="descriptors", tastes=("warm",),
        seeds=1, tilt_tastes=("warm",), tilt_seeds=1, engines=("noise_search(steps=1)", "nothing"), images=240,
        latents=24, aligner="latent_tilt(steps=3, batch=4, couplings=0, hidden=4)",
        parts=("time", "votes", "made", "engines"),
    )  # fmt: skip
    rows = {row.what: row for row in tiny.run(False, silent)}
    assert rows["sampling time · latent_tilt / base"].bar == "≤ 1.2"
    shares = [row.value for what, row in rows.items() if what.startswith("votes to gain")]
    assert len(shares) == 8
    assert all(value is not None and value <= 1 + 1e-9 for value in shares)
    assert any("auto · all tastes · gold win rate" in what for what in rows)
    assert any(what.startswith("gold against nats · noise_search") for what in rows)
    assert "left out" in (rows["gold against nats · nothing"].note or "")
