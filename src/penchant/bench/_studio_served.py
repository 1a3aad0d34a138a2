"""The studio as people run it, a process of its own; and those who speak to it, quick enough to be many."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from penchant.core.errors import NotReady

HOST = "127.0.0.1"
_SECONDS_TO_START = 60.0
_SECONDS_TO_END = 20.0
_SECONDS_TO_INSIST = 300.0
"""For one request, with all that is killed and started again meanwhile."""
_ADDRESS = re.compile(rf"http://{HOST}:(\d+)/\?token=([\w-]+)")


@dataclass
class Served:
    """``penchant studio`` over a study: where it listens, the owner's token, and how long that took.

    Args:
        study: its folder.
        options: more of the command line.
    """

    study: Path
    options: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes]" = field(init=False)
    port: int = field(init=False)
    token: str = field(init=False)
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "penchant", "studio", str(self.study), "--no-browser", *self.options]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said, stderr = b"", self.process.stderr
        while stderr is not None and (line := stderr.readline()):
            said += line
            if found := _ADDRESS.search(line.decode()):
                self.port, self.token = int(found[1]), found[2]
                self.seconds = time.perf_counter() - started
                return
        self.process.wait(_SECONDS_TO_START)
        raise NotReady(f"the studio did not start: {said.decode(errors='replace').strip()}")

    @property
    def address(self) -> str:
        """What the owner opens."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    @property
    def processor_seconds(self) -> float | None:
        """What it has used of the processors so far; None where the system does not say."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self._reap()

    def stop(self) -> None:
        """As Ctrl-C in a service does."""
        self.process.terminate()
        try:
            self._reap()
        except subprocess.TimeoutExpired:
            self.kill()

    def _reap(self) -> None:
        self.process.wait(_SECONDS_TO_END)
        if self.process.stderr is not None:
            self.process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()


@dataclass(frozen=True)
class Answer:
    """What the studio answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Caller:
    """Somebody with a connection that is kept; one request at a time. HTTP/1.1 as the studio speaks it, and no more.

    Args:
        port: of the studio.
        headers: sent with every request.
    """

    port: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    lost: int = 0
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request.

        Raises:
            ConnectionError: the studio is not there, or went away before it had answered.
        """
        sent = b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {"Host": f"{HOST}:{self.port}", "Content-Length": str(len(sent)), **self.headers, **named}
        if body is not None:
            fields["Content-Type"] = "application/json"
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        try:
            reader, writer = self._streams or await asyncio.open_connection(HOST, self.port)
            self._streams = reader, writer
            writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + sent)
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            answered = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if name}
            content = await reader.readexactly(int(answered.get("content-length", "0")))
        except (OSError, EOFError) as error:
            self.close()
            raise ConnectionError(f"no answer: {error}") from error
        return Answer(int(status.split()[1]), answered, content)

    async def insist(
        self, wanted: tuple[int, ...], method: str, path: str, body: object = None, **headers: str
    ) -> Answer:
        """Ask until there is an answer, as the page does; ``lost`` counts the requests of which a reply was lost.

        Raises:
            RuntimeError: it was refused, or there was no answer for minutes.
        """
        until, lost = time.monotonic() + _SECONDS_TO_INSIST, 0
        while True:
            try:
                answer = await self.ask(method, path, body, **headers)
                if answer.status in wanted:
                    self.lost += lost
                    return answer
                if answer.status < 500:
                    raise RuntimeError(f"{method} {path} was answered {answer.status}: {answer.body.decode()}")
            except ConnectionError:
                lost = 1
            if time.monotonic() > until:
                raise RuntimeError(f"{method} {path} had no answer within {_SECONDS_TO_INSIST:g} s")
            await asyncio.sleep(0.05)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def owner(served: Served) -> Caller:
    """A program of the owner's."""
    return Caller(served.port, {"Authorization": f"Bearer {served.token}"})


async def guest(served: Served, voter: str) -> Caller:
    """A browser of somebody who was invited and came."""
    asking = owner(served)
    made = (await asking.ask("POST", "/api/v1/invites", {"voter": voter, "days": 1})).json
    asking.close()
    caller = Caller(served.port)
    entered = await caller.ask("GET", "/?invite=" + made["link"].partition("?invite=")[2])
    caller.headers["Cookie"] = entered.headers["set-cookie"].partition(";")[0]
    caller.headers["Origin"] = f"http://{HOST}:{served.port}"
    caller.headers["X-CSRF-Token"] = (await caller.ask("GET", "/api/v1/me")).json["csrf"]
    caller.close()  # the studio hangs up after some seconds, and others may come meanwhile
    return caller


async def belief(served: Served) -> dict[str, Any]:
    """What it has learned: ``through``, ``votes`` and ``sha256``."""
    asking = owner(served)
    said = (await asking.insist((200,), "GET", "/api/v1/belief")).json
    asking.close()
    return said
