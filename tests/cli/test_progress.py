"""Bars and lines that tell how far a stage is."""

import io

import pytest
from rich.console import Console

from penchant.cli.progress import ProgressBars
from penchant.core.contracts import Progress

PICKED = "picked vae_gan(batch=32), because there are 300 images of 28 px and 40 core-seconds: ahead of vae on clothes"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_message_is_a_line_of_its_own_and_said_once(terminal: bool) -> None:
    out = io.StringIO()
    with ProgressBars(Console(file=out, force_terminal=terminal, width=60, color_system=None)) as bars:
        bars(Progress(PICKED, 1.0, 0.0, message=True))
        bars(Progress(PICKED, 1.0, 0.0, message=True))
        bars(Progress("vae_gan", 0.5, 3.0, {"error": 0.1}))
        bars(Progress("vae_gan", 1.0))
    told = " ".join(out.getvalue().split())
    assert told.count(PICKED) == 1
    assert "…" not in told.partition("vae_gan …")[0], "a message is no stage that goes on, and is not cut short"
    assert "vae_gan" in told.replace(PICKED, "")
