"""Labelling from the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from penchant.cli.app import app
from penchant.core.errors import BadConfiguration, UnknownName
from penchant.data import ImageSettings
from penchant.study import Study, StudySettings
from penchant.study.labels import Labels


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


def test_label_wants_a_voter(tmp_path: Path):
    assert CliRunner().invoke(app, ["label", str(tmp_path)]).exit_code == 2


@pytest.mark.parametrize("count", ["0", "-3"])
def test_label_wants_an_image_at_least(tmp_path: Path, count: str):
    assert CliRunner().invoke(app, ["label", str(tmp_path), "--voter", "warm", "--count", count]).exit_code == 2
