"""What the studio promises, kept by real processes: kill -9, a lost reply, a full disk, secrets that outlive both."""

import asyncio
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from penchant.bench._studio_kills import Kills
from penchant.bench._studio_served import Answer, Caller, Served, owner
from penchant.core.errors import StudyDamaged
from penchant.store import Store
from penchant.studio._access import kept_access


@pytest.fixture(scope="module")
def folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained study that aligns for as long as it is let."""
    folder = copytree(trained_folder, tmp_path_factory.mktemp("promises") / "study")
    settings = folder / "study.toml"
    settings.write_text(settings.read_text().replace("steps=20", "steps=1000000"))
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with Served(folder) as running:
        yield running


def asked(served: Served, method: str, path: str, body: object = None, **headers: str) -> Answer:
    async def ask() -> Answer:
        caller = owner(served)
        answer = await caller.ask(method, path, body, **headers)
        caller.close()
        return answer

    return asyncio.run(ask())


def next_vote(served: Served) -> dict[str, Any]:
    pair = asked(served, "GET", "/api/v1/pairs?n=1").json["pairs"][0]
    return {"query": pair["query"], "choice": "left"}


def keys(folder: Path) -> list[str]:
    with Store.open(folder) as store:
        return [event.client_key for event in store.votes()]


def test_a_reply_that_was_lost_and_asked_for_again_is_one_vote(served: Served, folder: Path) -> None:
    vote, key = next_vote(served), "lost-reply"

    async def lose() -> list[Answer]:
        lost = Caller(served.port, owner(served).headers)
        task = asyncio.create_task(lost.ask("POST", "/api/v1/votes", vote, Idempotency_Key=key))
        await asyncio.sleep(0.02)
        lost.close()  # it was sent; whatever is answered is never read
        await asyncio.gather(task, return_exceptions=True)
        again = owner(served)
        answers = [await again.ask("POST", "/api/v1/votes", vote, Idempotency_Key=key) for _ in range(2)]
        again.close()
        return answers

    answers = asyncio.run(lose())
    assert answers[1].status == 200
    assert answers[0].json["id"] == answers[1].json["id"]
    assert keys(folder).count(key) == 1


def test_a_full_disk_is_said_loses_nothing_and_is_over_when_there_is_room(served: Served, folder: Path) -> None:
    vote, before = next_vote(served), keys(folder)
    size = max(path.stat().st_size for path in folder.glob("penchant.db*"))
    unlimited = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))  # smaller than any write ends at
    assert size > 4096
    try:
        refused = asked(served, "POST", "/api/v1/votes", vote, Idempotency_Key="full-disk")
    finally:
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert refused.status == 507
    assert "Everything acknowledged so far is kept. Free some space" in refused.json["error"]
    assert keys(folder) == before
    assert asked(served, "POST", "/api/v1/votes", vote, Idempotency_Key="full-disk").status == 201
    assert keys(folder) == [*before, "full-disk"]


@pytest.mark.slow
def test_kill_9_of_studio_and_training_loses_and_doubles_no_vote(served: Served, folder: Path) -> None:
    served.kill()
    left = Kills(folder, votes=40, kills=2, voters=4, seed=8).run()
    assert (left.acknowledged, left.missing, left.doubled, left.unknown) == (40, 0, 0, 0)
    assert left.killed == {"studio": 1, "training": 2}  # once both together
    assert left.same_belief


def test_secrets_are_made_once_and_are_their_owners(tmp_path: Path) -> None:
    made = kept_access(tmp_path)
    assert kept_access(tmp_path) == made
    assert len(made.token) == len(made.csrf) == 43  # 256 bits
    assert [path.name for path in tmp_path.iterdir()] == ["studio.json"]
    assert stat.S_IMODE((tmp_path / "studio.json").stat().st_mode) == 0o600
    (tmp_path / "other").mkdir()
    assert kept_access(tmp_path / "other").token != made.token


@pytest.mark.parametrize("kept", ["", "[]", '{"token": "guess", "csrf": "guess"}'])
def test_secrets_that_are_none_are_refused(tmp_path: Path, kept: str) -> None:
    (tmp_path / "studio.json").write_text(kept)
    with pytest.raises(StudyDamaged, match="remove it"):
        kept_access(tmp_path)
