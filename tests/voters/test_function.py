"""Python functions as voters."""

import sys
from pathlib import Path

import pytest
import torch

from penchant.core.contracts import Choice
from penchant.core.errors import VoterFailed
from penchant.core.rng import Rng
from penchant.voters import FunctionVoter

LEFT, RIGHT = torch.full((3, 20, 30), 0.2), torch.full((3, 20, 30), 0.8)

SOURCE = """
from PIL import ImageStat

seen = []

def brighter(left, right):
    seen.append((left, right))
    return "left" if ImageStat.Stat(left).mean[0] > ImageStat.Stat(right).mean[0] else "RIGHT "

def upper(left, right):
    return "Both_Bad"

def nothing(left, right):
    return None

def wrong(left, right):
    return "both"

def number(left, right):
    return 1

def failing(left, right):
    raise KeyError("no such colour")

def quitting(left, right):
    raise SystemExit(3)

def one_argument(left):
    return "left"

def lazy(left, right):
    import {helper}
    return {helper}.ANSWER

class Critic:
    @staticmethod
    def judge(left, right):
        return "tie"

threshold = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module in the current working directory, under a name of its own for every test."""
    name = "voter_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    (tmp_path / f"{name}.py").write_text(SOURCE.replace("{helper}", f"{name}_helper"))
    (tmp_path / f"{name}_helper.py").write_text("ANSWER = 'skip'")
    monkeypatch.chdir(tmp_path)
    return name


def answer(voter: str) -> Choice:
    return FunctionVoter(voter).answer(LEFT, RIGHT, Rng(0).numpy())


def test_function_in_the_working_directory_is_asked(module: str):
    assert answer(f"{module}:brighter") is Choice.RIGHT


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_function_gets_images_of_their_own_size_and_mode(module: str, channels: int, mode: str):
    FunctionVoter(f"{module}:brighter").answer(LEFT[:channels], RIGHT[:channels], Rng(0).numpy())
    left, right = sys.modules[module].seen[-1]
    assert (left.mode, left.size) == (right.mode, right.size) == (mode, (30, 20))
    assert left.convert("L").getpixel((3, 3)) == 51


def test_answers_in_any_case_and_from_nested_names_are_taken(module: str):
    assert answer(f"{module}:upper") is Choice.BOTH_BAD
    assert answer(f"{module}:Critic.judge") is Choice.TIE


def test_function_may_import_its_neighbours_later(module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    voter = FunctionVoter(f"{module}:lazy")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert voter.answer(LEFT, RIGHT, Rng(0).numpy()) is Choice.SKIP


def test_search_path_is_left_as_it_was(module: str):
    before = list(sys.path)
    answer(f"{module}:brighter")
    assert sys.path == before


def test_utility_is_not_known(module: str):
    assert FunctionVoter(f"{module}:brighter").utility(LEFT[None]) is None


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("nothing", "answered None; .*'left', 'right', 'tie', 'both_bad', 'skip'"),
        ("wrong", "answered 'both'; .*takes two PIL images"),
        ("number", "answered 1;"),
        ("failing", r"raised KeyError: 'no such colour' \(voter_.*py, line \d+\)"),
        ("quitting", "raised SystemExit: 3"),
        ("one_argument", "raised TypeError"),
    ],
)
def test_other_answers_and_exceptions_are_told_with_the_function(module: str, function: str, told: str):
    with pytest.raises(VoterFailed, match=told) as failure:
        answer(f"{module}:{function}")
    assert f"{module}:{function}" in str(failure.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no_such_module:vote", "no module 'no_such_module'.*start Penchant in the folder"),
        ("penchant.nothing:vote", "no module 'penchant.nothing'"),
        ("{module}:brightest", "has no 'brightest'; it has: .*brighter"),
        ("{module}:threshold", "is a int, not a function"),
        ("{module}:", "write package.module:function"),
        (":brighter", "write package.module:function"),
    ],
)
def test_what_cannot_be_loaded_is_told(module: str, name: str, told: str):
    with pytest.raises(VoterFailed, match=told):
        FunctionVoter(name.replace("{module}", module))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def vote(left, right:", "cannot be imported: SyntaxError"),
        ("1 / 0", r"cannot be imported: ZeroDivisionError: division by zero \(broken_\d.py, line 1\)"),
        ("import not_installed_anywhere", "cannot be imported: ModuleNotFoundError.*not_installed_anywhere"),
        ("raise SystemExit('run me')", "cannot be imported: SystemExit: run me"),
    ],
)
def test_module_that_fails_on_import_is_told(
    source: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    name = f"broken_{abs(hash(source)) % 10}"
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(VoterFailed, match=told):
        FunctionVoter(f"{name}:vote")
