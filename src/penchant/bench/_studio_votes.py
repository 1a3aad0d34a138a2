"""Votes a second, each on the disk before it is acknowledged, by many voters at once over HTTP."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penchant.bench._running import Row
from penchant.bench._studio_served import Caller, Served, guest
from penchant.core.contracts import Choice
from penchant.store import Store
from penchant.study import Study, StudySettings

CHOICES = (Choice.LEFT, Choice.RIGHT, Choice.TIE)


@dataclass(frozen=True)
class Load:
    """``voters`` at once, each answering ``votes`` pairs, one after the other as fast as they are acknowledged.

    With ``dealt``, each asks for its pairs as the page does, every five votes, and learning goes on beside; without,
    all answer the same pairs, asked beforehand.
    """

    voters: int
    votes: int
    dealt: bool = False

    async def waits(self, served: Served, queries: list[int]) -> tuple[list[float], float, list[str]]:
        """Seconds of each acknowledgement, seconds of them all, and the keys that were acknowledged."""
        callers = [await guest(served, f"voter-{number}") for number in range(self.voters)]
        waits: list[float] = []
        keys: list[str] = []
        started = time.perf_counter()
        await asyncio.gather(*(self._vote(caller, place, queries, waits, keys) for place, caller in enumerate(callers)))
        seconds = time.perf_counter() - started
        for caller in callers:
            caller.close()
        return waits, seconds, keys

    async def _vote(self, caller: Caller, place: int, queries: list[int], waits: list[float], keys: list[str]) -> None:
        waiting: list[int] = []
        for number in range(self.votes):
            if not waiting:
                waiting = queries[number:] if not self.dealt else await _dealt(caller)
            key = f"voter-{place}-vote-{number}"
            body = {"query": waiting.pop(0), "choice": CHOICES[(place + number) % 3], "response_ms": 900}
            clock = time.perf_counter()
            answer = await caller.ask("POST", "/api/v1/votes", body, Idempotency_Key=key)
            waits.append(time.perf_counter() - clock)
            if answer.status != 201:
                raise RuntimeError(f"vote {key} was answered {answer.status}: {answer.body.decode()}")
            keys.append(key)


async def _dealt(caller: Caller) -> list[int]:
    while True:
        answer = await caller.ask("GET", "/api/v1/pairs?n=5")
        if answer.status == 200:
            return [pair["query"] for pair in answer.json["pairs"]]
        await asyncio.sleep(0.05)


def asked_study(folder: Path, queries: int, database: str | None = None, images: int = 300) -> list[int]:
    """A small trained study at ``folder`` with pairs that were asked; gives their numbers."""
    settings = StudySettings(source=f"pictures:{images}", train_seconds=2, pool=400, database=database)
    with Study.create(folder, settings) as study:
        study.train()
        return [study.next_query().number for _ in range(queries)]


def load_rows(what: str, load: Load, folder: Path, queries: list[int], bar: str) -> list[Row]:
    """Votes a second and percentiles; RuntimeError where a vote was lost or doubled."""
    with Served(folder) as served:
        used = served.processor_seconds
        waits, seconds, keys = asyncio.run(load.waits(served, queries))
        used = None if used is None else (served.processor_seconds or used) - used
    database = StudySettings.load(folder).database
    with Store.open(folder, database) as store:
        stored = sorted(event.client_key for event in store.votes() if event.client_key.startswith("voter-"))
    if stored != sorted(keys):
        raise RuntimeError(f"{len(keys)} votes were acknowledged, {len(stored)} are stored")
    percentiles = np.percentile(np.array(waits) * 1000, [50, 95, 99])
    told = f"{what}, {load.voters} voters at once"
    speed = len(keys) / seconds
    rows = [
        Row.against(f"{told}: votes a second", speed, bar, seconds=seconds)
        if bar
        else Row(f"{told}: votes a second", speed)
    ]
    rows += [Row(f"{told}: acknowledged after, median, ms", float(percentiles[0]))]
    rows += [Row.against(f"{told}: acknowledged after, 99th percentile, ms", float(percentiles[2]), "< 100")]
    if used is not None:
        rows += [Row(f"{told}: processor time of the studio a vote, ms", 1000 * used / len(keys))]
    return rows
