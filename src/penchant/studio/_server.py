"""Serving the voting page until the votes are given, or the studio until Ctrl-C, on this machine only."""

import gc
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext

import uvicorn
from fastapi import FastAPI

from penchant.core.errors import BadConfiguration
from penchant.studio._access import Access, kept_access
from penchant.studio._app import voting_app
from penchant.studio._log import json_lines, note
from penchant.studio._session import VotingSession
from penchant.studio._studio import ROUND, Studio
from penchant.study import Study

LOOPBACK = "127.0.0.1"
_SAFE = "Ctrl-C stops; every vote is kept"


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
    running: list[uvicorn.Server] = []

    def stop() -> None:
        running[0].should_exit = True

    running.append(_server(voting_app(session, access, stop)))
    _run(running[0], access, port, open_browser, lambda address: announce(f"Vote at {address} ({_SAFE})"))
    return session.progress().votes


def serve_studio(
    study: Study,
    *,
    port: int = 0,
    open_browser: bool = True,
    votes: int = ROUND,
    origin: str | None = None,
    announce: Callable[[str], None] = to_stderr,
    json_log: bool = False,
) -> None:
    """Serve the studio of a study on 127.0.0.1 until Ctrl-C; what is being made then is ended, and kept.

    Args:
        study: opened for writing, or joined by this process as one of several.
        port, open_browser, announce: as for :func:`serve`.
        votes: after how many the page offers to align.
        origin: the address people use, where a proxy in front serves it to others: ``https://studio.example.org``.
        json_log: say on stderr what is done, a JSON object a line, instead of announcing the address.

    Raises:
        BadConfiguration: the port is taken or not allowed, or ``votes`` is below 1.
        StudyDamaged: the study's ``studio.json``, where its secrets are, cannot be read.
    """
    access = kept_access(study.path)
    studio = Studio(study, access, votes, origin)

    def told(address: str) -> None:
        if json_log:  # logs are kept and read by many: the token stays in the study's studio.json
            note("serving", address=address.partition("?")[0], token_in=str(study.path / "studio.json"))
        else:
            announce(f"Studio at {address} ({_SAFE})")

    with json_lines() if json_log else nullcontext():
        try:
            _run(_server(studio.app), access, port, open_browser, told)
        finally:
            studio.close()


@contextmanager
def served(study: Study, *, votes: int = ROUND) -> Generator[str]:
    """Serve the studio of a study from a thread of its own, for notebooks and programs; gives the address.

    While it is served the study is the studio's: speak to it by :class:`penchant.client.Client`. ``votes`` as for
    :func:`serve_studio`, whose errors this raises too.
    """
    access = kept_access(study.path)
    studio = Studio(study, access, votes)
    server, listener = _server(studio.app), _listen(0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}/?token={access.token}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        studio.close()


def _server(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    )


def _run(
    server: uvicorn.Server, access: Access, port: int, open_browser: bool, announce: Callable[[str], None]
) -> None:
    listener = _listen(port)
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/?token={access.token}"
    try:
        announce(address)
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with few_pauses():
            server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()


@contextmanager
def few_pauses() -> Generator[None]:
    """Leave what is there already out of the collection of garbage.

    A full collection looks at every object, also those of torch and SciPy that live as long as the process: 0.2 s
    each time, in which nothing is answered.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


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
