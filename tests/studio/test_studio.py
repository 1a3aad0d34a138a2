"""The studio over a real study: every page, the gallery's images, likes, the work that goes on meanwhile."""

import io
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from penchant.data import to_uint8
from penchant.metrics import Agreement, win_rate
from penchant.studio import Access, Studio
from penchant.studio._compare import verdict
from penchant.studio._texts import languages
from penchant.study import Study, StudySettings
from penchant.study.comparing import Result, result
from penchant.study.labels import rejected_rows
from penchant.study.making import Desk, command

PLACES = ("vote", "gallery", "taste", "label", "runs", "leaderboard", "admin", "help")


class Visitor:
    """A browser that was let in."""

    def __init__(self, study: Study, votes: int = 5):
        self.access = Access()
        self.studio = Studio(study, self.access, votes)
        self.client = TestClient(self.studio.app, base_url="http://127.0.0.1:8000")

    def __enter__(self) -> "Visitor":
        self.client.__enter__()
        self.client.get("/", params={"token": self.access.token}, follow_redirects=False)
        return self

    def __exit__(self, *_: object) -> None:
        self.studio.close()
        self.client.__exit__()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        own = {
            "Origin": "http://127.0.0.1:8000",
            "X-CSRF-Token": self.access.csrf,
            "Idempotency-Key": f"k{time.time_ns()}",
        }
        return self.client.request(method, path, json=body, headers={**own, **headers}, follow_redirects=False)

    def vote(self) -> dict[str, object]:
        pair = self.ask("GET", "/api/v1/pairs").json()["pairs"][0]
        return self.ask("POST", "/api/v1/votes", {"query": pair["query"], "choice": "left"}).json()

    def finished(self) -> dict[str, object]:
        for _ in range(2400):  # other work may share the processor
            state = self.ask("GET", "/api/v1/work").json()
            if not state["running"]:
                return state
            time.sleep(0.05)
        raise AssertionError("the work did not end")


