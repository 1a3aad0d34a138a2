"""The JSON API of a study that many vote on: what is promised to pages, programs and people."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from penchant.studio import Access, SharedStudy, api_app
from penchant.studio._limits import RateLimit
from penchant.study import Study

ORIGIN = "http://127.0.0.1:8000"


class Browser:
    """Keeps cookies and sends what a page of ours would send."""

    def __init__(self, app: FastAPI, address: str = ""):
        self.app, self.cookies, self.keys = app, httpx.Cookies(), 0
        self.headers: dict[str, str] = {}
        if address:
            assert self.ask("GET", address).status_code == 303
            self.headers = {"Origin": ORIGIN, "X-CSRF-Token": self.ask("GET", "/api/v1/me").json()["csrf"]}

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, cookies=self.cookies) as client:
                response = await client.request(method, path, **request)
                self.cookies.update(client.cookies)
                return response

        return asyncio.run(send())

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def do(self, method: str, path: str, body: object = None, key: str = "", **headers: str) -> httpx.Response:
        self.keys += 1
        sent = {**self.headers, "Idempotency-Key": key or f"key-{self.keys:08d}", **headers}
        return self.ask(method, path, json=body, headers={name: value for name, value in sent.items() if value})

    def vote(self, choice: str = "left", query: int | None = None, key: str = "") -> httpx.Response:
        query = query or self.get("/api/v1/pairs?n=1")["pairs"][0]["query"]
        return self.do("POST", "/api/v1/votes", {"query": query, "choice": choice}, key)


@pytest.fixture
def shared(study: Study) -> SharedStudy:
    return SharedStudy(study)


@pytest.fixture
def app(shared: SharedStudy) -> FastAPI:
    return api_app(shared)


@pytest.fixture
def owner(app: FastAPI, shared: SharedStudy) -> Browser:
    return Browser(app, f"/?token={shared.access.token}")


def invited(app: FastAPI, owner: Browser, voter: str = "anna", **terms: object) -> Browser:
    made = owner.do("POST", "/api/v1/invites", {"voter": voter, **terms})
    assert made.status_code == 201, made.text
    return Browser(app, made.json()["link"].removeprefix(ORIGIN))


def test_one_vote_is_one_vote_however_often_it_is_sent(owner: Browser, study: Study) -> None:
    first, second = (pair["query"] for pair in owner.get("/api/v1/pairs?n=2")["pairs"])
    new = owner.vote("left", first, "the-same-key")
    again = owner.vote("left", first, "the-same-key")
    other = owner.vote("right", first, "the-same-key")
    double = owner.vote("left", first, "another-key")
    elsewhere = owner.vote("left", second, "the-same-key")
    assert [answer.status_code for answer in (new, again, other, double, elsewhere)] == [201, 200, 409, 409, 409]
    assert new.json()["id"] == again.json()["id"] == study.store.votes()[0].seq
    assert new.json()["votes"] == again.json()["votes"] == 1
    assert "another choice" in other.json()["error"]


def test_a_vote_taken_back_is_asked_again_first(owner: Browser, study: Study) -> None:
    pairs = owner.get("/api/v1/pairs?n=3")["pairs"]
    vote = owner.vote("left", pairs[0]["query"]).json()["id"]
    assert owner.get("/api/v1/pairs?n=2")["pairs"] == pairs[1:]
    taken = owner.do("POST", f"/api/v1/votes/{vote}/retract", key="take-it-back")
    again = owner.do("POST", f"/api/v1/votes/{vote}/retract", key="take-it-back")
    assert (taken.status_code, again.status_code) == (201, 200)
    assert taken.json() == again.json()
    assert taken.json()["query"] == pairs[0]["query"]
    assert owner.get("/api/v1/pairs?n=3")["pairs"] == pairs
    assert owner.do("POST", f"/api/v1/votes/{vote}/retract").status_code == 409
    assert owner.vote("right", pairs[0]["query"]).status_code == 201
    assert [vote.choice for vote in study.store.votes()] == ["right"]


def test_undo_takes_back_one_vote_a_key(owner: Browser, study: Study) -> None:
    assert owner.do("POST", "/api/v1/undo").json()["undone"] is False
    owner.vote()
    owner.vote()
    assert [owner.do("POST", "/api/v1/undo", key="one-undo-key").json()["undone"] for _ in range(2)] == [True, True]
    assert len(study.store.votes()) == 1


def test_what_was_acknowledged_is_learned_before_the_next_pair(owner: Browser, study: Study) -> None:
    for _ in range(6):
        assert owner.vote().status_code == 201
    assert len(study.taste.votes) == 5  # nothing is learned while a vote is acknowledged
    owner.get("/api/v1/pairs?n=1")
    assert len(study.taste.votes) == 6
    replayed = study.untaught_taste()
    replayed.replay(study.store.events())
    assert replayed.hash == study.taste.hash


def test_likes_are_kept_and_taken_back_once(owner: Browser, study: Study) -> None:
    image = owner.get("/api/v1/pairs?n=1")["pairs"][0]["left"]
    assert owner.do("PUT", f"/api/v1/likes/{image}").json() == {"image": image, "liked": True}
    assert owner.do("PUT", f"/api/v1/likes/{image}").status_code == 200
    assert owner.do("PUT", "/api/v1/likes/1-8").status_code == 200
    version, row = study.store.image_place(image) or (0, 0)
    assert owner.get("/api/v1/likes")["likes"] == [f"{version}-{row}", "1-8"]
    assert owner.do("DELETE", f"/api/v1/likes/{image}").json() == {"image": image, "liked": False}
    assert owner.do("DELETE", f"/api/v1/likes/{image}").status_code == 200
    assert owner.get("/api/v1/likes")["likes"] == ["1-8"]
    assert [owner.do("PUT", f"/api/v1/likes/{name}").status_code for name in ("f" * 64, "9-1", "1-9999", "..")] == [
        404, 404, 409, 404,
    ]  # fmt: skip


def test_signals_are_recorded_as_themselves_and_teach_nothing(owner: Browser, study: Study) -> None:
    events = [
        {"key": f"signal-{number}", "kind": kind, "image": "1-3", "ms": 1200.5}
        for number, kind in enumerate(("dwell", "zoom", "download", "revisit"))
    ]
    owner.vote()
    before = (owner.get("/api/v1/pairs"), study.taste.hash)[1]
    answer = owner.do("POST", "/api/v1/events", {"events": events})
    assert (answer.status_code, answer.json()) == (202, {"recorded": 4})
    kept = study.store.events(kinds=("dwell", "zoom", "download", "revisit"))
    assert (kept[0].kind, kept[0].payload["ms"], kept[0].voter, len(kept)) == ("dwell", 1200.5, "human", 4)
    owner.get("/api/v1/pairs")
    assert study.taste.hash == before
    assert owner.do("POST", "/api/v1/events", {"events": [{**events[0], "kind": "wink"}]}).status_code == 422


def test_a_closing_page_may_send_its_token_in_the_body(owner: Browser) -> None:
    beacon = {"events": [{"key": "signal-1", "kind": "zoom", "image": "1-3"}], "csrf": owner.headers["X-CSRF-Token"]}
    send = {"X-CSRF-Token": "", "Idempotency-Key": ""}
    assert owner.do("POST", "/api/v1/events", beacon, **send).status_code == 202
    assert owner.do("POST", "/api/v1/events", {**beacon, "csrf": "guess"}, **send).status_code == 403
    assert owner.do("POST", "/api/v1/events", beacon, **send, Origin="https://evil.example").status_code == 403


@pytest.mark.parametrize("form", ["votes", "pick-a-pic", "chosen-rejected"])
def test_exports_say_what_they_leave_out(owner: Browser, form: str) -> None:
    for choice in ("left", "tie", "right", "skip", "both_bad"):
        owner.vote(choice)
    kept = 2 if form == "chosen-rejected" else 5
    for container in ("csv", "jsonl", "parquet"):
        answer = owner.ask("GET", f"/api/v1/export.{container}?form={form}")
        assert answer.status_code == 200
        assert (answer.headers["X-Rows"], answer.headers["X-Left-Out"]) == (str(kept), str(5 - kept))
        assert _rows(container, answer.content) == kept
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{form}.{container}"'


def _rows(container: str, content: bytes) -> int:
    if container == "parquet":
        from pyarrow import parquet

        return parquet.read_table(io.BytesIO(content)).num_rows
    lines = content.decode().splitlines()
    return len(list(csv.DictReader(lines))) if container == "csv" else len([json.loads(line) for line in lines])


def test_health_and_metrics_count_what_happened(owner: Browser, app: FastAPI, shared: SharedStudy) -> None:
    owner.vote()
    owner.ask("GET", "/api/v1/nothing-here")
    stranger = Browser(app)
    assert stranger.get("/healthz") == {"status": "ok"}
    assert stranger.ask("GET", "/metrics").status_code == 403
    said = stranger.ask("GET", "/metrics", headers={"Authorization": f"Bearer {shared.access.token}"}).text
    assert 'penchant_events{kind="vote"} 1\n' in said
    assert 'penchant_requests_total{method="POST",route="/api/v1/votes",status="201"} 1\n' in said
    assert 'penchant_request_seconds_count{route="/api/v1/votes"} 1\n' in said
    assert 'route="other",status="404"} 1\n' in said
    assert "nothing-here" not in said


def test_health_says_that_the_database_is_gone(app: FastAPI, study: Study) -> None:
    study.store.close()
    for file in study.path.glob("penchant.db*"):
        file.unlink()
    (study.path / "penchant.db").write_bytes(b"this is no database, and long enough to be seen as none")
    answer = Browser(app).ask("GET", "/healthz")
    assert answer.status_code == 503
    assert "not a database" in answer.json()["error"]


# --------------------------------------------------------------------------------------------------- many voters


def test_an_invitation_lets_one_voter_in_until_it_is_taken_back(app: FastAPI, owner: Browser, study: Study) -> None:
    anna = invited(app, owner)
    me = anna.get("/api/v1/me")
    assert (me["voter"], me["owner"], me["quota"]) == ("anna", False, None)
    anna.vote("left")
    owner.vote("right")
    assert [(vote.voter, vote.choice) for vote in study.store.votes()] == [("anna", "left"), ("human", "right")]
    listed = owner.get("/api/v1/invites")["invites"]
    assert [(one["voter"], one["votes"], one["revoked"]) for one in listed] == [("anna", 1, False)]
    owner.do("POST", f"/api/v1/invites/{listed[0]['id']}/revoke")
    assert anna.ask("GET", "/api/v1/me").status_code == 403
    assert anna.vote("left", 1).status_code == 403
    assert owner.get("/api/v1/invites")["invites"][0]["revoked"] is True
    assert owner.do("POST", "/api/v1/invites/999/revoke").status_code == 404


def test_an_invitation_ends_by_its_day_and_by_its_votes(app: FastAPI, owner: Browser, shared: SharedStudy) -> None:
    anna = invited(app, owner, votes=2, days=1)
    queries = [pair["query"] for pair in anna.get("/api/v1/pairs")["pairs"]]
    assert len(queries) == 2
    assert anna.vote("left", queries[0], "vote-one").status_code == 201
    assert anna.vote("left", queries[1], "vote-two").json()["progress"]["done"] is True
    assert anna.vote("left", 1, "vote-three").status_code == 429
    assert anna.vote("left", queries[1], "vote-two").status_code == 200  # a lost reply, sent again
    assert anna.get("/api/v1/pairs")["pairs"] == []
    now = shared.invites.now()
    shared.invites.now = lambda: now + 86_401
    assert anna.ask("GET", "/api/v1/me").status_code == 403


def test_voters_see_and_take_back_only_what_is_theirs(app: FastAPI, owner: Browser, study: Study) -> None:
    anna, ben = invited(app, owner), invited(app, owner, "ben")
    vote = anna.vote().json()["id"]
    anna.do("PUT", "/api/v1/likes/1-2")
    assert ben.do("POST", f"/api/v1/votes/{vote}/retract").status_code == 409
    assert ben.do("POST", "/api/v1/undo").json()["undone"] is False
    assert ben.get("/api/v1/likes")["likes"] == []
    claimed = ben.do("POST", "/api/v1/votes", {"query": 1, "choice": "left", "voter": "anna"})
    assert claimed.status_code == 422
    for method, path in (
        ("GET", "/api/v1/invites"), ("GET", "/api/v1/audit"), ("GET", "/api/v1/voters"), ("GET", "/metrics"),
        ("GET", "/api/v1/export.csv"), ("POST", "/api/v1/invites"), ("POST", "/api/v1/invites/1/revoke"),
    ):  # fmt: skip
        assert ben.do(method, path, {"voter": "eve"}).status_code == 403, path
    assert [vote.voter for vote in study.store.votes()] == ["anna"]


def test_secrets_are_nowhere_in_the_study(app: FastAPI, owner: Browser, study: Study) -> None:
    made = owner.do("POST", "/api/v1/invites", {"voter": "anna"}).json()
    token = made["link"].partition("invite=")[2]
    anna = Browser(app, made["link"].removeprefix(ORIGIN))
    secrets = [token, *(cookie.value for cookie in anna.cookies.jar if cookie.value)]
    assert len(secrets) == 2
    assert all(len(secret) >= 43 for secret in secrets)  # 256 bits
    kept = b"".join(path.read_bytes() for path in study.path.glob("penchant.db*"))
    assert not [secret for secret in secrets if secret.encode() in kept]


def test_the_audit_log_says_what_happened_without_secrets(app: FastAPI, owner: Browser) -> None:
    anna = invited(app, owner, votes=9)
    anna.vote("tie")
    log = owner.get("/api/v1/audit?limit=2")
    log["events"] += owner.get(f"/api/v1/audit?after={log['next']}")["events"]
    assert [line["text"] for line in log["events"]] == [
        "was invited for 9 votes",
        f"came in by invitation {log['events'][0]['seq']}",
        "answered query 1: Equal",
    ]
    assert "sha256" not in json.dumps(log)


def test_voters_figures_are_those_of_their_votes(app: FastAPI, owner: Browser) -> None:
    anna = invited(app, owner)
    for browser, choice, count in ((anna, "left", 4), (owner, "right", 2)):
        for _ in range(count):
            browser.vote(choice)
    figures = {one["voter"]: one for one in owner.get("/api/v1/voters")["voters"]}
    assert {voter: one["votes"] for voter, one in figures.items()} == {"anna": 4, "human": 2}
    assert figures["anna"]["left"]["value"] == 1.0
    assert figures["human"]["left"]["value"] == 0.0


# ------------------------------------------------------------------------------------------- OpenAPI, made-up input

_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
_FLAT = _PLAIN | st.lists(_PLAIN, max_size=3) | st.dictionaries(st.text(max_size=10), _PLAIN, max_size=3)
_JSON = _FLAT | st.lists(_FLAT, max_size=3) | st.dictionaries(st.text(max_size=10), _FLAT, max_size=3)
_WORDS = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.sampled_from(["1", "1-3", "csv", "0" * 64, "..", "%2e%2e", "votes"]),
)


@pytest.fixture(scope="module")
def described(
    trained_folder: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Browser, dict[str, Any]]]:
    from shutil import copytree

    with Study.open(copytree(trained_folder, tmp_path_factory.mktemp("described") / "study")) as study:
        shared = SharedStudy(study, Access(), requests=RateLimit(1e9, 1e9))
        app = api_app(shared)
        owner = Browser(app, f"/?token={shared.access.token}")
        owner.vote()
        yield owner, owner.get("/api/v1/openapi.json")


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_is_one_that_the_description_promises(
    described: tuple[Browser, dict[str, Any]], data: st.DataObject
) -> None:
    owner, document = described
    path, methods = data.draw(st.sampled_from(sorted(document["paths"].items(), key=lambda item: item[0])))
    method, operation = data.draw(st.sampled_from(sorted(methods.items(), key=lambda item: item[0])))
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    for parameter in operation.get("parameters", []):
        name, value = parameter["name"], data.draw(_value(parameter["schema"], document))
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", httpx.URL("http://x", params={"v": value}).query.decode()[2:])
        elif parameter["in"] == "query":
            params[name] = str(value)
        else:
            headers[name] = "".join(letter for letter in str(value) if 32 <= ord(letter) < 127).strip()
    body = None
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = data.draw(_JSON | _object(_resolved(schema, document), document))
    answer = owner.ask(
        method.upper(), path, params=params, json=body, headers={**owner.headers, "Idempotency-Key": "k" * 9, **headers}
    )
    said = operation["responses"].get(str(answer.status_code))
    if answer.status_code in (404, 405) and said is None:
        return  # what was made up led to another address, or to none
    assert answer.status_code != 500, answer.text
    assert said is not None, f"{method} {path} answered {answer.status_code}, which is not described: {answer.text}"
    if "application/json" in answer.headers["content-type"]:
        schema = said["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _value(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Something that fits, mostly; or something that does not."""
    return st.one_of(_fitting(_resolved(schema, document), document), _WORDS)


def _fitting(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "anyOf" in schema:
        return st.one_of([_fitting(_resolved(one, document), document) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    match schema.get("type"):
        case "integer":
            return st.integers(int(schema.get("minimum", 0)), min(int(schema.get("maximum", 9)), 2**53)) | st.just(1)
        case "number":
            return st.floats(0, 1e9)
        case "array":
            return st.lists(_object(_resolved(schema["items"], document), document), max_size=2)
        case "string":
            return st.text(min_size=1, max_size=30)
        case _:
            return st.none()


def _object(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = schema.get("properties", {})
    needed = {name: _value(names[name], document) for name in schema.get("required", [])}
    others = {name: _value(one, document) for name, one in names.items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=others)
