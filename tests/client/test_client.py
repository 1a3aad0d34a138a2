"""The client against a studio that is really served, and what it does where nobody answers, or not at once."""

import csv
import doctest
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from penchant import Study, StudySettings
from penchant.client import (
    AlignmentWork,
    Client,
    Invitation,
    Me,
    Pair,
    Pull,
    Refused,
    Sorted,
    Taste,
    Unreachable,
    _client,
    _connection,
)
from penchant.core.errors import BadConfiguration
from penchant.studio import served

SETTINGS = {
    "source": "pictures:300",
    "images": {"size": 28},
    "pool": 60,
    "train_seconds": 1,
    "aligner": "latent_tilt(steps=4, batch=8)",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("client") / "study"
    with Study.create(folder, StudySettings.parse(SETTINGS, "the test")) as study:
        study.train()
        with served(study, votes=1000) as address:
            yield SimpleNamespace(study=study, address=address, origin=address.partition("/?")[0])


@pytest.fixture
def studio(opened: SimpleNamespace) -> Client:
    return Client(opened.address)


def test_votes_are_given_taken_back_and_learned_from(studio: Client, opened: SimpleNamespace) -> None:
    with pytest.raises(Refused, match="no votes yet") as refused:
        studio.taste()
    assert refused.value.status == 409
    pair = studio.next_pair()
    assert pair is not None
    assert pair == studio.next_pair()
    assert Image.open(BytesIO(studio.image(pair.left))).size == (28, 28)
    voted = studio.vote(pair, "left", response_ms=812.5)
    assert voted.votes == 1
    assert opened.study.store.votes("human")[-1].response_ms == 812.5
    with pytest.raises(Refused, match="answered") as refused:
        studio.vote(pair, "right")
    assert refused.value.status == 409
    assert (studio.undo(), studio.undo()) == (True, False)
    assert studio.next_pair() == pair
    again = studio.vote(pair, "right")
    studio.retract(again)
    following = studio.pairs(3)
    assert following[0] == pair
    for one in following:
        studio.vote(one.query, "left")
    assert studio.standing().votes == 3
    taste = studio.taste()
    assert taste.votes == 3
    assert 0.5 <= taste.accuracy <= 1
    assert taste.pulls
    assert taste.most[0].startswith("1-")
    assert taste.sentence


def test_the_owner_sees_likes_labels_invites_and_exports(
    studio: Client, opened: SimpleNamespace, tmp_path: Path
) -> None:
    assert studio.healthy()
    assert studio.me().owner
    page = studio.gallery("latest")
    assert (page.version, page.rows[:3], page.count) == (1, (0, 1, 2), 60)
    assert Image.open(BytesIO(studio.candidate(1, 7))).size == (28, 28)
    studio.like("1-7")
    assert studio.likes() == ["1-7"]
    assert studio.gallery(order="liked").rows == (7,)
    studio.like("1-7", liked=False)
    assert studio.likes() == []
    first, second = studio.images_to_label(2)
    assert Image.open(BytesIO(studio.real_image(first))).size == (28, 28)
    assert studio.label(first, "reject") == Sorted(0, 1, len(opened.study.images.train) - 1)
    assert studio.images_to_label(1) == studio.images_to_label(1, after=first) == [second]
    guest = Client(studio.invite("anna", days=1, votes=1))
    assert guest.me() == Me("anna", False, 0, 1, guest.me().expires_at, True)
    pair = guest.next_pair()
    assert pair is not None
    guest.vote(pair, "tie")
    with pytest.raises(Refused, match="only who owns the study") as refused:
        guest.taste()
    assert refused.value.status == 403
    with pytest.raises(Refused) as refused:
        guest.vote(opened.study.ask("anna").number, "left")
    assert refused.value.status == 429
    (invite,) = studio.invites()
    assert (invite.voter, invite.votes, invite.quota, invite.revoked) == ("anna", 1, 1, False)
    studio.revoke(invite)
    rows = studio.export(tmp_path / "votes.csv")
    with (tmp_path / "votes.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == rows > 0
    studio.export(tmp_path / "votes.jsonl", "chosen-rejected")
    with pytest.raises(BadConfiguration, match=r"\.csv, \.jsonl or \.parquet"):
        studio.export(tmp_path / "votes.xlsx")


def test_a_blend_is_aligned_to_and_waited_for(studio: Client, opened: SimpleNamespace) -> None:
    for one in studio.pairs(4):
        studio.vote(one, "left")
    with pytest.raises(Refused, match="nobody"):
        studio.align(of={"nobody": 1})
    with pytest.raises(Refused, match="above zero"):
        studio.align(of={"human": 0})
    assert studio.align(2, of="human").running
    with pytest.raises(Refused) as refused:
        studio.train()
    assert refused.value.status == 503
    ended = studio.wait(300)
    assert (ended.error, ended.version) == ("", 2)
    version = opened.study.versions.named(2)
    assert (version.figures["of"], version.figures["asked"]) == ({"human": 1.0}, 2)


def test_fields_are_those_of_the_documented_answers(studio: Client, opened: SimpleNamespace) -> None:
    schemas = json.loads(studio._connection.ask("GET", "/api/v1/openapi.json").body)["components"]["schemas"]
    named = {
        "Me": Me,
        "Pair": Pair,
        "PullShown": Pull,
        "TasteShown": Taste,
        "InviteShown": Invitation,
        "SortedSoFar": Sorted,
    }
    for name, kind in named.items():
        assert {field.name for field in fields(kind)} <= set(schemas[name]["properties"]), name
    assert {field.name for field in fields(AlignmentWork)} <= set(studio._get("/api/v1/work"))


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8000", "http://127.0.0.1:8000/", "file:///etc/passwd?token=x", "ftp://h/?token=secret"]
)
def test_an_address_that_is_none_is_told_without_its_secret(address: str) -> None:
    with pytest.raises(BadConfiguration, match="the address that the studio printed") as refused:
        Client(address)
    assert "secret" not in str(refused.value)


def test_a_wrong_token_or_invitation_is_refused(opened: SimpleNamespace) -> None:
    with pytest.raises(Refused, match="printed when the studio began"):
        Client(f"{opened.origin}/?token=guessed").me()
    with pytest.raises(Refused, match="wrong, has expired or was taken back"):
        Client(f"{opened.origin}/?invite=guessed")


class _Moody(BaseHTTPRequestHandler):
    """Stores what is sent, and answers the first requests for it with nothing at all, or that it is busy."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server: Any = self.server
        server.keys.append(self.headers["Idempotency-Key"])
        mood = server.moods.pop(0) if server.moods else 200
        if mood == 0:
            self.close_connection = True
            return
        body = json.dumps({"undone": True, "error": "busy"}).encode()
        self.send_response(mood)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(_connection, "_FIRST_WAIT", 0.01)
    server: Any = HTTPServer(("127.0.0.1", 0), _Moody)
    server.keys, server.moods = [], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_had_no_answer_is_sent_again_under_the_same_key(moody: Any) -> None:
    moody.moods = [0, 503]
    assert Client(f"http://127.0.0.1:{moody.server_port}/?token=x").undo()
    assert len(moody.keys) == 3
    assert len(set(moody.keys)) == 1


def test_giving_up_says_what_is_wrong(moody: Any) -> None:
    client = Client(f"http://127.0.0.1:{moody.server_port}/?token=x", timeout=5)
    moody.moods = [0] * 10
    with pytest.raises(Unreachable, match="is it still running"):
        client.undo()
    moody.moods, moody.keys = [409], []
    with pytest.raises(Refused, match="busy"):
        client.undo()
    assert len(moody.keys) == 1, "what contradicts is not sent again"


def test_the_docstring_example_runs() -> None:
    found = doctest.testmod(_client)
    assert (found.failed, found.attempted > 5) == (0, True)


def test_the_client_loads_nothing_heavy() -> None:
    code = "import sys, penchant.client; print([name for name in ('torch', 'numpy', 'fastapi') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
