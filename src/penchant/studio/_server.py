"""Serving the voting page on this machine until the votes are given."""

import socket
import sys
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from penchant.core.errors import BadConfiguration
from penchant.studio._access import Access
from penchant.studio._app import voting_app
from penchant.studio._session import VotingSession

LOOPBACK = "127.0.0.1"


def to_stderr(text: str) -> None:
    """Say something beside the output that programs read."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def serve(
    session: VotingSession,
    *,
    port: int = 0,
    open_browser: bool = True,
    announce: Callable[[str], None] = to_stderr,
) -> int:
    """Let a person vote in the browser; returns the number of votes when all are given, or at Ctrl-C.

    Serves on 127.0.0.1 only, from the calling thread (the main one, where Ctrl-C is to work). Each vote was stored
    before it was acknowledged, so stopping at any moment loses nothing.

    Args:
        session: what is voted on.
        port: 0 takes a free one.
        open_browser: open the page; its address is announced in any case.
        announce: is given one sentence with the address.

    Raises:
        BadConfiguration: the port is taken or not allowed.
    """
    access = Access()
    listener = _listen(port)
    server: uvicorn.Server

    def stop() -> None:
        server.should_exit = True

    app = voting_app(session, access, stop)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    )
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/?token={access.token}"
    try:
        announce(f"Vote at {address} (Ctrl-C stops; every vote is kept)")
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
    return session.progress().votes


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen()  # from here on a browser that is quicker than the server only waits
    except (OSError, OverflowError) as error:
        listener.close()
        raise BadConfiguration(f"cannot serve on port {port}: {error}; leave the port out to take a free one") from None
    return listener
