"""Strengths, the judge that chooses among them, and what people are told about an alignment."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch

from penchant.alignment import turned_down
from penchant.alignment._transport import Transport
from penchant.alignment.best_of_n import BestOfGenerator
from penchant.alignment.latent_tilt import TiltedGenerator
from penchant.core.contracts import ALIGNMENT, Alignment, Choice, Posterior, Reward, Strength, Votes
from penchant.core.errors import BadConfiguration, NotCapable
from penchant.core.rng import Rng
from penchant.preference.linear import Linear
from penchant.study import Study, StudySettings, vote
from penchant.study.frontier import Judge, frontier, steps_of, strongest_safe
from penchant.study.settling import FEW_VOTES, PLAIN, WEAK, asked_strength, settled
from penchant.study.strengths import measured


def row(strength: float, sure: float | None, **more: Any) -> dict[str, Any]:
    return {"like_best_of": strength, "sure": sure, "reward": strength, "vendi": 10.0, "coverage": 0.5, **more}


def _quick(folder: Path) -> None:
    aligner = "latent_tilt(steps=15, batch=8, couplings=0, hidden=4, learning_rate=0.02)"
    replace(StudySettings.load(folder), aligner=aligner).save(folder)


@pytest.fixture(scope="module")
def voted(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copytree(trained_folder, tmp_path_factory.mktemp("voted") / "study")
    _quick(folder)
    with Study.open(folder) as study:
        vote(study, "warm", 30)
    return folder


def test_strongest_safe_goes_on_while_the_judge_is_sure():
    rows = [row(1, None), row(2, 0.99), row(4, 0.95)]
    assert strongest_safe(rows) == (4, "it was the strongest measured")
    assert strongest_safe([*rows, row(8, 0.89)])[0] == 4
    assert strongest_safe([*rows, row(8, 0.89), row(16, 0.99)])[0] == 4


@pytest.mark.parametrize(
    ("more", "why"),
    [({"vendi": 8.9}, "89% of the variety"), ({"coverage": 0.39}, "78% of the coverage"), ({"reward": 2}, "no longer")],
)
def test_strongest_safe_stops_where_something_else_is_lost(more: dict[str, Any], why: str):
    strength, said = strongest_safe([row(1, None), row(2, 0.99), row(4, 0.99, **more)])
    assert strength == 2
    assert why in said


def test_strongest_safe_needs_no_coverage():
    assert strongest_safe([row(1, None, coverage=None), row(2, 0.99, coverage=None)])[0] == 2


def test_judge_is_as_sure_as_its_posterior_draws(voted: Path):
    with Study.open(voted) as study:
        judge = study.second_opinion()
        before, after = (judge.see(study.generator("base").sample(60, Rng(seed))) for seed in (1, 2))
    gain, sure = judge.gain(before, after)
    means = np.stack([before.mean(0), after.mean(0)])
    draws = judge.posterior.draw(means, 4000, np.random.default_rng(0))
    assert sure == pytest.approx(float((draws[:, 1] > draws[:, 0]).mean()), abs=0.03)
    assert gain == pytest.approx(float(np.diff(judge.posterior.mean(means))[0] / judge.posterior.mean(before).std()))
    assert judge.gain(before, before) == (0.0, 0.5)


def test_judge_never_saw_the_features_of_the_reward(voted: Path):
    with Study.open(voted) as study:
        assert study.second_opinion().extractor.hash == study.judge.hash != study.extractor.hash


def test_align_auto_is_a_strength_of_one_training(voted: Path, tmp_path: Path):
    with Study.open(copytree(voted, tmp_path / "study")) as study:
        version = study.align("auto")
        figures, generator = version.figures, study.generator()
        assert figures["asked"] == "auto"
        strengths = [step["like_best_of"] for step in figures["strengths"]]
        assert strengths[0] == 1
        assert strengths == sorted(strengths)
        kept = figures["like_best_of"]
        assert kept in strengths
        assert kept >= WEAK
        card = (study.versions.folder(version.number) / "README.md").read_text(encoding="utf-8")
        assert f"like the best of {kept:g}" in card
        assert "| votes | 30 |" in card
        assert "# license: yours to choose" in card
        assert "warm" not in card, "a voter's name"
        assert str(study.path) not in card
        assert study.versions.damage() == []
        assert f"like the best of {kept:g} was chosen" in figures["note"]
        assert isinstance(generator, TiltedGenerator)
        assert figures["kl_nats"] == pytest.approx(Strength(kept).target_kl, rel=0.1)
        rows = measured(study, version.number, study.voter("warm"))
        assert [one["like_best_of"] for one in rows] == strengths
        assert rows[0]["gold_win"] == 0.5
        assert all(np.isfinite(one["gold"]) for one in rows)
        nats = [one["kl_nats"] for one in rows]
        assert nats == sorted(nats)


def test_auto_takes_the_weak_strength_after_few_votes(voted: Path):
    with Study.open(voted) as study:
        base, reward, posterior = study.generator("base"), study.reward(), study.taste.posterior
        transport = Transport(base.latent_dim, 0, 1, Rng(0))
        torch.nn.init.constant_(transport.shift, 1.0)
        made = Alignment(TiltedGenerator(base, transport), 0.0, "exact", (), 0.0)
        ground = study.ground(reward)
        kept = settled("auto", "", Strength(1000), made, base, ground, posterior, FEW_VOTES - 1, Rng(0))
    assert kept.like_best_of == WEAK
    assert kept.alignment.kl_nats == pytest.approx(Strength(WEAK).target_kl, rel=0.1)
    assert f"only {FEW_VOTES - 1} votes chose a side" in kept.alignment.note


def test_align_says_when_reward_and_judge_part(voted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Study.open(copytree(voted, tmp_path / "study")) as study:
        opposite = study.second_opinion()
        left, right = np.random.default_rng(0).standard_normal((2, 4, opposite.extractor.width))
        swapped = Votes(left, right, [Choice.LEFT] * 4)
        posterior: Posterior = Linear().prior(opposite.extractor.groups).refit(swapped)
        sour = replace(opposite, posterior=posterior)
        monkeypatch.setattr(Judge, "gain", lambda self, before, after: (-1.0, 0.1))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        monkeypatch.setattr(study, "second_opinion", lambda of=None: sour)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        figures = study.align(4).figures
        assert "rather thinks that the images got worse (10% for better)" in figures["note"]
        assert figures["strengths"] == []
        assert figures["like_best_of"] == 4
        assert figures["reward_gain_sd"] > 0
        assert figures["doubt_ratio"] > 0


class Blind(Reward):
    """Another reward, without its gradient."""

    def __init__(self, seeing: Reward):
        self.seeing = seeing

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return self.seeing(images).detach()

    def save_pretrained(self, directory: Path) -> None:
        self.seeing.save_pretrained(directory)


def test_align_falls_back_where_nothing_has_gradients(voted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Study.open(copytree(voted, tmp_path / "study")) as study:
        blind = Blind(study.reward())
        monkeypatch.setattr(study, "reward", lambda of=None: blind)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        version = study.align(2.4)
        assert version.figures["like_best_of"] == 2
        assert "use the aligner best_of_n, which needs no gradients: done" in version.figures["note"]
        assert isinstance(study.generator(), BestOfGenerator)
        assert version.settings["name"] == "best_of_n"
        study.settings = replace(study.settings, aligner="joint")
        with pytest.raises(NotCapable, match="best_of_n"):
            study.align(2)


def test_asked_strength_of_an_aligner_without_strengths_is_plain():
    strength, note = asked_strength("auto", ALIGNMENT.make("weighted"), 50)
    assert strength.like_best_of == PLAIN
    assert "weighted" in note
    assert asked_strength("auto", ALIGNMENT.make("weighted"), FEW_VOTES - 1)[0].like_best_of == WEAK
    assert asked_strength("auto", ALIGNMENT.make("best_of_n"), 50)[0].like_best_of == 64
    assert "may be chance" in asked_strength(16.0, ALIGNMENT.make("latent_tilt"), FEW_VOTES - 1)[1]
    assert not asked_strength(16.0, ALIGNMENT.make("latent_tilt"), FEW_VOTES)[1]
    with pytest.raises(BadConfiguration, match="or auto"):
        asked_strength(0.5, ALIGNMENT.make("latent_tilt"), 50)


def test_frontier_of_best_of_n_draws_fewer(voted: Path):
    with Study.open(voted) as study:
        base, reward = study.generator("base"), study.reward()
        full = ALIGNMENT.make("best_of_n(reference=64)").align(base, reward, Strength(4), Rng(0)).generator
        assert steps_of(full, 4) == (1, 2, 3, 4)
        rows = frontier(full, 4, base, study.ground(reward), Rng(0))
    assert [one["kl_nats"] for one in rows] == pytest.approx([Strength(n).target_kl for n in (1, 2, 3, 4)])
    rewards = [one["reward"] for one in rows]
    assert rewards == sorted(rewards)
    assert rows[0]["sure"] is None


def test_turned_down_knows_who_has_strengths(voted: Path):
    with Study.open(voted) as study:
        base, reward = study.generator("base"), study.reward()
        found = ALIGNMENT.make("noise_search(steps=1)").align(base, reward, Strength(4), Rng(0)).generator
        assert turned_down(found, 2, Rng(0)) is None
        assert steps_of(found, 4) == (1, 4)
        best = ALIGNMENT.make("best_of_n(reference=64)").align(base, reward, Strength(4), Rng(0)).generator
        assert turned_down(best, 1, Rng(0)) is base
        latents = base.latents(3, Rng(1))
        same = turned_down(best, 9, Rng(0))
        assert same is not None
        assert torch.equal(same.decode(latents), best.decode(latents))


def test_settings_take_auto_and_no_other_word():
    assert StudySettings.parse({"like_best_of": "auto"}, "here").like_best_of == "auto"
    with pytest.raises(BadConfiguration, match="like_best_of"):
        StudySettings.parse({"like_best_of": "much"}, "here")
    with pytest.raises(BadConfiguration, match="at least 1"):
        StudySettings.parse({"like_best_of": 0.5}, "here")
