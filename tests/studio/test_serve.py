"""Starting and stopping the server: Ctrl-C, a taken port."""

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from penchant.core.errors import BadConfiguration
from penchant.studio import serve

if TYPE_CHECKING:
    from tests.studio.conftest import MemorySession

_SERVE = """
import sys
from types import SimpleNamespace
from penchant.studio import serve
session = SimpleNamespace(progress=lambda: SimpleNamespace(votes=3, wanted=9, learned={}))
votes = serve(session, open_browser=False, announce=lambda text: print(text, flush=True))
print("votes", votes)
"""


def heard() -> None:
    """In the new process: Ctrl-C is not ignored, as it is where the tests were started in a shell's background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_serve_returns_the_votes_at_ctrl_c() -> None:
    command = [sys.executable, "-c", _SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heard) as process:
        assert process.stdout is not None
        announced = process.stdout.readline()
        assert announced.startswith("Vote at http://127.0.0.1:")
        address = announced.split()[2].partition("?")[0]
        httpx.get(address, timeout=60)  # it serves, so its own handler of Ctrl-C is in place
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "votes 3\n")


def test_serve_says_that_a_port_is_taken(session: "MemorySession") -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BadConfiguration, match=f"cannot serve on port {port}"):
            serve(session, port=port, open_browser=False)
    with pytest.raises(BadConfiguration, match="cannot serve on port 70000"):
        serve(session, port=70000, open_browser=False)
