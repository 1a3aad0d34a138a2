"""Feeding from the command line."""

from pathlib import Path

from typer.testing import CliRunner

from penchant.cli.app import app
from penchant.core.errors import BadConfiguration, NotReady
from penchant.data import ImageSettings
from penchant.study import Study, StudySettings
from penchant.study.labels import KEEP, label

SETTINGS = StudySettings(
    source="pictures:100",
    pool=30,
    images=ImageSettings(size=28),
    judge="descriptors",
    features="descriptors",
    generator="gan(widths=(8,), judge_widths=(8,), batch=8)",
    conditions="none",
    train_images=16,
)


def test_feed_says_what_was_eaten_and_what_became_of_variety(tmp_path: Path):
    path = tmp_path / "study"
    with Study.create(path, SETTINGS) as study:
        study.train()
    run = CliRunner().invoke
    assert isinstance(run(app, ["feed", str(path)]).exception, NotReady)
    assert isinstance(run(app, ["feed", str(path), "--cap", "0.8"]).exception, BadConfiguration)
    with Study.open(path) as study:
        for row in range(5):
            label(study, row, KEEP, version="base")
    result = run(app, ["feed", str(path)])
    assert result.exit_code == 0, result.output
    assert "version 2: 5 generated images, " in result.output
    assert "coverage" in result.output
