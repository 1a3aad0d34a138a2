"""Votes on their way to the disk: those that come while others are being stored are stored together, next."""

import asyncio
from dataclasses import dataclass, field

from penchant.store import KeptVote, NewVote, Store

_MOST_AT_ONCE = 200

_Waiting = tuple[NewVote, "asyncio.Future[KeptVote]"]


@dataclass
class Recorder:
    """Keeps votes in the order in which they come; the thread that serves goes on meanwhile.

    A vote that comes alone is stored at once. Under load one transaction holds all that came during the one before, so
    fifty voters pay for one commit, not for fifty, and nobody waits longer than two of them.

    Args:
        store: where they go.
    """

    store: Store
    _waiting: list[_Waiting] = field(default_factory=list[_Waiting])
    _storing: "asyncio.Task[None] | None" = None

    async def keep(self, vote: NewVote) -> KeptVote:
        """Store it; on the disk when this returns.

        Raises:
            BadVote: as :meth:`penchant.store.Store.append`; QuotaReached where its voter may give no more.
            StorageFull, StudyBusy, StudyMissing, StudyDamaged: it was not stored.
        """
        future: asyncio.Future[KeptVote] = asyncio.get_running_loop().create_future()
        self._waiting.append((vote, future))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
        return await future

    async def _store(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                await self._stored(batch)
        finally:
            self._storing = None

    async def _stored(self, batch: list[_Waiting]) -> None:
        try:
            answers = await asyncio.to_thread(self.store.append_votes, [vote for vote, _ in batch])
        except Exception as error:
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():  # whoever sent it has gone; it is stored all the same
                continue
            if isinstance(answer, KeptVote):
                future.set_result(answer)
            else:
                future.set_exception(answer)
