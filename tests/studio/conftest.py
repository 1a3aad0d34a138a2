"""A voting session that lives in memory and can be made to fail, and a server for it."""

import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from PIL import Image

from penchant.core.contracts import Choice
from penchant.core.errors import BadVote
from penchant.studio import serve


@dataclass(frozen=True)
class Pair:
    number: int
    left: str
    right: str


@dataclass(frozen=True)
class State:
    votes: int
    wanted: int
    learned: Mapping[str, str]


@dataclass
class MemorySession:
    """Pairs of plain colours; votes by query; what was told, in order."""

    wanted: int = 4
    learned: Mapping[str, str] = field(
        default_factory=lambda: {"taste": "Warm colours pull.", "sureness": "Early days."}
    )
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    votes: dict[int, Choice] = field(default_factory=dict[int, Choice])
    keys: dict[str, int] = field(default_factory=dict[str, int])
    images: dict[str, bytes] = field(default_factory=dict[str, bytes])
    undone: int = 0
    failure: Exception | None = None

    def ask(self) -> Pair:
        return self._open(0)

    def prefetch(self, count: int) -> Sequence[Pair]:
        return [self._open(place) for place in range(1, count + 1)]

    def tell(self, query: int, choice: Choice, *, client_key: str, **seen: Any) -> int:
        if self.failure is not None:
            raise self.failure
        if client_key not in self.keys:
            if query in self.votes:
                raise BadVote(f"query {query} was answered already")
            self.keys[client_key] = query
            self.votes[query] = choice
            self.told.append({"query": query, "choice": choice, **seen})
        return len(self.votes)

    def undo(self) -> bool:
        if self.votes:
            self.votes.popitem()
            self.undone += 1
            return True
        return False

    def progress(self) -> State:
        return State(len(self.votes), self.wanted, self.learned)

    def image_png(self, sha256: str) -> bytes:
        if sha256 not in self.images:
            raise BadVote(f"this study has no image '{sha256}'")
        return self.images[sha256]

    def _open(self, place: int) -> Pair:
        numbers = (number for number in range(1, 1000) if number not in self.votes)
        number = next(number for index, number in enumerate(numbers) if index == place)
        return Pair(number, self._image(2 * number), self._image(2 * number + 1))

    def _image(self, seed: int) -> str:
        buffer = io.BytesIO()
        Image.new("RGB", (32, 32), (seed * 37 % 256, seed * 91 % 256, seed * 53 % 256)).save(buffer, "PNG")
        name = sha256(buffer.getvalue()).hexdigest()
        self.images[name] = buffer.getvalue()
        return name


@dataclass
class Served:
    """A session being served; ``address`` opens its page, ``result`` is what ``serve`` returned."""

    session: MemorySession
    address: str
    thread: threading.Thread
    result: list[int]


@pytest.fixture
def session() -> MemorySession:
    return MemorySession()


@pytest.fixture
def served(session: MemorySession) -> Iterator[Callable[[], Served]]:
    """Call it to serve ``session`` in a thread; at the end the votes that are missing are given, so that it stops."""
    running: list[Served] = []

    def start() -> Served:
        addresses: list[str] = []
        announced = threading.Event()
        result: list[int] = []

        def announce(text: str) -> None:
            addresses.append(text.split()[2])
            announced.set()

        def run() -> None:
            result.append(serve(session, open_browser=False, announce=announce))

        thread = threading.Thread(target=run)
        thread.start()
        assert announced.wait(10)
        running.append(Served(session, addresses[0], thread, result))
        return running[0]

    yield start
    for one in running:
        _finish(one)


def _finish(served: Served) -> None:
    import httpx

    served.session.wanted = 0
    if not served.thread.is_alive():
        return
    with httpx.Client(follow_redirects=True) as client:
        page = client.get(served.address)
        csrf = page.text.split('data-csrf="')[1].split('"')[0]
        origin = served.address.split("/?")[0]
        key = {"X-CSRF-Token": csrf, "Origin": origin, "Idempotency-Key": "the-end-of-the-test"}
        client.post(f"{origin}/api/v1/finish", headers=key).raise_for_status()
    served.thread.join(10)
    assert not served.thread.is_alive()
