"""From what a person writes to a voter."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from penchant.core.errors import BadConfiguration, UnknownName, VoterFailed
from penchant.core.rng import Rng
from penchant.voters import FunctionVoter, load_voter
from penchant.voters._answering import SimulatedVoter
from penchant.voters.warm import Warm


@pytest.fixture
def images() -> Tensor:
    return torch.rand(20, 3, 32, 32, generator=Rng(0).torch())


def test_simulated_voter_is_made_with_its_settings(images: Tensor):
    voter = load_voter("warm(consistency=3, lapse=0.1, tie_within=0.2)", images)
    assert isinstance(voter, SimulatedVoter)
    assert voter.manner == Warm(consistency=3.0, lapse=0.1, tie_within=0.2)


def test_settings_may_hold_a_colon(images: Tensor):
    with pytest.raises(BadConfiguration, match=r"lapse = 'a:b'"):
        load_voter("warm(lapse='a:b')", images)


def test_function_is_loaded(images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_loaded_voter.py").write_text("def vote(left, right): return 'left'")
    monkeypatch.chdir(tmp_path)
    assert isinstance(load_voter(" my_loaded_voter:vote ", images), FunctionVoter)


def test_unknown_voter_is_told_what_there_is(images: Tensor):
    with pytest.raises(UnknownName, match=r"calm.*human.*package\.module:function.*Did you mean 'warm'"):
        load_voter("warn", images)


@pytest.mark.parametrize("spec", ["", "warm(", "warm(3)", "two words"])
def test_text_that_names_no_voter_is_refused(spec: str, images: Tensor):
    with pytest.raises(BadConfiguration, match="is not a voter"):
        load_voter(spec, images)


def test_unknown_setting_is_refused(images: Tensor):
    with pytest.raises(UnknownName, match="consistency"):
        load_voter("warm(consistence=3)", images)


def test_missing_function_is_refused(images: Tensor):
    with pytest.raises(VoterFailed, match="no module"):
        load_voter("nowhere:vote", images)
