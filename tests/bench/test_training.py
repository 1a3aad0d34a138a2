"""The benchmark of active training, small; and what its rows say of trainings that are known."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penchant.bench._training_rows import ALL, as_good, loss, summary
from penchant.bench._training_trials import Kept, Trial
from penchant.bench.training import Training
from penchant.core.contracts import silent
from penchant.core.errors import BadConfiguration

SMALL = Training(
    sources=("pictures:300", "pictures:310"),
    generators=("gan(widths=(8,), judge_widths=(8,), batch=8)",),
    images_seen=(16,),
    fixed=("random",),
    adaptive="adaptive(arms=('random', 'density'))",
    shares=(0.2, 0.4),
    pool=100,
    labels=(4,),
    seeds=1,
)


def _trial(strategy: str, share: float, seed: int, kid: float, coverage: float = 0.5, part: str = "needed") -> Trial:
    return Trial(part, "set", "vae()", strategy, share, seed, {"kid": kid, "coverage": coverage})


def test_finished_trainings_are_kept_and_not_done_again(tmp_path: Path):
    path = tmp_path / "trials.jsonl"
    bench = replace(SMALL, results=str(path))
    rows = bench.run(False, silent)
    lines = path.read_text().splitlines()
    # two sets × (all + 2 shares × 2 strategies), dirt 2 × 4, labels 3, top-k 2 × 2
    assert len(lines) == 2 * 5 + 2 * 4 + 3 + 2 * 2
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert {row.what: row.value for row in bench.run(False, silent)} == {row.what: row.value for row in rows}
    assert path.read_text().splitlines()[:-1] == lines[:-1]
    assert any("12 by random" in row.what for row in rows)


def test_a_share_is_as_good_only_where_that_is_shown():
    everything = [_trial(ALL, 1.0, seed, 1.0 + 0.01 * seed) for seed in range(3)]
    alike = [_trial("density", 0.1, seed, 1.0 + 0.01 * seed + 0.001 * (seed % 2)) for seed in range(3)]
    worse = [_trial("random", 0.1, seed, 1.5 + 0.01 * seed + 0.001 * (seed % 2)) for seed in range(3)]
    narrow = [_trial("k_centre", 0.1, seed, 1.0 + 0.01 * seed, coverage=0.4) for seed in range(3)]
    noisy = [_trial("typicality", 0.1, seed, 1.0 + 0.8 * (seed - 1)) for seed in range(3)]
    trials = everything + alike + worse + narrow + noisy
    assert as_good(trials, "density", 0.1) is True
    assert as_good(trials, "random", 0.1) is False
    assert as_good(trials, "k_centre", 0.1) is False
    assert as_good(trials, "typicality", 0.1) is None, "the same mean, but nothing is shown"
    assert as_good(trials[:1] + alike[:1], "density", 0.1) is None
    rows = {row.what: row for row in summary(trials, ("random", "density", "typicality"), None)}
    assert rows["set, vae: share of the images that best fixed (density) needs, shown"].value == 0.1
    assert rows["set, vae: share of the images that random needs, shown"].value == 1.0
    told = rows["set, vae, random at 0.1: KID lost, of that of all images"]
    assert told.value == pytest.approx(0.5 / 1.01, rel=0.01)
    assert told.note == "worse"


def test_what_is_lost_has_the_error_of_paired_seeds():
    trials = [_trial(ALL, 1.0, seed, 2.0, coverage=0.5) for seed in range(4)]
    trials += [_trial("random", 0.1, seed, 2.0 + 0.2 * seed, coverage=0.5 - 0.05 * seed) for seed in range(4)]
    found = loss(trials, "random", 0.1)
    assert found is not None
    kid, coverage = found
    assert (kid.mean, coverage.mean) == (pytest.approx(0.15), pytest.approx(0.15))
    assert kid.error == pytest.approx(0.1 * np.std([0, 1, 2, 3], ddof=1) / 2)
    assert kid.upper == pytest.approx(kid.mean + 2.3534 * kid.error, rel=1e-4)


def test_only_the_parts_that_are_asked_for_are_run(tmp_path: Path):
    path = tmp_path / "trials.jsonl"
    replace(SMALL, results=str(path), sources=("pictures:300",), adaptive=None, parts=("needed",)).run(False, silent)
    done = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["part"], one["strategy"], one["share"]) for one in done] == [
        ("needed", ALL, 1.0), ("needed", "random", 0.2), ("needed", "random", 0.4),
    ]  # fmt: skip


def test_dirt_is_compared_seed_by_seed():
    trials = [_trial(ALL, 1.0, seed, 0.3 + seed, part="dirty") for seed in range(2)]
    trials += [_trial("density", 0.4, seed, 0.2 + seed, part="dirty") for seed in range(2)]
    row = next(row for row in summary(trials, ("density",), "adaptive") if "less that of everything" in row.what)
    assert row.value == pytest.approx(-0.1)
    assert row.error == pytest.approx(0, abs=1e-12)
    assert row.met


@pytest.mark.parametrize(
    "wrong",
    [
        {"images_seen": (1, 2)},
        {"shares": (0.4, 0.1)},
        {"shares": (0.0,)},
        {"seeds": 0},
        {"pool": 10},
        {"sources": ("a/x", "b/x")},
        {"parts": ("needed", "everything")},
    ],
)
def test_what_cannot_be_measured_is_refused(wrong: dict[str, Any]):
    with pytest.raises(BadConfiguration):
        replace(SMALL, **wrong)


def test_a_file_of_something_else_is_refused(tmp_path: Path):
    path = tmp_path / "other.jsonl"
    path.write_text("{}\n")
    with pytest.raises(BadConfiguration, match="holds no trials"):
        Kept(str(path))
