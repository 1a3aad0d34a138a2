"""The log for machines: a JSON object a line, and no secret in it; and the examples that say how to run a studio."""

import io
import json
import logging
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from typer.core import TyperGroup
from typer.main import get_command

from penchant.cli.app import app as cli
from penchant.studio._log import LOGGER, Logged, json_lines, note

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()

    @app.get("/images/{name}")
    async def image(name: str) -> str:
        if name == "broken":
            raise RuntimeError("it broke")
        return name

    app.add_middleware(Logged)
    return TestClient(app, raise_server_exceptions=False)


def test_a_request_is_a_line_by_its_route_without_what_the_address_holds(client: TestClient) -> None:
    stream = io.StringIO()
    with json_lines(stream):
        client.get("/images/abc?token=secret")
        client.get("/nowhere/secret")
        client.get("/images/broken")
        note("made", kind="align", version=2)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [(one["method"], one["route"], one["status"]) for one in lines[:3]]
    assert told == [("GET", "/images/{name}", 200), ("GET", "other", 404), ("GET", "/images/{name}", 500)]
    assert all(0 <= one["ms"] < 60_000 and one["event"] == "request" for one in lines[:3])
    assert {name: lines[3][name] for name in ("level", "event", "kind", "version")} == {
        "level": "info", "event": "made", "kind": "align", "version": 2,
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", lines[3]["at"])
    assert "secret" not in stream.getvalue()


def test_what_breaks_is_told_with_its_traceback_and_afterwards_nothing_is_said(client: TestClient) -> None:
    stream = io.StringIO()
    with json_lines(stream):
        try:
            raise ValueError("a bad value")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (line["level"], line["event"]) == ("error", "Exception in ASGI application")
    assert "ValueError: a bad value" in line["error"]
    client.get("/images/abc")
    assert len(stream.getvalue().splitlines()) == 1
    assert LOGGER.handlers == []


@pytest.mark.parametrize(
    ("file", "start"), [("penchant-studio@.service", "ExecStart="), ("Containerfile", 'CMD ["studio')]
)
def test_examples_name_options_that_there_are(file: str, start: str) -> None:
    text = (DEPLOY / file).read_text(encoding="utf-8")
    (line,) = [one.removeprefix(start) for one in text.splitlines() if one.startswith(start)]
    words = shlex.split(line) if file.endswith(".service") else json.loads('["studio' + line)
    arguments = words[words.index("studio") + 1 :]
    commands = get_command(cli)
    assert isinstance(commands, TyperGroup)
    command = commands.commands["studio"]
    filled = [{"${PORT}": "8765", "${ORIGIN}": "https://studio.example.org"}.get(word, word) for word in arguments]
    with command.make_context("studio", filled) as context:
        assert (context.params["log"], context.params["browser"], context.params["port"]) == ("json", False, 8765)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_finds_nothing_in_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "penchant-studio@.service").read_text(encoding="utf-8")
    file = tmp_path / "penchant-studio@flowers.service"
    file.write_text(unit.replace("/opt/penchant/bin/penchant", shutil.which("true") or "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    about_it = [line for line in done.stderr.splitlines() if "penchant" in line]
    assert about_it == []
