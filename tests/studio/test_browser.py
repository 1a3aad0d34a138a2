"""A person's way through the voting page, in a real Chromium: one key, one vote, whatever happens on the way."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from penchant.core.contracts import Choice
from penchant.core.errors import StorageFull

if TYPE_CHECKING:
    from tests.studio.conftest import MemorySession, Served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian: apt-get install chromium"),
]

_LOG_VIOLATIONS = "addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


class Voter:
    """Someone at the page; ``complaints`` are console errors, script errors and CSP violations."""

    def __init__(self, browser: Browser, served: "Served", **context: Any):
        self.complaints: list[str] = []
        self.session = served.session
        self.context = browser.new_context(**context)
        self.page = self.open(served.address)

    def open(self, address: str) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        page.add_init_script(_LOG_VIOLATIONS)
        page.on("console", lambda message: self.complaints.extend([message.text] * (message.type == "error")))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(address)
        return page

    def ready(self, votes: int) -> None:
        """Wait until the server has counted ``votes`` and the next pair can be answered."""
        expect(self.page.locator("#votes")).to_have_text(str(votes))
        expect(self.page.locator("body")).to_have_attribute("data-state", "asking")
        self.page.wait_for_timeout(220)  # keys in the first 150 ms after a reveal are meant for the pair before

    def press(self, key: str, votes: int) -> None:
        """Press a key, then wait as in :meth:`ready`."""
        self.page.keyboard.press(key)
        self.ready(votes)


@pytest.fixture
def voter(browser: Browser, served: "Callable[[], Served]", session: "MemorySession") -> Iterator[Voter]:
    session.wanted = 20
    one = Voter(browser, served())
    one.ready(0)
    yield one
    one.context.close()


def test_every_answer_has_a_key_and_undo_asks_again(voter: Voter, session: "MemorySession") -> None:
    for votes, key in enumerate(["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp", "Space"], start=1):
        voter.press(key, votes)
    assert list(session.votes.values()) == [Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.BOTH_BAD, Choice.SKIP]
    voter.press("z", 4)
    expect(voter.page.locator("#live")).to_have_text("Last answer taken back. Pair 5 of 20.")
    voter.press("ArrowRight", 5)
    assert session.votes[5] == Choice.RIGHT
    assert session.undone == 1
    assert voter.complaints == []


def test_undo_asks_again_although_older_pairs_arrive_late(voter: Voter, session: "MemorySession") -> None:
    held: list[Any] = []

    def hold_first_reply(route: Route) -> None:
        if held:
            route.continue_()
            return
        held.append((route, route.fetch()))

    voter.page.route("**/api/v1/pairs*", hold_first_reply)
    voter.press("ArrowLeft", 1)
    voter.page.keyboard.press("z")
    expect(voter.page.locator("#votes")).to_have_text("0")
    route, stale = held[0]
    route.fulfill(response=stale)
    voter.ready(0)
    voter.press("ArrowRight", 1)
    assert session.votes == {1: Choice.RIGHT}


def test_what_was_seen_is_told(voter: Voter, session: "MemorySession") -> None:
    voter.press("ArrowLeft", 1)
    told = session.told[0]
    assert 150 <= told["response_ms"] < 60_000
    assert told["hidden_ms"] == 0
    assert told["shown_at"] > 1e9
    assert (told["input"], told["viewport"]) == ("keyboard", "1280x720@1")


def test_a_double_or_held_key_is_one_vote(voter: Voter, session: "MemorySession") -> None:
    voter.page.keyboard.press("ArrowLeft")
    voter.page.keyboard.press("ArrowLeft")
    voter.ready(1)
    for _ in range(4):
        voter.page.keyboard.down("ArrowRight")
        voter.page.wait_for_timeout(200)
    voter.page.keyboard.up("ArrowRight")
    voter.ready(2)
    assert session.votes == {1: Choice.LEFT, 2: Choice.RIGHT}


def test_a_lost_reply_is_sent_again_and_counts_once(voter: Voter, session: "MemorySession") -> None:
    lost: list[str] = []
    keys: list[str] = []

    def lose_first_reply(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().text())  # the server stored it; the page never hears of it
        route.abort()

    voter.page.route("**/api/v1/votes", lose_first_reply)
    voter.press("ArrowLeft", 1)
    assert (len(lost), len(keys), len(set(keys))) == (1, 2, 1)
    assert session.votes == {1: Choice.LEFT}
    voter.press("ArrowRight", 2)
    assert list(session.votes) == [1, 2]


def test_offline_answers_wait_and_are_sent_once_even_after_a_reload(voter: Voter, session: "MemorySession") -> None:
    voter.page.route("**/api/v1/**", lambda route: route.abort())
    voter.page.keyboard.press("ArrowLeft")
    voter.page.wait_for_timeout(250)
    voter.page.keyboard.press("ArrowRight")
    strip = voter.page.locator("#strip")
    expect(strip).to_have_text("The connection is lost. 2 answers are kept here and sent again.")
    assert session.votes == {}
    voter.page.unroute("**/api/v1/**")
    voter.page.reload()
    voter.ready(2)
    expect(strip).to_be_empty()
    assert session.votes == {1: Choice.LEFT, 2: Choice.RIGHT}


def test_a_second_tab_cannot_vote_twice_on_a_pair(voter: Voter, session: "MemorySession") -> None:
    first = voter.page
    voter.page = voter.open(first.url)
    voter.ready(0)
    voter.press("ArrowRight", 1)
    first.bring_to_front()
    first.keyboard.press("ArrowLeft")
    expect(first.locator("#strip")).to_have_text("An answer was not taken: query 1 was answered already.")
    assert session.votes == {1: Choice.RIGHT}


def test_a_vote_that_cannot_be_stored_says_why_and_is_sent_again(voter: Voter, session: "MemorySession") -> None:
    session.failure = StorageFull("No room left")
    voter.page.keyboard.press("ArrowLeft")
    expect(voter.page.locator("#strip")).to_have_text("No room left. 1 answer is kept here and sent again.")
    session.failure = None
    voter.ready(1)
    expect(voter.page.locator("#strip")).to_be_empty()


def test_a_server_that_does_not_answer_has_a_face(voter: Voter) -> None:
    voter.page.route("**/api/v1/**", lambda route: route.abort())
    voter.page.reload()
    expect(voter.page.get_by_role("heading", name="The connection is lost")).to_be_focused()
    expect(voter.page.locator("#message-text")).to_contain_text("Every answer so far is stored.")
    voter.page.unroute("**/api/v1/**")
    voter.page.get_by_role("button", name="Try again").click()
    voter.ready(0)


def test_the_page_works_without_a_keyboard_and_for_screen_readers(
    browser: Browser, served: "Callable[[], Served]", session: "MemorySession"
) -> None:
    session.wanted = 20
    voter = Voter(browser, served(), viewport={"width": 390, "height": 844}, has_touch=True)
    voter.ready(0)
    voter.page.get_by_role("button", name="Choose the second image").tap()
    voter.ready(1)
    voter.page.get_by_role("button", name="Equal").tap()
    voter.ready(2)
    voter.page.get_by_role("button", name="Undo").tap()
    voter.ready(1)
    assert session.votes == {1: Choice.RIGHT}
    assert session.told[0]["input"] == "touch"
    voter.page.get_by_role("button", name="Help and keys").tap()
    expect(voter.page.get_by_role("dialog", name="How to vote")).to_be_visible()
    voter.page.keyboard.press("ArrowLeft")
    voter.page.get_by_role("button", name="Back to the images").tap()
    voter.ready(1)
    assert voter.complaints == []
    voter.context.close()


@pytest.mark.parametrize("size", [(320, 568), (390, 844), (844, 390), (820, 1180), (1440, 900), (2560, 1080)])
def test_images_fit_are_equal_and_do_not_move(
    browser: Browser, served: "Callable[[], Served]", session: "MemorySession", size: tuple[int, int]
) -> None:
    session.wanted = 20
    voter = Voter(browser, served(), viewport={"width": size[0], "height": size[1]})
    voter.ready(0)

    def boxes() -> list[Any]:
        return [voter.page.locator(f"#{side} img").bounding_box() for side in ("left", "right")]

    left, right = before = boxes()
    assert left["width"] == left["height"] == right["width"] == right["height"]
    assert left["width"] >= 0.33 * min(size)
    assert not voter.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    for name in ("Both bad", "Equal", "Skip", "Undo"):
        box = voter.page.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["height"] >= 40
        assert 0 <= box["x"] <= box["x"] + box["width"] <= size[0]
        assert box["y"] + box["height"] <= size[1]
    session.learned = {"taste": "A much longer sentence about what was learned so far. " * 5}
    voter.press("ArrowLeft", 1)
    assert boxes() == before
    voter.context.close()


def test_the_last_vote_ends_the_page_and_the_server(
    browser: Browser, served: "Callable[[], Served]", session: "MemorySession"
) -> None:
    session.wanted = 2
    running = served()
    voter = Voter(browser, running)
    voter.ready(0)
    voter.press("ArrowLeft", 1)
    voter.page.keyboard.press("ArrowDown")
    expect(voter.page.get_by_role("heading", name="Thank you")).to_be_focused()
    expect(voter.page.locator("#message-text")).to_contain_text("All 2 answers are stored.")
    running.thread.join(10)
    assert running.result == [2]
    assert voter.complaints == []
    voter.context.close()
