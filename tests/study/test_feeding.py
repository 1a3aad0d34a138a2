"""Kept images of the generator's own as training data: the cap, what is watched, what is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from penchant.core.contracts import GENERATORS, Annotations, Budget, Generator, Workspace
from penchant.core.errors import BadConfiguration, NotReady
from penchant.core.rng import Rng
from penchant.data import ImageSettings
from penchant.study import Study, StudySettings, write_report
from penchant.study.feeding import Diet, fallen, fed_versions, kept_generated, warning
from penchant.study.labels import KEEP, REJECT, label

SETTINGS = StudySettings(
    source="pictures:150",
    pool=40,
    images=ImageSettings(size=28),
    judge="descriptors",
    generator="gan(widths=(8,), judge_widths=(8,), batch=8)",
    features="descriptors",
    conditions="none",
    train_images=16,
)


MEALS: list[tuple[np.ndarray, Annotations]] = []


@dataclass(frozen=True)
class Eater:
    """A component that notes what it was given to learn from."""

    batch: int = 8

    def fit(
        self, images: np.ndarray, budget: Budget, rng: Rng, workspace: Workspace, annotations: Annotations
    ) -> Generator:
        MEALS.append((np.array(images), annotations))
        return GENERATORS.make(SETTINGS.generator).fit(images, budget, rng, workspace, annotations)


class Eaters:
    """A family of one."""

    kind = "generator"

    def make(self, spec: Any) -> Eater:
        return Eater()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with Study.create(tmp_path_factory.mktemp("feeding") / "study", SETTINGS) as study:
        study.train()
        yield study


def test_kept_images_come_back_and_a_narrowing_would_be_told(trained: Study, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(NotReady, match="no generated image is kept"):
        trained.feed()
    for row in range(10):
        label(trained, row, KEEP, version="base")
    label(trained, 10, REJECT, version="base")
    label(trained, 0, REJECT)
    monkeypatch.setattr("penchant.study.feeding.GENERATORS", Eaters())
    heard: list[float] = []
    version = trained.feed(Diet(cap=0.05), report=lambda progress: heard.append(progress.fraction))
    menu, annotations = MEALS[0]
    count = len(trained.images.train)
    candidates = trained.versions.pool(1).images
    assert np.array_equal(menu[:count], trained.images.train)
    assert np.array_equal(menu[count:], candidates[:10]), "kept ones, and not the rejected one"
    assert annotations.weights is not None
    assert annotations.weights[0] == 0, "a rejected real image is not learned from"
    assert annotations.weights[count:].sum() / annotations.weights.sum() == pytest.approx(0.05)
    record = version.figures["fed"]
    assert version.kind == "fed"
    assert (record["kept"], record["share"], record["capped"]) == (10, 0.05, True)
    assert "more than the cap allows" in version.figures["note"]
    for when in ("before", "after"):
        assert 0 <= record[when]["coverage"]["value"] <= 1
    assert heard
    assert not (trained.path / "training" / "feed-2").exists()
    assert fed_versions(trained) == [(2, record)]
    assert trained.generator("base").latent_dim == trained.generator("latest").latent_dim
    page = write_report(trained).read_text()
    assert "Fed on its own images" in page


def test_a_second_round_is_held_against_the_base_too(trained: Study):
    if len(trained.versions.all()) < 2:
        label(trained, 1, KEEP, version="base")
        trained.feed()
    label(trained, 3, KEEP, version="latest")
    assert {version for version, _, _ in kept_generated(trained)} == {1, 2}
    record = trained.feed(Diet(weight=0.01)).figures["fed"]
    assert "base" in record
    assert not record["capped"]
    assert 0 < record["share"] < 0.01


def test_a_share_is_what_is_asked_for_up_to_the_cap():
    assert Diet(cap=0.5, weight=1).share(90, 10) == pytest.approx(0.1)
    assert Diet(cap=0.5, weight=3).share(90, 10) == pytest.approx(0.25)
    assert Diet(cap=0.2, weight=3).share(90, 10) == 0.2
    for wrong in ({"cap": 0.0}, {"cap": 0.9}, {"weight": 0.0}, {"weight": float("nan")}):
        with pytest.raises(BadConfiguration, match="cap is above 0"):
            Diet(**wrong)


def figures(coverage: float, recall: float, half: float) -> dict[str, dict[str, float | None]]:
    return {
        name: {"value": value, "low": value - half, "high": value + half}
        for name, value in (("coverage", coverage), ("recall", recall))
    }


def test_only_a_fall_beyond_the_error_is_a_collapse():
    assert fallen(figures(0.6, 0.5, 0.04), figures(0.5, 0.5, 0.04)) == ["coverage"]
    assert fallen(figures(0.6, 0.5, 0.04), figures(0.58, 0.2, 0.04)) == ["recall"]
    assert fallen(figures(0.6, 0.5, 0.2), figures(0.5, 0.4, 0.2)) == [], "within what chance does"
    assert fallen(figures(0.5, 0.4, 0.04), figures(0.6, 0.5, 0.04)) == [], "rising is no collapse"
    unknown = {name: dict.fromkeys(("value", "low", "high")) for name in ("coverage", "recall")}
    assert fallen(unknown, figures(0.1, 0.1, 0.04)) == []
    told = warning({"collapse": ["coverage"], "capped": False, "left_out": 0})
    assert "narrowing on its own images" in told
    assert warning({"collapse": [], "capped": False, "left_out": 0}) == ""
