"""Two studios on one study in PostgreSQL: one log, one taste, no vote twice; one ends; the database restarts."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.postgresql import cluster

from penchant.bench._postgresql import Cluster
from penchant.bench._studio_served import Caller, Served, belief, guest
from penchant.core.contracts import Choice
from penchant.core.errors import BadConfiguration, StudyBusy
from penchant.store import NewEvent, Store, StudyLock, StudySeat
from penchant.study import Study, StudySettings


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def folder(postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together") / "study"
    settings = {
        "source": "pictures:300", "images": {"size": 28}, "pool": 60, "train_images": 300,
        "database": postgresql.create("together"),
    }  # fmt: skip
    with Study.create(folder, StudySettings.parse(settings, "the test")) as study:
        study.train()
    return folder


@pytest.fixture(scope="module")
def studios(folder: Path) -> Iterator[Sequence[Served]]:
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(Served, [folder, folder]))
    yield both
    for one in both:
        one.kill()


def at(caller: Caller, served: Served) -> Caller:
    """The same browser, sent to another process by the proxy in front."""
    origin = caller.headers["Origin"].replace(str(caller.port), str(served.port))
    return Caller(served.port, {**caller.headers, "Origin": origin})


@asynccontextmanager
async def browsers(studios: Sequence[Served], names: Sequence[str]) -> AsyncGenerator[list[list[Caller]]]:
    """Of each voter one that was let in at one studio, and the same at the other."""
    came = [await guest(studios[place % 2], name) for place, name in enumerate(names)]
    both = [[caller, at(caller, studios[(place + 1) % 2])] for place, caller in enumerate(came)]
    try:
        yield both
    finally:
        for caller in (one for pair in both for one in pair):
            caller.close()
        await asyncio.sleep(0.1)


async def vote(ask: Caller, tell: Sequence[Caller], key: str) -> None:
    """A pair asked for at one process and answered at others, at once, under one key."""
    pair = (await ask.insist((200,), "GET", "/api/v1/pairs?n=1")).json["pairs"][0]
    body = {"query": pair["query"], "choice": "left"}
    sent = [one.insist((200, 201), "POST", "/api/v1/votes", body, Idempotency_Key=key) for one in tell]
    answers = await asyncio.gather(*sent)
    assert len({answer.json["id"] for answer in answers}) == 1
    double = await tell[0].ask("POST", "/api/v1/votes", body, Idempotency_Key=f"{key}-again")
    assert double.status == 409


def stored(folder: Path) -> list[str]:
    with Store.open(folder, StudySettings.load(folder).database) as store:
        votes = store.votes()
    assert len({(event.voter, event.query) for event in votes}) == len(votes)
    return [event.client_key for event in votes]


def replayed(folder: Path) -> dict[str, object]:
    with Study.beside(folder) as study:
        taste = study.taste
        return {"through": taste.through, "votes": len(taste.votes), "sha256": taste.hash}


@pytest.mark.slow
def test_two_studios_have_one_log_and_one_taste(studios: Sequence[Served], folder: Path) -> None:
    async def all_at_once() -> None:
        async with browsers(studios, [f"voter-{number}" for number in range(4)]) as people:

            async def person(number: int) -> None:
                for turn in range(6):
                    await vote(people[number][turn % 2], people[number], f"voter-{number}-{turn}")

            await asyncio.gather(*(person(number) for number in range(4)))

    asyncio.run(all_at_once())
    expected = sorted(f"voter-{number}-{turn}" for number in range(4) for turn in range(6))
    assert sorted(stored(folder)) == expected
    beliefs = [asyncio.run(belief(one)) for one in studios]
    assert beliefs[0]["votes"] == 24
    assert beliefs == [replayed(folder)] * 2
    with Store.open(folder, StudySettings.load(folder).database) as store:
        audits = [(query.left_row, query.right_row) for query in store.queries() if query.audit]
    assert len(set(audits)) == len(audits), "each process draws its own"


@pytest.mark.slow
def test_a_database_that_restarts_under_votes_loses_and_doubles_none(
    studios: Sequence[Served], folder: Path, postgresql: Cluster
) -> None:
    before = len(stored(folder))

    said: set[str] = set()

    async def vote_on() -> int:
        async with browsers(studios, [f"patient-{number}" for number in range(4)]) as people:
            restarting = asyncio.create_task(asyncio.to_thread(restart))

            async def person(number: int) -> int:
                turn = 0
                while not restarting.done() or turn < 3:
                    await vote(people[number][turn % 2], people[number], f"patient-{number}-{turn}")
                    turn += 1
                return turn

            async def looking() -> int:
                asking = Caller(studios[0].port)
                while not restarting.done():
                    answer = await asking.ask("GET", "/healthz")
                    said.add(f"{answer.status} {answer.json.get('error')}")
                    await asyncio.sleep(0.01)
                asking.close()
                return 0

            told = await asyncio.gather(*(person(number) for number in range(4)), looking())
            await restarting
            return sum(told)

    def restart() -> None:
        postgresql.stop("immediate")
        postgresql.start()

    assert asyncio.run(vote_on()) == len(stored(folder)) - before
    refused = [text for text in said if not text.startswith("200")]
    assert refused
    assert all(text.startswith("503 the database at postgresql+psycopg://penchant@127.0.0.1") for text in refused)
    assert all("Everything acknowledged so far is in it" in text for text in refused)
    assert [asyncio.run(belief(one)) for one in studios] == [replayed(folder)] * 2


@pytest.mark.slow
def test_the_other_studio_goes_on_and_nobody_has_the_study_alone(studios: Sequence[Served], folder: Path) -> None:
    async def goes_on() -> None:
        async with browsers(studios, ["loyal"]) as ((here, there),):
            await vote(here, [here], "loyal-vote-0")
            studios[0].kill()
            await vote(there, [there], "loyal-vote-1")

    asyncio.run(goes_on())
    assert stored(folder)[-2:] == ["loyal-vote-0", "loyal-vote-1"]
    with pytest.raises(StudyBusy, match=rf"process {studios[1].process.pid} on .* is serving the study"):
        Study.open(folder)
    studios[1].kill()
    with Study.open(folder) as study:
        assert list((folder / "seats").iterdir()) == []
        with pytest.raises(StudyBusy, match="open in this process already"):
            Study.open(folder)
        assert study.taste.votes


def test_seats_and_the_lock_keep_one_another_out(tmp_path: Path) -> None:
    seats = [StudySeat(tmp_path), StudySeat(tmp_path)]
    seats[0].release()
    with pytest.raises(StudyBusy, match="open in this process already"):
        StudyLock(tmp_path)
    seats[1].release()
    with StudyLock(tmp_path) as lock:
        assert lock.held


def test_a_seat_is_refused_while_somebody_has_the_study_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant.store._seat._SECONDS_TO_SIT", 0.1)
    with StudyLock(tmp_path), pytest.raises(StudyBusy):
        StudySeat(tmp_path)
    StudySeat(tmp_path).release()


def test_a_study_in_a_file_is_served_by_one(study: Study) -> None:
    with pytest.raises(BadConfiguration, match="one process at a time serves them"):
        Study.join(study.path)


def test_what_others_ask_is_counted_and_never_asked_again_twice(study: Study) -> None:
    pool = study.pool()
    first = study.next_query()
    with Study.beside(study.path) as other:
        other.versions.refresh()
        second = other.next_query()
        study._asker._heard()
        assert study._asker._counts(1, len(pool)).sum() == 4
        again = replace(study._own_event("vote", "anna"), query=second.number, choice=Choice.LEFT)
        assert isinstance(again, NewEvent)
        study.keep(again)
        third = other.next_query()
    assert study.next_query().number == third.number + 1 > first.number
