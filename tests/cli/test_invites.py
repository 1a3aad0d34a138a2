"""Inviting from the command line, while the studio has the study open."""

import pytest
from typer.testing import CliRunner

from penchant.cli.app import app
from penchant.core.errors import BadConfiguration, StudyMissing
from penchant.study import Invites, Study, open_invites


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_link_made_while_the_study_is_open_lets_its_voter_in(study: Study) -> None:
    doors = Invites(study.store)
    assert doors.all() == []
    said = run("invite", str(study.path), "--voter", "anna", "--votes", "9", "--at", "http://127.0.0.1:8000/")
    link = said.splitlines()[0]
    assert link.startswith("http://127.0.0.1:8000/?invite=")
    entered = doors.enter(link.partition("=")[2])
    assert entered is not None
    assert (entered[0].voter, entered[0].quota) == ("anna", 9)
    holder = doors.holder(entered[1])
    assert holder is not None
    listed = run("invites", str(study.path))
    assert "anna" in listed
    assert link.partition("=")[2] not in listed
    run("revoke", str(study.path), str(holder.number))
    doors.now = lambda now=doors.now: now() + 1.1
    assert doors.holder(entered[1]) is None
    assert doors.enter(link.partition("=")[2]) is None
    assert "taken back" in run("invites", str(study.path))


def test_what_cannot_be_granted_is_said(study: Study) -> None:
    with open_invites(study.path) as invites:
        for terms, text in (
            ({"voter": "human"}, "choose another"),
            ({"voter": "<b>"}, "letters, digits"),
            ({"voter": "anna", "days": 0}, "days"),
            ({"voter": "anna", "days": float("nan")}, "days"),
            ({"voter": "anna", "votes": 0}, "votes"),
        ):
            with pytest.raises(BadConfiguration, match=text):
                invites.invite(**terms)  # pyright: ignore[reportArgumentType]
        assert invites.all() == []
    with pytest.raises(StudyMissing), open_invites(study.path / "nowhere"):
        pass
