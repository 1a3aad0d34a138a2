"""The voting page over plain HTTP: who may speak, what is stored, what is refused."""

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from penchant.core.contracts import Choice
from penchant.core.errors import StorageFull, StudyBusy
from penchant.studio import Access, voting_app

if TYPE_CHECKING:
    from tests.studio.conftest import MemorySession

ORIGIN = "http://127.0.0.1:8000"


class Visitor:
    """A browser without scripts: keeps cookies, sends what a page of ours would send."""

    def __init__(self, app: FastAPI, access: Access):
        self.app, self.access, self.cookies = app, access, httpx.Cookies()

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, cookies=self.cookies) as client:
                response = await client.request(method, path, **request)
                self.cookies.update(client.cookies)
                return response

        return asyncio.run(send())

    def enter(self) -> "Visitor":
        assert self.ask("GET", f"/?token={self.access.token}").status_code == 303
        return self

    def post(self, path: str, body: object = None, key: str = "key-00001", **headers: str) -> httpx.Response:
        sent = {"Origin": ORIGIN, "X-CSRF-Token": self.access.csrf, "Idempotency-Key": key} | headers
        return self.ask("POST", path, json=body, headers={name: value for name, value in sent.items() if value})


@pytest.fixture
def stopped() -> list[bool]:
    return []


@pytest.fixture
def stranger(session: "MemorySession", stopped: list[bool]) -> Visitor:
    access = Access()
    return Visitor(voting_app(session, access, lambda: stopped.append(True)), access)


@pytest.fixture
def visitor(stranger: Visitor) -> Visitor:
    return stranger.enter()


def vote(query: int = 1, choice: str = "left", **more: object) -> dict[str, object]:
    return {"query": query, "choice": choice, **more}


def test_page_needs_the_token_once_and_then_the_cookie(stranger: Visitor) -> None:
    refused = stranger.ask("GET", "/")
    assert refused.status_code == 403
    assert "Open the address that was printed" in refused.text
    assert stranger.ask("GET", "/?token=guess").status_code == 403
    assert stranger.ask("GET", "/api/v1/pairs").status_code == 403
    entered = stranger.ask("GET", f"/?token={stranger.access.token}")
    assert entered.headers["location"] == "/"
    assert re.search(r"HttpOnly; Path=/; SameSite=lax", entered.headers["set-cookie"])
    assert f'data-csrf="{stranger.access.csrf}"' in stranger.ask("GET", "/").text


def test_every_run_has_secrets_of_its_own() -> None:
    one, other = Access(), Access()
    assert len({one.token, one.csrf, other.token, other.csrf}) == 4
    assert one.cookie != other.cookie
    assert min(len(one.token), len(one.csrf)) >= 43  # 256 bits


@pytest.mark.parametrize("path", ["/", "/static/vote.js", "/healthz", "/nowhere", "/api/v1/pairs"])
def test_every_answer_has_the_security_headers(stranger: Visitor, path: str) -> None:
    headers = stranger.ask("GET", path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_page_loads_nothing_from_elsewhere(visitor: Visitor) -> None:
    scripts = re.findall(r"from \"(\./\w+\.js)\"", visitor.ask("GET", "/static/vote.js").text)
    paths = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)"', visitor.ask("GET", "/").text)
    assert len(scripts) == 7
    own = ("icon.svg", "base.css", "places.js", "vote.css", "vote.js")
    assert set(paths) == {f"/static/{name}" for name in own}
    for path in [*paths, *(f"/static/{name}" for name in scripts)]:
        answer = visitor.ask("GET", path)
        assert answer.status_code == 200
        assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("host", ["penchant.example", "127.0.0.1.example:8000", ""])
def test_other_hosts_are_refused(visitor: Visitor, host: str) -> None:
    assert visitor.ask("GET", "/api/v1/pairs", headers={"Host": host}).status_code == 400


def test_vote_is_stored_with_what_was_seen(visitor: Visitor, session: "MemorySession") -> None:
    seen = {"shown_at": 1e9, "response_ms": 800.5, "hidden_ms": 0, "input": "touch", "viewport": "390x844@3"}
    answer = visitor.post("/api/v1/votes", vote(1, "both_bad", **seen))
    assert answer.status_code == 201
    assert answer.json()["votes"] == 1
    assert answer.json()["progress"]["learned"][0] == {"topic": "taste", "text": "Warm colours pull."}
    assert session.told == [{"query": 1, "choice": Choice.BOTH_BAD, **seen}]