def new_study(folder: Path) -> Study:
    settings = {
        "source": "pictures:300",
        "images": {"size": 28},
        "pool": 60,
        "train_seconds": 1,
        "aligner": "latent_tilt(steps=5, batch=8)",
    }
    return Study.create(folder / "study", StudySettings.parse(settings, "the test"))


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Trained, ten votes, aligned."""
    with new_study(tmp_path_factory.mktemp("studio")) as study:
        study.train()
        for _ in range(10):
            study.tell(study.ask().number, "left", voter="human")
        study.align(6)
        yield study


@pytest.fixture
def visitor(aligned: Study) -> Iterator[Visitor]:
    with Visitor(aligned) as one:
        yield one


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("place", PLACES)
def test_every_page_speaks_every_language(visitor: Visitor, place: str, language: str) -> None:
    page = visitor.ask("GET", f"/{place}", **{"Accept-Language": f"xx, {language}-Region;q=0.8, en;q=0.1"})
    assert page.status_code == 200
    assert f'lang="{language}' in page.text
    assert f">{languages()[language](f'nav.{place}')}</a>" in page.text
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page.text), "inline scripts or styles"


def test_languages_have_the_same_texts_and_places() -> None:
    places = {
        code: {
            f"{table}.{key}": set(re.findall(r"\{\w+\}", text))
            for table, texts in one.tables.items()
            if table not in {"words", "sentences"}  # in English the study and its features say these themselves
            for key, text in texts.items()
        }
        for code, one in languages().items()
    }
    assert places["en"] == places["zh"]


def test_the_switch_is_remembered_and_leads_back(visitor: Visitor) -> None:
    switched = visitor.ask("GET", "/language/zh?back=/taste")
    assert switched.headers["location"] == "/taste"
    assert 'lang="zh-Hans"' in visitor.ask("GET", "/taste", **{"Accept-Language": "en"}).text
    assert visitor.ask("GET", "/language/zh?back=https://elsewhere.example").headers["location"] == "/"
    assert visitor.ask("GET", "/language/xx").status_code == 422


@pytest.mark.parametrize(
    "place", [*PLACES, "gallery/strip.png?version=1&row=0&best_of=1", "api/v1/work", "api/v1/gallery"]
)
def test_nobody_else_is_let_in(aligned: Study, place: str) -> None:
    stranger = TestClient(Studio(aligned).app, base_url="http://127.0.0.1:8000")
    assert stranger.get(f"/{place}").status_code == 403


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/work/align"), ("PUT", "/api/v1/likes/1-0"), ("POST", "/api/v1/round/more")]
)
def test_changes_need_the_page(visitor: Visitor, aligned: Study, method: str, path: str) -> None:
    before = len(aligned.store.events())
    assert visitor.ask(method, path, {}, **{"X-CSRF-Token": "guessed"}).status_code == 403
    assert visitor.ask(method, path, {}, Origin="http://elsewhere.example").status_code == 403
    assert len(aligned.store.events()) == before


def test_strips_show_the_same_latents_at_every_strength(visitor: Visitor, aligned: Study) -> None:
    listed = visitor.ask("GET", "/api/v1/gallery").json()
    assert listed["strengths"] == [1, 2, 3, 4, 6]
    assert listed["rows"] == list(range(24))
    strips = {}
    for strength in listed["strengths"]:
        png = visitor.ask("GET", f"/gallery/strip.png?version=2&row=3&row=7&best_of={strength}").content
        strips[strength] = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)
    pool = aligned.versions.pool(2)
    assert np.array_equal(strips[6][:, 28:].transpose(2, 0, 1), pool.images[7])
    latents = aligned.generator("base").decode(torch.tensor(np.asarray(pool.latents[3:4])))
    assert np.abs(strips[1][:, :28].transpose(2, 0, 1) - to_uint8(latents.detach())[0]).max() <= 1
    moved = [np.abs(strips[strength] - strips[1]).mean() for strength in (2, 4, 6)]
    assert 0 < moved[0] <= moved[2]  # equal where a tilt of few steps moves fewer than a byte


def test_what_is_not_there_is_said(visitor: Visitor) -> None:
    for path in (
        "version=2&row=60&best_of=1",
        "version=9&row=0&best_of=1",
        "version=2&row=0&best_of=5",
        "version=2&row=0&best_of=nan",
    ):
        refused = visitor.ask("GET", f"/gallery/strip.png?{path}")
        assert refused.status_code == 422
        assert len(refused.json()["error"]) > 20
    page = visitor.ask("GET", "/nowhere", Accept="text/html")
    assert page.status_code == 404
    assert "<h1>There is no such page</h1>" in page.text


def test_likes_are_stored_once_and_taken_back(visitor: Visitor, aligned: Study) -> None:
    for _ in range(2):
        assert visitor.ask("PUT", "/api/v1/likes/2-5").json() == {"image": "2-5", "liked": True}
    assert [(one.pool, one.row) for one in aligned.taste.singles.values()] == [(2, 5)]
    assert visitor.ask("GET", "/api/v1/gallery?order=liked").json()["rows"] == [5]
    for _ in range(2):
        assert visitor.ask("DELETE", "/api/v1/likes/2-5").json()["liked"] is False
    assert aligned.taste.singles == {}
    assert visitor.ask("PUT", "/api/v1/likes/2-60").status_code == 409
    assert visitor.ask("PUT", "/api/v1/likes/..").status_code in (404, 405, 409)


def test_by_taste_is_the_order_of_the_belief(visitor: Visitor, aligned: Study) -> None:
    rows = visitor.ask("GET", "/api/v1/gallery?order=best").json()["rows"]
    means = aligned.taste.posterior.mean(np.asarray(aligned.pool(2).features, dtype=np.float64))
    assert means[rows[0]] == means.max()
    assert (np.diff(means[rows]) <= 0).all()


def test_a_candidate_is_saved_under_a_name_that_says_what_it_is(visitor: Visitor) -> None:
    saved = visitor.ask("GET", "/gallery/candidate.png?version=2&row=3&best_of=4&save=true")
    assert saved.headers["content-disposition"] == 'attachment; filename="version-2-candidate-3-best-of-4.png"'
    assert Image.open(io.BytesIO(saved.content)).size == (28, 28)


def test_the_whole_loop_begins_without_a_generator(tmp_path: Path) -> None:
    with new_study(tmp_path) as study, Visitor(study, votes=3) as visitor:
        assert visitor.ask("GET", "/").headers["location"] == "/runs"
        for place in PLACES:
            assert visitor.ask("GET", f"/{place}").status_code == 200
        assert visitor.ask("GET", "/api/v1/pairs").status_code == 409
        assert visitor.ask("POST", "/api/v1/work/align", {}).status_code == 409
        assert visitor.ask("POST", "/api/v1/work/train").json()["running"]
        assert visitor.ask("POST", "/api/v1/work/train").status_code == 503
        assert visitor.finished()["version"] == 1
        assert visitor.ask("GET", "/").headers["location"] == "/vote"
        assert "No votes yet" in visitor.ask("GET", "/taste").text
        assert [visitor.vote()["votes"] for _ in range(3)] == [1, 2, 3]
        assert visitor.ask("GET", "/api/v1/pairs").json()["progress"]["done"]
        visitor.ask("POST", "/api/v1/work/align", {"like_best_of": 3})
        assert visitor.finished()["version"] == 2
        now = visitor.ask("GET", "/api/v1/pairs").json()
        assert not now["progress"]["done"]
        assert study.question(now["pairs"][0]["query"]).number == now["pairs"][0]["query"]
        assert study.store.query(now["pairs"][0]["query"]).pool == 2


def test_votes_go_on_while_it_aligns_and_replay_to_the_same_taste(tmp_path: Path) -> None:
    with new_study(tmp_path) as study, Visitor(study, votes=2000) as visitor:
        study.train()
        visitor.vote()
        assert visitor.ask("POST", "/api/v1/work/align", {}).json()["running"]
        given = 1
        while visitor.ask("GET", "/api/v1/work").json()["running"] and given < 12:
            visitor.vote()
            given += 1
        assert given > 1
        assert visitor.finished()["error"] == ""
        assert len(study.taste.votes) == given
        assert 1 <= study.versions.named("latest").figures["votes"] <= given
        again = study.untaught_taste()
        again.replay(study.store.events())
        assert again.hash == study.taste.hash


def test_work_that_is_stopped_leaves_the_study_as_it_was(tmp_path: Path) -> None:
    with new_study(tmp_path) as study, Visitor(study) as visitor:
        visitor.ask("POST", "/api/v1/work/train")
        visitor.ask("POST", "/api/v1/work/stop")
        ended = visitor.finished()
        assert (ended["stopped"], ended["version"], ended["error"]) == (True, None, "")
        assert study.versions.all() == []


def test_training_that_was_killed_is_said_and_the_next_try_makes_it(tmp_path: Path) -> None:
    with new_study(tmp_path) as study, Visitor(study) as visitor:
        visitor.ask("POST", "/api/v1/work/train")
        assert Desk(study.path).busy or visitor.ask("GET", "/api/v1/work").json()["running"]
        process = visitor.studio._work._process
        assert process is not None
        process.kill()
        ended = visitor.finished()
        assert "begin again to go on" in str(ended["error"])
        assert (ended["version"], study.versions.all()) == (None, [])
        visitor.ask("POST", "/api/v1/work/train")
        assert visitor.finished()["version"] == 1
        assert study.versions.named("base").number == 1


def test_work_ends_when_whoever_started_it_was_killed(tmp_path: Path) -> None:
    with new_study(tmp_path) as study:
        arguments, environment = command(study.path, "train", None)
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, env=environment) as process:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(60) != 0
        assert not Desk(study.path).busy
        assert study.versions.all() == []


def test_versions_are_compared_without_saying_which_is_which(visitor: Visitor, aligned: Study) -> None:
    assert "No two versions were compared yet" in visitor.ask("GET", "/leaderboard").text
    through, sides = aligned.taste.hash, list[bool]()
    rng = aligned.rng.child("comparison", "latents", 0)
    new = to_uint8(aligned.generator(2).sample(32, rng))
    for number in range(1, 7):
        images = {
            side: visitor.ask("GET", f"/compare/image.png?version=2&against=1&number={number}&side={side}").content
            for side in ("left", "right")
        }
        left, right = (
            np.array_equal(np.asarray(Image.open(io.BytesIO(images[side]))), new[number - 1].transpose(1, 2, 0))
            for side in ("left", "right")
        )
        assert left != right
        sides.append(left)
        choice = "tie" if number == 6 else "left" if left else "right"
        told = {"version": 2, "against": 1, "number": number, "choice": choice}
        for _ in range(2):
            answer = visitor.ask("POST", "/api/v1/compare", told, **{"Idempotency-Key": f"comparison-{number}"})
            assert answer.status_code == 201
            assert answer.json() == {"numbers": [number + 1, number + 2], "answers": number}
        assert visitor.ask("POST", "/api/v1/compare", told).status_code == 409
    assert len(set(sides)) == 2, "the sides must not tell"
    back = visitor.ask("POST", "/api/v1/compare/undo", {"version": 2, "against": 1}).json()
    assert back == {"undone": True, "numbers": [6, 7], "answers": 5}
    shown = visitor.ask("GET", "/api/v1/compare/result?version=2&against=1").json()
    found = result(aligned, 2, 1)
    assert shown == {**json.loads(json.dumps(found.as_json())), "text": found.sentence}
    assert (found.rate.value, found.rate.n) == (1, 5)
    assert aligned.taste.hash == through
    assert visitor.ask("GET", "/compare?version=2").status_code == 200
    assert visitor.ask("GET", "/compare?version=1").status_code == 422
    page = visitor.ask("GET", "/leaderboard").text
    assert found.sentence in page
    assert "All answers are of one voter" in page
    assert "还看不出偏好" in (spoken := visitor.ask("GET", "/leaderboard", **{"Accept-Language": "zh"}).text) or (
        "更受喜欢：" in spoken
    )


@pytest.mark.parametrize(("wins", "losses", "ties"), [(0, 0, 2), (30, 5, 1), (5, 30, 0), (6, 5, 0), (500, 500, 0)])
def test_the_page_says_of_a_comparison_what_the_command_line_says(wins: int, losses: int, ties: int) -> None:
    alone = Agreement(None, None, None, 0, 0)
    found = Result(2, 1, win_rate(wins, losses, ties), 0, 0, ("anna",), None if wins == 500 else 188, alone)
    assert verdict(found, languages()["en"]) == found.sentence
    assert verdict(found, languages()["zh"]) != found.sentence


def test_own_images_are_kept_and_rejected_before_anything_is_trained(tmp_path: Path) -> None:
    with new_study(tmp_path) as study, Visitor(study) as visitor:
        assert "Keep this image?" in visitor.ask("GET", "/label").text
        asked = visitor.ask("GET", "/api/v1/labels/next?n=3").json()
        first, second, third = asked["images"]
        count = len(study.images.train)
        assert asked["progress"] == {"kept": 0, "rejected": 0, "left": count}
        row = int(first.split("-")[0])
        shown = visitor.ask("GET", f"/label/{first}.png")
        assert np.array_equal(
            np.asarray(Image.open(io.BytesIO(shown.content))).transpose(2, 0, 1), study.images.train[row]
        )
        said = {"image": first, "label": "reject"}
        answers = [visitor.ask("POST", "/api/v1/labels", said, **{"Idempotency-Key": "label-0001"}) for _ in range(2)]
        assert [one.status_code for one in answers] == [201, 200]
        assert answers[0].json() == answers[1].json()
        other = {"image": second, "label": "keep"}
        assert visitor.ask("POST", "/api/v1/labels", other, **{"Idempotency-Key": "label-0001"}).status_code == 409
        assert visitor.ask("POST", "/api/v1/labels", other).json()["progress"]["kept"] == 1
        assert visitor.ask("GET", f"/api/v1/labels/next?n=1&after={second}").json()["images"] == [third]
        assert visitor.ask("GET", "/api/v1/labels?label=reject").json()["images"] == [first]
        back = visitor.ask("POST", "/api/v1/labels/undo").json()
        assert back == {"image": second, "progress": {"kept": 0, "rejected": 1, "left": count - 1}}
        assert list(rejected_rows(study)) == [row]
        assert f"1 of {count} images are left out" in visitor.ask("GET", "/label/sorted").text
        texts = [one["text"] for one in visitor.ask("GET", "/api/v1/audit").json()["events"]]
        assert texts == ["labelled an image: Reject", "labelled an image: Keep", "took a label back"]


def test_no_image_is_shown_or_labelled_under_a_wrong_name(visitor: Visitor) -> None:
    (image,) = visitor.ask("GET", "/api/v1/labels/next?n=1").json()["images"]
    for name in (f"{image}0", "0-" + "0" * 32, "99999-" + "0" * 32):
        assert visitor.ask("GET", f"/label/{name}.png").status_code in (404, 422)
        assert visitor.ask("POST", "/api/v1/labels", {"image": name, "label": "keep"}).status_code in (409, 422)
    assert visitor.ask("POST", "/api/v1/labels", {"image": image, "label": "cat"}).status_code == 422
    assert visitor.ask("GET", "/label/..%2F..%2Fetc%2Fpasswd.png").status_code in (404, 422)


def test_kept_candidates_are_trained_on_again(tmp_path: Path) -> None:
    with new_study(tmp_path) as study, Visitor(study) as visitor:
        study.train()
        assert visitor.ask("POST", "/api/v1/work/feed").status_code == 409
        assert 'id="feed"' not in visitor.ask("GET", "/runs").text
        for row in (3, 5, 5):
            assert visitor.ask("PUT", f"/api/v1/kept/1-{row}").json() == {"image": f"1-{row}", "kept": True}
        assert visitor.ask("GET", "/api/v1/gallery").json()["kept"] == [3, 5]
        for _ in range(2):
            assert visitor.ask("DELETE", "/api/v1/kept/1-3").json()["kept"] is False
        assert visitor.ask("GET", "/api/v1/gallery?order=kept").json()["rows"] == [5]
        assert len(study.store.events(kinds=["label"])) == 3
        assert visitor.ask("PUT", "/api/v1/kept/9-0").status_code == 404
        assert visitor.ask("PUT", "/api/v1/kept/1-60").status_code == 409
        assert "Train again with what you kept (1)" in visitor.ask("GET", "/runs").text
        assert visitor.ask("POST", "/api/v1/work/feed").json()["running"]
        ended = visitor.finished()
        assert (ended["error"], ended["version"]) == ("", 2)
        page = visitor.ask("GET", "/runs").text
        assert "Version 2, trained again" in page
        assert "1 kept, " in page
        assert "2, trained again" in visitor.ask("GET", "/gallery").text


def test_the_leaderboard_is_made_while_pairs_are(visitor: Visitor, aligned: Study) -> None:
    held, done = threading.Event(), threading.Event()

    def learn() -> None:
        with visitor.studio._shared.learning():
            held.set()
            done.wait(60)

    thread = threading.Thread(target=learn)
    thread.start()
    held.wait(10)
    page = visitor.ask("GET", "/leaderboard")
    still = not done.is_set()
    done.set()
    thread.join()
    assert (page.status_code, still) == (200, True)


def test_signals_are_kept_as_events_of_their_own(visitor: Visitor, aligned: Study) -> None:
    through = aligned.taste.hash
    signal = {"key": "signal-0001", "kind": "zoom", "image": "2-3", "ms": 1200, "at": 1e9}
    for _ in range(2):
        assert visitor.ask("POST", "/api/v1/events", {"events": [signal]}).json() == {"recorded": 1}
    (event,) = aligned.store.events(kinds=["zoom"])
    assert event.payload == {"image": "2-3", "ms": 1200, "at": 1e9}
    aligned.catch_up()
    assert aligned.taste.hash == through


def test_who_was_invited_votes_and_sees_no_more(visitor: Visitor) -> None:
    made = visitor.ask("POST", "/api/v1/invites", {"voter": "anna", "votes": 3}).json()
    guest = TestClient(visitor.studio.app, base_url="http://127.0.0.1:8000")
    assert guest.get(made["link"]).url.path == "/vote"
    page = guest.get("/vote").text
    assert "data-studio" not in page
    assert f'data-csrf="{guest.get("/api/v1/me").json()["csrf"]}"' in page
    assert visitor.access.csrf not in page
    assert guest.get("/help").status_code == 200
    assert "This page is the owner" in guest.get("/admin").text
    assert guest.get("/api/v1/blend?voter=human").status_code == 403
    for place in ("admin", "gallery", "taste", "label", "runs", "leaderboard", "api/v1/work", "api/v1/labels/next"):
        assert guest.get(f"/{place}").status_code == 403
    assert guest.get("/api/v1/pairs").json()["progress"]["wanted"] == 3


def test_the_log_is_told_in_the_readers_language(visitor: Visitor, aligned: Study) -> None:
    made = visitor.ask("POST", "/api/v1/invites", {"voter": "ben", "votes": 3}).json()["id"]
    visitor.ask("POST", f"/api/v1/invites/{made}/revoke")
    asked = f"/api/v1/audit?after={made - 1}&limit=2"
    said = [one["text"] for one in visitor.ask("GET", asked).json()["events"]]
    assert said == ["was invited for 3 votes", f"invitation {made} was taken back"]
    spoken = visitor.ask("GET", asked, **{"Accept-Language": "zh"}).json()["events"]
    assert [one["text"] for one in spoken] == ["受到邀请，最多 3 票", f"邀请 {made} 被收回"]
    kinds = set(aligned.store.count_events())
    for texts in languages().values():
        named = set(texts.tables["audit"])
        assert kinds - named <= {"signal"}, "every kind has words"


def test_a_blend_orders_the_candidates_by_several_tastes(visitor: Visitor, aligned: Study) -> None:
    query = aligned.ask(voter="cleo").number
    aligned.tell(query, "left", voter="cleo")
    alone = visitor.ask("GET", "/api/v1/blend?voter=human").json()
    with torch.no_grad():
        values = aligned.reward({"human": 1.0})(aligned.candidates("latest"))
    assert alone["most"] == [int(row) for row in torch.argsort(-values, stable=True)[:6]]
    assert not set(alone["most"]) & set(alone["least"])
    both = visitor.ask("GET", "/api/v1/blend?voter=human&voter=cleo&share=0.7&share=0.3").json()
    assert both["command"] == 'penchant align STUDY --of "human=0.7,cleo=0.3"'
    assert visitor.ask("GET", "/api/v1/blend?voter=nobody").status_code == 404
    assert visitor.ask("GET", "/api/v1/blend?voter=human&voter=human").status_code == 422
    assert visitor.ask("GET", "/api/v1/blend?voter=human&share=nan").status_code == 422
    assert visitor.ask("GET", "/api/v1/blend?voter=human&share=1&share=2").status_code == 422
