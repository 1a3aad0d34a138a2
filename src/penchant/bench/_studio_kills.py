"""kill -9 of the studio, and of what trains beside it, in the middle of votes: what is left, and is it the same."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from penchant.bench._running import Row
from penchant.bench._studio_served import Caller, Served, belief, guest, owner
from penchant.core.contracts import Choice, Progress, Report, silent
from penchant.store import OWNER_NAME
from penchant.study import Study, StudySettings
from penchant.study.making import Desk, Made

_CHOICES = (Choice.LEFT, Choice.RIGHT, Choice.TIE, Choice.BOTH_BAD, Choice.SKIP)
_SECONDS_TO_LOOK = (0.0, 0.1)


@dataclass(frozen=True)
class Left:
    """What was there in the end: keys acknowledged and not stored, stored twice, stored and never acknowledged; how
    often which process was killed; answers that were lost on the way; whether three beliefs are one."""

    acknowledged: int
    missing: int
    doubled: int
    unknown: int
    killed: Counter[str]
    lost_replies: int
    same_belief: bool


@dataclass
class Kills:
    """``voters`` give ``votes`` together; at ``kills`` random ones among them a process is ended with SIGKILL: the
    studio, what aligns beside it, or both. The studio is started again, and aligning is begun again; voters wait at the
    next point until it goes on, so that each time there is something to kill.

    Voters do what the page does: they send an answer again, under the same key, until it is acknowledged.

    Args:
        study: its folder; trained, and aligning should take long.
    """

    study: Path
    votes: int
    kills: int
    voters: int = 8
    seed: int = 0
    report: Report = silent
    _served: Served = field(init=False)
    _acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    _killed: Counter[str] = field(default_factory=Counter[str])
    _guests: list[Caller] = field(default_factory=list[Caller])
    _go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def run(self) -> Left:
        """Do it; RuntimeError where a voter is refused, or waits for minutes."""
        rng = np.random.default_rng(self.seed)
        self._served = Served(self.study)
        try:
            asyncio.run(self._all(rng))
            said = [asyncio.run(belief(self._served))]
            self._served.kill()
            self._restart()
            said.append(asyncio.run(belief(self._served)))
        finally:
            self._served.kill()
        with Study.open(self.study) as study:
            stored = Counter(event.client_key for event in study.store.votes())
            answered = Counter((event.voter, event.query) for event in study.store.votes())
            replayed = {"through": study.taste.through, "votes": len(study.taste.votes), "sha256": study.taste.hash}
        keys = {key for key in stored if key.startswith("kill-")}
        return Left(
            len(self._acknowledged),
            len(set(self._acknowledged) - keys),
            sum(count - 1 for count in (*stored.values(), *answered.values())),
            len(keys - set(self._acknowledged)),
            self._killed,
            sum(caller.lost for caller in self._guests),
            said == [replayed, replayed],
        )

    async def _all(self, rng: np.random.Generator) -> None:
        self._go_on.set()
        self._guests = [await guest(self._served, f"killed-{number}") for number in range(self.voters)]
        points = sorted(rng.choice(np.arange(1, self.votes), self.kills, replace=False).tolist())
        killing = asyncio.create_task(self._kill(points, rng))
        shares = [len(part) for part in np.array_split(np.arange(self.votes), self.voters)]
        voting = [
            asyncio.create_task(self._vote(place, caller, share, np.random.default_rng((self.seed, place))))
            for place, (caller, share) in enumerate(zip(self._guests, shares, strict=True))
        ]
        try:
            await asyncio.gather(*voting)
            await killing
        finally:
            for task in (*voting, killing):
                task.cancel()
            for caller in self._guests:
                caller.close()

    async def _vote(self, place: int, caller: Caller, votes: int, rng: np.random.Generator) -> None:
        for number in range(votes):
            dealt = await caller.insist((200,), "GET", "/api/v1/pairs?n=1")
            await asyncio.sleep(float(rng.uniform(*_SECONDS_TO_LOOK)))
            await self._go_on.wait()
            key, query = f"kill-{place}-vote-{number}", int(dealt.json["pairs"][0]["query"])
            body = {"query": query, "choice": str(rng.choice(_CHOICES)), "response_ms": 700}
            await caller.insist((200, 201), "POST", "/api/v1/votes", body, Idempotency_Key=key)
            self._acknowledged[key] = query
            self.report(Progress("voting and killing", len(self._acknowledged) / self.votes))

    async def _kill(self, points: list[int], rng: np.random.Generator) -> None:
        for point in points:
            while len(self._acknowledged) < point:
                await asyncio.sleep(0.002)
            self._go_on.clear()
            await self._align()
            self._go_on.set()
            await asyncio.sleep(float(rng.uniform(0, 0.2)))
            whom = str(rng.choice(["studio", "training", "both"]))
            if whom != "studio":
                self._killed["training"] += _killed_maker(self.study)
            if whom != "training":
                self._killed["studio"] += 1
                self._served.kill()
                await asyncio.to_thread(self._restart)

    async def _align(self) -> None:
        """Begin to align, where that does not go on already, and wait until it does."""
        asking = owner(self._served)
        while _maker(self.study) is None:
            await asking.insist((200, 503), "POST", "/api/v1/work/align", {})
            await asyncio.sleep(0.2)
        asking.close()

    def _restart(self) -> None:
        self._served = Served(self.study, ("--port", str(self._served.port)))


def _maker(study: Path) -> int | None:
    """The process that trains or aligns; None where nothing is made now."""
    desk = Desk(study)
    with suppress(OSError, ValueError, KeyError):
        if desk.busy:
            return int(json.loads((desk.folder / OWNER_NAME).read_text(encoding="utf-8"))["pid"])
    return None


def _killed_maker(study: Path) -> bool:
    maker = _maker(study)
    if maker is not None:
        os.kill(maker, signal.SIGKILL)
    return maker is not None


def resumed_rows(study: Path, report: Report) -> list[Row]:
    """A first training that is killed with its studio after its first checkpoint, a minute from its start."""
    Study.create(study, StudySettings(source="pictures:1000", train_seconds=150, pool=400)).close()
    desk = Desk(study)

    def heard_when(there: Callable[[Made], bool]) -> Made:
        """What the training said when that held; then it and its studio are killed."""
        with Served(study) as served:
            asyncio.run(_train(served))
            while not there(heard := desk.heard()):
                if not heard.running:
                    raise RuntimeError(f"the training ended: {heard.error or heard}")
                report(Progress("training, to be killed", heard.fraction))
                time.sleep(0.1)
            _killed_maker(study)
            served.kill()
        return heard

    before = heard_when(lambda _: any((study / "training" / "checkpoint").glob("*.safetensors")))
    after = heard_when(lambda made: made.stage == before.stage and made.fraction > 0)
    told = "training killed with its studio"
    return [
        Row(f"{told}, share that was done", before.fraction),
        Row.against(f"{told}: the next goes on at", after.fraction, f"≥ {0.9 * before.fraction:.3f}"),
    ]


async def _train(served: Served) -> None:
    asking = owner(served)
    await asking.insist((200,), "POST", "/api/v1/work/train")
    asking.close()


def kill_rows(study: Path, votes: int, kills: int, report: Report) -> list[Row]:
    """What was lost, doubled or different; the bars are none."""
    left = Kills(study, votes, kills, report=report).run()
    what = f"kill -9 at {kills} of {votes:,} votes"
    return [
        Row(f"{what}: studios killed", left.killed["studio"]),
        Row(f"{what}: processes that aligned killed", left.killed["training"]),
        Row(f"{what}: replies lost on the way", left.lost_replies),
        Row.against(f"{what}: acknowledged and not there", left.missing, "≤ 0"),
        Row.against(f"{what}: there twice", left.doubled, "≤ 0"),
        Row.against(f"{what}: beliefs of studio, next studio and replay are one", left.same_belief, "≥ 1"),
    ]
