"""Labelling from the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from penchant.cli.app import app
from penchant.core.errors import BadConfiguration, UnknownName
from penchant.data import ImageSettings
from penchant.study import Study, StudySettings
from penchant.study.labels import Labels
from penchant.study.spreading import spread_of


def test_label_says_how_many_were_given_and_what_is_there(tmp_path: Path):
    path = tmp_path / "study"
    Study.create(path, StudySettings(source="pictures:100", images=ImageSettings(size=28))).close()
    result = CliRunner().invoke(app, ["label", str(path), "--voter", "warm", "--count", "12"])
    assert result.exit_code == 0, result.output
    assert "12 labels given, 0 images passed over" in result.output
    with Study.open(path) as study:
        labels = Labels.of(study)
    assert len(labels) == 12
    for name, many in labels.counts.items():
        assert f"{name} {many}" in result.output
    for wrong, error in ((["--voter", "wrm"], UnknownName), (["--voter", "warm", "--labels", "a,b"], BadConfiguration)):
        failed = CliRunner().invoke(app, ["label", str(path), *wrong])
        assert isinstance(failed.exception, error)


def test_label_wants_a_voter_or_something_to_spread(tmp_path: Path):
    failed = CliRunner().invoke(app, ["label", str(tmp_path)])
    assert isinstance(failed.exception, BadConfiguration)


def test_labels_are_spread_and_taken_back(tmp_path: Path):
    path = tmp_path / "study"
    Study.create(path, StudySettings(source="pictures:120", images=ImageSettings(size=28))).close()
    given = ["label", str(path), "--voter", "warm", "--count", "30", "--wanted", "keep", "--spread", "0.8"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert "30 labels given" in result.output
    assert "surer than 0.8: reject " in result.output
    assert "left out once" in result.output
    result = CliRunner().invoke(app, ["label", str(path), "--voter", "calm", "--count", "3"])
    assert "3 labels are newer than what was spread" in result.output
    result = CliRunner().invoke(app, ["label", str(path), "--spread", "off"])
    assert "count alone again" in result.output
    with Study.open(path) as study:
        assert spread_of(study) is None
    failed = CliRunner().invoke(app, ["label", str(path), "--spread", "much"])
    assert isinstance(failed.exception, BadConfiguration)


@pytest.mark.parametrize("count", ["0", "-3"])
def test_label_wants_an_image_at_least(tmp_path: Path, count: str):
    assert CliRunner().invoke(app, ["label", str(tmp_path), "--voter", "warm", "--count", count]).exit_code == 2