def test_the_same_key_again_is_one_vote(visitor: Visitor, session: "MemorySession") -> None:
    answers = [visitor.post("/api/v1/votes", vote()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[2].json()["votes"] == 1
    assert len(session.told) == 1


def test_a_second_tab_hears_that_the_pair_was_answered(visitor: Visitor, session: "MemorySession") -> None:
    visitor.post("/api/v1/votes", vote())
    answer = visitor.post("/api/v1/votes", vote(1, "right"), key="other-tab")
    assert answer.status_code == 409
    assert answer.json() == {"error": "query 1 was answered already"}
    assert session.votes == {1: Choice.LEFT}


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Origin": "http://evil.example"}, "does not come from this page"),
        ({"Origin": ""}, "does not come from this page"),
        ({"Origin": "null"}, "does not come from this page"),
        ({"X-CSRF-Token": "guess"}, "reload it"),
        ({"X-CSRF-Token": ""}, "reload it"),
        ({"Cookie": "penchant=1"}, "open the address"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/votes", "/api/v1/undo", "/api/v1/finish"])
def test_requests_that_are_not_of_our_page_change_nothing(
    visitor: Visitor, session: "MemorySession", path: str, headers: dict[str, str], words: str
) -> None:
    if "Cookie" in headers:
        visitor.cookies.clear()
    answer = visitor.post(path, vote(), **headers)
    assert answer.status_code == 403
    assert words in answer.json()["error"]
    assert (session.told, session.undone) == ([], 0)


@pytest.mark.parametrize(
    "body",
    [
        vote(choice="centre"),
        vote(query=0),
        vote(query="one"),  # pyright: ignore[reportArgumentType]
        vote(response_ms=-1),
        vote(voter="someone else"),
        vote(input="telepathy"),
        vote(viewport="<script>"),
        {},
        [],
        None,
    ],
)
def test_a_vote_that_is_not_understood_is_refused(visitor: Visitor, session: "MemorySession", body: object) -> None:
    answer = visitor.post("/api/v1/votes", body)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("the request is not understood: ")
    assert session.told == []


@pytest.mark.parametrize("key", ["", "short", "x" * 101, "with space"])
def test_a_vote_needs_a_key(visitor: Visitor, session: "MemorySession", key: str) -> None:
    assert visitor.post("/api/v1/votes", vote(), key=key).status_code == 422
    assert session.told == []


@pytest.mark.parametrize(("failure", "status"), [(StorageFull("no room left"), 507), (StudyBusy("locked"), 503)])
def test_a_vote_that_was_not_stored_is_not_acknowledged(
    visitor: Visitor, session: "MemorySession", failure: Exception, status: int
) -> None:
    session.failure = failure
    answer = visitor.post("/api/v1/votes", vote())
    assert (answer.status_code, answer.json()) == (status, {"error": str(failure)})
    session.failure = None
    assert visitor.post("/api/v1/votes", vote()).json()["votes"] == 1


def test_undo_takes_back_once_for_each_key(visitor: Visitor, session: "MemorySession") -> None:
    for number in (1, 2):
        visitor.post("/api/v1/votes", vote(number), key=f"vote-number-{number}")
    for _ in range(2):
        answer = visitor.post("/api/v1/undo", key="undo-the-second")
        assert answer.json()["undone"] is True
        assert answer.json()["progress"]["votes"] == 1
    assert session.votes == {1: Choice.LEFT}
    pairs = visitor.ask("GET", "/api/v1/pairs").json()["pairs"]
    assert [pair["query"] for pair in pairs] == [2, 3, 4]


def test_pairs_are_the_open_ones_and_none_when_done(visitor: Visitor, session: "MemorySession") -> None:
    listed = visitor.ask("GET", "/api/v1/pairs?n=2").json()
    assert [pair["query"] for pair in listed["pairs"]] == [1, 2]
    assert listed["progress"]["done"] is False
    assert visitor.ask("GET", "/api/v1/pairs?n=99").status_code == 422
    session.wanted = 0
    assert visitor.ask("GET", "/api/v1/pairs").json()["pairs"] == []


def test_images_come_by_hash_and_never_by_path(visitor: Visitor, stranger: Visitor, session: "MemorySession") -> None:
    name = session.ask().left
    answer = visitor.ask("GET", f"/images/{name}")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "private, max-age=604800, immutable"
    assert answer.content == session.images[name]
    assert visitor.ask("GET", f"/images/{'0' * 64}").status_code == 404
    for path in ("../penchant.db", "%2e%2e%2fpenchant.db", name.upper(), name[:-1], "..%5c" + name):
        assert visitor.ask("GET", f"/images/{path}").status_code in (404, 422)
    for path in ("../_app.py", "%2e%2e/_app.py", "..%2f_app.py"):
        assert visitor.ask("GET", f"/static/{path}").status_code == 404
    visitor.cookies.clear()
    assert visitor.ask("GET", f"/images/{name}").status_code == 403


def test_finish_stops_only_when_all_votes_are_given(
    visitor: Visitor, session: "MemorySession", stopped: list[bool]
) -> None:
    assert visitor.post("/api/v1/finish").status_code == 409
    assert stopped == []
    session.wanted = 0
    assert visitor.post("/api/v1/finish").json() == {"finished": True}
    assert stopped == [True]


def test_text_from_the_study_is_never_markup(session: "MemorySession") -> None:
    access = Access(token="t" * 20, csrf='"><script>alert(1)</script>')
    page = Visitor(voting_app(session, access), access).enter().ask("GET", "/").text
    assert "<script>alert" not in page


def test_serve_ends_when_the_last_vote_is_given(served: Callable[[], Any], session: "MemorySession") -> None:
    session.wanted = 1
    running = served()
    assert running.address.startswith("http://127.0.0.1:")
    origin = running.address.split("/?")[0]
    with httpx.Client(follow_redirects=True, base_url=origin) as client:
        csrf = client.get(running.address).text.split('data-csrf="')[1].split('"')[0]
        headers = {"Origin": origin, "X-CSRF-Token": csrf, "Idempotency-Key": "the-only-vote"}
        answer = client.post("/api/v1/votes", json=vote(), headers=headers)
        assert answer.json()["progress"]["done"] is True
        client.post("/api/v1/finish", headers=headers)
    running.thread.join(10)
    assert running.result == [1]
