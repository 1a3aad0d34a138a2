"""The studio in a real Chromium: the journey of a round by keyboard, every page by axe, and nothing that complains."""

import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from penchant.studio import Access, Studio
from penchant.study import Sender, Sorting, Study, StudySettings
from penchant.study.invites import Invites

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = "axe-core@4.10.3"
PLACES = ("vote", "gallery", "taste", "label", "label/sorted?label=keep", "runs", "leaderboard", "admin", "help")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian: apt-get install chromium"),
]

expect.set_options(timeout=20_000)

_LOG_VIOLATIONS = "addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core (MPL-2.0), from the npm registry; it is used in tests only and never shipped."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here to fetch axe-core with")
    try:
        subprocess.run([npm, "pack", AXE, "--silent"], cwd=folder, check=True, timeout=60, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("the npm registry cannot be reached")
    with tarfile.open(next(folder.glob("*.tgz"))) as packed:
        source = packed.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


@dataclass(frozen=True)
class Opened:
    """A studio that is served: where, and over which study."""

    address: str
    study: Study

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """A trained study of small pictures; rounds of six votes."""
    settings = {
        "source": "pictures:300",
        "images": {"size": 28},
        "train_seconds": 1,
        "pool": 60,
        "aligner": "latent_tilt(steps=4, batch=8)",
    }
    folder = tmp_path_factory.mktemp("studio") / "study"
    with Study.create(folder, StudySettings.parse(settings, "the test")) as study, socket.socket() as listener:
        study.train()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        access = Access()
        studio = Studio(study, access, votes=6)
        server = uvicorn.Server(
            uvicorn.Config(studio.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        )
        served = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        served.start()
        yield Opened(f"http://127.0.0.1:{listener.getsockname()[1]}/?token={access.token}", study)
        server.should_exit = True
        served.join(20)
        studio.close()
        assert not served.is_alive()


class Person:
    """Someone at the studio; ``complaints`` are console errors, script errors and CSP violations."""

    def __init__(self, browser: Browser, opened: Opened, **context: Any):
        self.complaints: list[str] = []
        self.origin = opened.origin
        self.context: BrowserContext = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.add_init_script(_LOG_VIOLATIONS)
        self.page.on("console", lambda message: self.complaints.extend([message.text] * (message.type == "error")))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(opened.address)

    def open(self, place: str) -> None:
        self.page.goto(f"{self.origin}/{place}")
        if place == "gallery":
            expect(self.page.locator("canvas[role=img]").first).to_be_visible()
        if place in ("vote", "label"):
            expect(self.page.locator("body")).to_have_attribute("data-state", re.compile("asking|done"))

    def ready(self) -> None:
        expect(self.page.locator("body")).to_have_attribute("data-state", "asking")
        # Keys count from 150 ms after the second frame with a new image; these frames come after those.
        self.page.evaluate(
            "() => new Promise((done) =>"
            " requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200))))"
        )

    def pixels(self) -> list[int]:
        """The first image of the gallery."""
        return self.page.evaluate(
            "() => { const c = document.querySelector('canvas');"
            " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }"
        )

    def redrawn(self, before: list[int]) -> list[int]:
        """The same, as soon as it is not what was ``before``: a strength is shown once its images are loaded."""
        for _ in range(200):
            if (now := self.pixels()) != before and any(now):
                return now
            self.page.wait_for_timeout(100)
        raise AssertionError("the gallery was not redrawn")


def test_a_round_by_keyboard_ends_in_before_and_after(browser: Browser, opened: Opened) -> None:
    person = Person(browser, opened)
    page = person.page
    expect(page).to_have_url(f"{opened.origin}/vote")
    counts = {"ArrowLeft": 1, "ArrowRight": 1, "ArrowDown": 1, "z": -1}
    votes = 0
    for key in ("ArrowLeft", "ArrowRight", "ArrowLeft", "ArrowDown", "z", "ArrowLeft", "ArrowLeft", "ArrowRight"):
        person.ready()
        page.keyboard.press(key)
        votes += counts[key]
        expect(page.locator("#votes")).to_have_text(str(votes))
    expect(page.get_by_role("heading", name="This round is complete")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Show me")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/gallery?version=2", timeout=120_000)  # other work may share the processor
    slider = page.get_by_role("slider", name="Strength")
    expect(slider).to_have_attribute("aria-valuetext", "like the best of 6")
    after = person.redrawn([])
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "before")
    before = person.redrawn(after)
    page.keyboard.press("End")
    assert person.redrawn(before) == after
    page.keyboard.down("b")
    assert person.redrawn(after) == before
    page.keyboard.up("b")
    assert person.redrawn(before) == after
    page.get_by_role("button", name="Like candidate 0").press("Enter")
    expect(page.get_by_role("button", name="Like candidate 0")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Order").select_option("liked")
    expect(page.locator("#where")).to_have_text("1 to 1 of 1")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download candidate 0").click()
    assert saved.value.suggested_filename == "version-2-candidate-0-best-of-6.png"
    page.get_by_role("link", name="Next round").click()
    expect(page.locator("#wanted")).to_have_text("12")
    assert person.complaints == []
    person.context.close()


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark", "locale": "zh-CN"}])
def test_no_page_has_a_serious_finding_or_complains(browser: Browser, opened: Opened, axe: str, look: Any) -> None:
    person = Person(browser, opened, **look)
    compared = ["compare?version=2"] if len(opened.study.versions.all()) > 1 else []  # where the round above was played
    for place in [*PLACES, *compared]:
        person.open(place)
        person.page.evaluate(axe)
        found = person.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
        serious = [
            (place, one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
        ]
        assert serious == []
    assert person.complaints == []
    person.context.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_pages_fit_the_window(browser: Browser, opened: Opened, width: int) -> None:
    person = Person(browser, opened, viewport={"width": width, "height": 800})
    for place in PLACES:
        person.open(place)
        assert not person.page.evaluate("document.documentElement.scrollWidth > innerWidth"), place
    person.context.close()


def test_a_server_that_is_gone_has_a_face(browser: Browser, opened: Opened) -> None:
    person = Person(browser, opened)
    person.page.route("**/api/v1/**", lambda route: route.abort())
    person.page.goto(f"{opened.origin}/gallery")
    expect(person.page.locator("#nothing")).to_contain_text("The connection is lost.")
    person.page.goto(f"{opened.origin}/runs")
    expect(person.page.locator("#outcome")).to_contain_text("The connection is lost.")
    person.page.unroute("**/api/v1/**")
    expect(person.page.locator("#outcome")).to_have_text("")
    person.context.close()


def test_the_owner_invites_sees_what_happened_and_takes_the_votes_along(browser: Browser, opened: Opened) -> None:
    person = Person(browser, opened)
    page = person.page
    opened.study.tell(opened.study.ask().number, "left", voter="human")
    person.open("admin")
    page.get_by_label("Voter", exact=True).fill("anna")
    page.get_by_label("Votes at most").fill("9")
    page.get_by_role("button", name="Make a link").press("Enter")
    expect(page.locator("#link")).to_have_value(re.compile(rf"^{opened.origin}/\?invite=[\w-]{{43}}$"))
    link = page.locator("#link").input_value()
    row = page.locator("#invites tbody tr")
    expect(row).to_contain_text("0 of 9")
    guest = browser.new_context()
    inside = guest.new_page()
    inside.goto(link)
    expect(inside).to_have_url(f"{opened.origin}/vote")
    inside.goto(f"{opened.origin}/admin")
    expect(inside.get_by_role("heading", name="This page is the owner's")).to_be_visible()
    page.reload()
    expect(page.locator("#made")).to_be_hidden()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Take back: anna").click()
    expect(row).to_contain_text("taken back")
    page.wait_for_timeout(1100)  # within a second
    inside.goto(f"{opened.origin}/vote")
    expect(inside.get_by_role("heading", name="This page needs its key")).to_be_visible()
    guest.close()
    page.reload()
    expect(page.locator("#audit tbody tr").first).to_contain_text("was taken back")
    page.get_by_label("Blend: human").check()
    page.get_by_role("button", name="Show the blended taste").click()
    expect(page.locator("#most img")).to_have_count(6)
    for form, container in (("Votes", "csv"), ("Chosen and rejected", "jsonl")):
        with page.expect_download() as saved:
            page.get_by_role("link", name=f"{form}: {container}").click()
        assert saved.value.suggested_filename == f"{form.lower().replace(' and ', '-')}.{container}"
    assert person.complaints == []
    person.context.close()


def test_like_zoom_and_pixels_by_key_answer_nothing(browser: Browser, opened: Opened) -> None:
    person = Person(browser, opened, viewport={"width": 1280, "height": 800})
    page = person.page
    person.open("vote")
    if page.locator("body").get_attribute("data-state") == "done":
        page.locator("#message-other").click()
    person.ready()
    votes = page.locator("#votes").inner_text()
    likes = "() => fetch('/api/v1/likes').then(r => r.json()).then(r => r.likes.length)"
    before = page.evaluate(likes)
    page.keyboard.press("l")
    expect(page.locator("#strip")).to_contain_text("Like which?")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#live")).to_have_text("The right image is liked.")
    expect(page.locator("#like-right")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(likes) == before + 1
    page.keyboard.press("l")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#live")).to_have_text("No longer liked.")
    assert page.evaluate(likes) == before
    page.keyboard.press("l")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    scale = (
        "() => [...document.querySelectorAll('.frame img')].map(i => new DOMMatrix(getComputedStyle(i).transform).a)"
    )
    assert page.evaluate(scale) == [3, 3]
    page.keyboard.press("p")
    assert page.evaluate("getComputedStyle(document.querySelector('.frame img')).imageRendering") == "pixelated"
    page.wait_for_timeout(100)
    with page.expect_response("**/api/v1/events") as noticed:
        page.keyboard.press("f")
        assert page.evaluate(scale) == [1, 1]
    assert noticed.value.json() == {"recorded": 2}
    shown = [page.locator(f"#{side} img").get_attribute("src") for side in ("left", "right")]
    zooms = [event.payload for event in opened.study.store.events(kinds=["zoom"])]
    assert [f"/images/{one['image']}" for one in zooms] == shown
    assert all(100 <= one["ms"] < 60_000 for one in zooms)
    assert page.locator("#votes").inner_text() == votes
    page.keyboard.press("ArrowRight")
    expect(page.locator("#votes")).to_have_text(str(int(votes) + 1))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("enlarge the same place in both")
    assert person.complaints == []
    person.context.close()


@pytest.mark.parametrize(
    ("size", "way", "choice"),
    [((900, 500), (-120, 0), "left"), ((390, 800), (0, 120), "right"), ((390, 800), (120, 0), "tie")],
)
def test_a_swipe_is_one_answer(
    browser: Browser, opened: Opened, size: tuple[int, int], way: tuple[int, int], choice: str
) -> None:
    person = Person(browser, opened, viewport={"width": size[0], "height": size[1]}, has_touch=True, locale="zh-CN")
    page = person.page
    person.open("vote")
    if page.locator("body").get_attribute("data-state") == "done":
        page.locator("#message-other").click()
    person.ready()
    expect(page.locator("#learned")).to_contain_text(re.compile("[\u4e00-\u9fff]"))
    votes = opened.study.store.count_votes("human")
    box = page.locator("#left").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.3, 0.7, 1):
        moved = [{"x": x + part * way[0], "y": y + part * way[1]}]
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": moved})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator("#votes")).to_have_text(str(votes + 1))
    last = opened.study.store.votes("human")[-1]
    assert (str(last.choice), last.input) == (choice, "touch")
    assert person.complaints == []
    person.context.close()


def test_a_guest_without_a_number_of_votes_is_asked(browser: Browser, opened: Opened) -> None:
    _, token = Invites(opened.study.store).invite("dora")
    guest = browser.new_context()
    page = guest.new_page()
    page.goto(f"{opened.origin}/?invite={token}")
    expect(page.locator("body")).to_have_attribute("data-state", "asking")
    expect(page.locator("#live")).to_have_text("Pair 1.")
    guest.close()


def test_images_are_kept_rejected_put_off_and_taken_back_by_keyboard(browser: Browser, opened: Opened) -> None:
    person = Person(browser, opened, viewport={"width": 1280, "height": 800})
    page = person.page
    sorting = Sorting(opened.study, Sender("human", "a test"))
    before = sorting.standing
    assert (before.kept, before.rejected) == (0, 0)
    person.open("label")

    def shown() -> str:
        person.ready()
        name = page.locator("#single img").get_attribute("src")
        assert name is not None
        return name.removeprefix("/label/").removesuffix(".png")

    first = shown()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#kept")).to_have_text("1")
    second = shown()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#rejected")).to_have_text("1")
    put_off = shown()
    page.keyboard.press("Space")
    fourth = shown()
    assert len({first, second, put_off, fourth}) == 4
    page.keyboard.press("z")
    assert shown() == put_off
    page.keyboard.press("z")
    expect(page.locator("#rejected")).to_have_text("0")
    assert shown() == second
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#rejected")).to_have_text("1")
    assert shown() == put_off
    page.keyboard.press("p")
    assert page.evaluate("getComputedStyle(document.querySelector('#single img')).imageRendering") == "pixelated"
    assert (sorting.listed("keep"), sorting.listed("reject")) == ([first], [second])
    box = page.locator("#single img").bounding_box()
    assert box is not None
    assert box["height"] > 600, "as large as the window allows"
    person.open("label/sorted")
    page.get_by_role("button", name="Keep: image").press("Enter")
    expect(page.get_by_role("button", name="Reject: image")).to_be_focused()
    assert sorting.listed("reject") == []
    assert person.complaints == []
    person.context.close()


def test_labels_wait_while_the_server_is_gone_and_the_end_has_a_face(browser: Browser, opened: Opened) -> None:
    person = Person(browser, opened, viewport={"width": 390, "height": 800}, has_touch=True)
    page = person.page
    sorting = Sorting(opened.study, Sender("human", "another test"))
    for number, name in enumerate(sorting.next(1000)[2:]):
        sorting.label(name, "keep", f"test-key-{number}")
    left = sorting.standing.left
    assert left == 2
    person.open("label")
    person.ready()
    page.route("**/api/v1/**", lambda route: route.abort())
    page.get_by_role("button", name="Reject", exact=True).tap()
    expect(page.locator("#strip")).to_contain_text("Kept here and sent again: 1.")
    page.unroute("**/api/v1/**")
    expect(page.locator("#strip")).to_be_empty()
    person.ready()
    page.get_by_role("button", name="Keep", exact=True).tap()
    expect(page.get_by_role("heading", name="All images are sorted")).to_be_focused()
    assert sorting.standing.left == 0
    page.get_by_role("button", name="Go on voting").tap()
    expect(page).to_have_url(f"{opened.origin}/vote")
    person.context.close()


def test_alignment_is_asked_for_at_a_strength_and_to_a_blend(browser: Browser, opened: Opened) -> None:
    for voter in ("human", "eva"):
        opened.study.tell(opened.study.ask(voter).number, "left", voter=voter)
    person = Person(browser, opened)
    page, asked = person.page, list[Any]()

    def begin(route: Any) -> None:
        if route.request.method == "POST":
            asked.append(route.request.post_data_json)
        route.fulfill(json={"running": False, "version": None, "error": "", "stopped": True})

    page.route("**/api/v1/work/align", begin)
    page.route("**/api/v1/work", begin)
    person.open("runs")
    expect(page.get_by_label("How far").locator("option").first).to_have_text("as the study says: like the best of 6")
    page.get_by_role("button", name="Align now").click()
    expect(page.locator("#outcome")).to_contain_text("Stopped")
    page.get_by_label("How far").select_option("auto")
    page.get_by_label("Whose taste").select_option("eva")
    page.get_by_role("button", name="Align now").click()
    page.get_by_label("How far").select_option("16")
    page.get_by_label("Whose taste").select_option(label="a blend")
    page.get_by_role("slider", name="eva").fill("75")
    page.get_by_role("slider", name="human").fill("25")
    expect(page.locator("#shares label", has_text="eva").locator("output")).to_have_text("75%")
    for other in page.locator("#shares input").all():
        if other.get_attribute("data-voter") not in ("eva", "human"):
            other.fill("0")
    page.get_by_role("button", name="Align now").click()
    page.wait_for_timeout(200)
    assert asked == [
        {},
        {"like_best_of": "auto", "of": {"eva": 1}},
        {"like_best_of": 16, "of": {"eva": 0.75, "human": 0.25}},
    ]
    assert person.complaints == []
    person.context.close()
