"""The security checklist of the studio that is not tested beside a feature: headers, cookies, limits, files, pickle."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import penchant
from penchant.store import NewEvent
from penchant.studio import Access, Studio
from penchant.studio._limits import RateLimit
from penchant.studio._server import LOOPBACK, _listen
from penchant.study import Study, StudySettings

ORIGIN = "http://127.0.0.1:8000"
PUBLIC = "https://studio.example.org"
PACKAGE = Path(penchant.__file__).parent


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study that nothing was learned for yet; what guards it needs no more."""
    settings = StudySettings.parse({"source": "pictures:100", "images": {"size": 28}}, "the test")
    with Study.create(tmp_path_factory.mktemp("security") / "study", settings) as study:
        yield study


def client(study: Study, access: Access | None = None, origin: str | None = None, enter: bool = True) -> TestClient:
    access = access or Access()
    studio = Studio(study, access, origin=origin)
    one = TestClient(studio.app, base_url=origin or ORIGIN, follow_redirects=False)
    if enter:
        one.get("/", params={"token": access.token})
        one.headers.update({"Origin": origin or ORIGIN, "X-CSRF-Token": access.csrf})
    return one


@pytest.mark.parametrize(
    "path", ["vote", "gallery", "taste", "runs", "leaderboard", "admin", "help", "label", "static/base.css",
             "api/v1/me", "api/v1/nowhere", "healthz", "images/" + "0" * 64],
)  # fmt: skip
def test_every_answer_has_the_headers(untrained: Study, path: str) -> None:
    for one in (client(untrained), client(untrained, enter=False)):
        headers = one.get(f"/{path}").headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_cookies_are_for_the_browser_alone_and_secure_where_the_address_is(untrained: Study) -> None:
    access = Access()
    for origin, secure in ((None, False), (PUBLIC, True)):
        studio = client(untrained, access, origin)
        entered = studio.get("/", params={"token": access.token})
        link = studio.post("/api/v1/invites", json={"voter": "anna", "days": 1}).json()["link"]
        assert link.startswith(origin or ORIGIN)
        invited = client(untrained, access, origin, enter=False).get("/?" + link.partition("?")[2])
        for answer in (entered, invited):
            cookie = next(one for one in answer.headers.get_list("set-cookie") if "Max-Age=0" not in one)
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
            assert ("Secure" in cookie) == secure
        assert "Max-Age=86" in invited.headers["set-cookie"]


def test_other_hosts_are_refused_and_the_public_one_is_not(untrained: Study) -> None:
    studio = client(untrained, origin=PUBLIC)
    for host, status in (("studio.example.org", 200), ("127.0.0.1:8000", 200), ("evil.example", 400),
                         ("studio.example.org.evil.example", 400), ("", 400)):  # fmt: skip
        assert studio.get("/healthz", headers={"Host": host}).status_code == status


def test_who_asks_too_much_waits(untrained: Study) -> None:
    access = Access()
    limited = Studio(untrained, access)
    limited._shared.visitors._requests = RateLimit(burst=3, a_second=0.1)
    guest = TestClient(limited.app, base_url=ORIGIN, headers={"Authorization": f"Bearer {access.token}"})
    answers = [guest.get("/api/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 9 <= int(answers[3].headers["retry-after"]) <= 11


def test_guessing_links_is_slow(untrained: Study) -> None:
    studio = client(untrained, enter=False)
    guesses = [studio.get("/", params={"invite": f"guess-{number}"}).status_code for number in range(11)]
    assert guesses == [403] * 10 + [429]
    assert studio.get("/", params={"token": "guess"}).status_code == 429


def test_a_large_request_is_refused_before_it_is_read(untrained: Study) -> None:
    studio, before = client(untrained), len(untrained.store.events())
    for body in (b" " * 65_537, iter([b" " * 40_000, b" " * 40_000])):
        answer = studio.post("/api/v1/invites", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    assert len(untrained.store.events()) == before


def test_files_of_the_study_are_nowhere_to_be_had(untrained: Study) -> None:
    studio = client(untrained)
    name = "0" * 64
    (untrained.path / name).write_bytes(b"a file with the name of an image")
    (untrained.path / "linked").symlink_to(untrained.path / "study.toml")
    for path in (
        "studio.json", "study.toml", "linked", f"images/{name}", "images/..%2fstudy.toml", "images/%2e%2e/study.toml",
        "images/../study.toml", f"images/{name}%2f..%2fstudy.toml", "images/..%5cstudy.toml", "static/../_access.py",
        "static/%2e%2e/_access.py", "static/..%2f_access.py", "static/%2e%2e%2f%2e%2e%2fstudio%2f_access.py",
        "static../static/base.css", "static/", "static//etc/passwd", "static/%00",
    ):  # fmt: skip
        assert studio.get(f"/{path}").status_code in (404, 405, 422), path


def test_nothing_is_uploaded_and_only_json_is_read(untrained: Study) -> None:
    document = client(untrained).get("/api/v1/openapi.json").json()
    read = {
        kind
        for methods in document["paths"].values()
        for operation in methods.values()
        for kind in operation.get("requestBody", {}).get("content", {})
    }
    assert read == {"application/json"}
    form = client(untrained).post("/api/v1/invites", data={"voter": "anna"})
    assert form.status_code in (400, 422)


def test_it_listens_on_this_machine_only() -> None:
    listener = _listen(0)
    try:
        assert listener.getsockname()[0] == LOOPBACK == "127.0.0.1"
    finally:
        listener.close()


def test_text_in_the_log_is_not_markup(untrained: Study) -> None:
    untrained.store.append(NewEvent("vote_note", "<script>alert(1)</script>", "session", payload={"note": "<b>"}))
    page = client(untrained).get("/admin").text
    assert "<script>alert" not in page


_PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def test_nothing_is_unpickled_or_evaluated() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {name.name.partition(".")[0] for name in node.names} & _PICKLES, path
            if isinstance(node, ast.ImportFrom):
                taken = {name.name for name in node.names}
                assert (node.module or "").partition(".")[0] not in _PICKLES or taken == {"UnpicklingError"}, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                given = {one.arg: ast.unparse(one.value) for one in node.keywords}
                assert called not in ("eval", "exec", "yaml.load"), f"{path}: {called}"
                assert called != "torch.load" or given.get("weights_only") == "True", path
                assert given.get("allow_pickle", "False") == "False", f"{path}: {called}"


def test_libraries_with_known_holes_are_not_let_in() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {"pillow>=12.2", "starlette>=1.3.1"} <= set(project["dependencies"])
