"""One study and everybody who votes on it: what the handlers and the pages share."""

import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from penchant.studio._access import Access
from penchant.studio._limits import RateLimit
from penchant.studio._recorder import Recorder
from penchant.studio._rounds import Rounds
from penchant.studio._visitors import Visitor, Visitors
from penchant.study import Ballot, Invites, Sender, Study


@dataclass
class SharedStudy:
    """A study being served.

    Votes are stored by a thread of their own and acknowledged at once; learning and asking happen in other threads,
    one at a time, inside :meth:`learning`. Whatever touches the study beyond its store must be inside it too.

    Args:
        study: what is voted on.
        access: the secrets of this run.
        origin: the address people use, where it is not this machine's: ``https://studio.example.org``.
        requests: how many a session may make; see :class:`Visitors`.
        rounds: how many votes the owner is asked for; without it there is no end.
    """

    study: Study
    access: Access = field(default_factory=Access)
    origin: str | None = None
    requests: RateLimit | None = None
    rounds: Rounds | None = None
    _learning: threading.RLock = field(default_factory=threading.RLock)
    _ballots: dict[str, Ballot] = field(default_factory=dict[str, Ballot])

    @cached_property
    def invites(self) -> Invites:
        """Who else may vote."""
        return Invites(self.study.store)

    @cached_property
    def recorder(self) -> Recorder:
        """Where votes go first."""
        return Recorder(self.study.store)

    @cached_property
    def visitors(self) -> Visitors:
        """Who is let in."""
        return Visitors(self.access, self.invites, self.origin, self.requests)

    @cached_property
    def name(self) -> str:
        """Tells this study from others in a browser that votes on several."""
        return sha256(str(self.study.path.resolve()).encode()).hexdigest()[:12]

    def wanted(self, visitor: Visitor) -> int | None:
        """The number of a visitor's votes at which they are asked for no more, or, where there is no end, None."""
        if visitor.quota is not None:
            return visitor.quota
        return self.rounds.wanted if self.rounds is not None and visitor.owner else None

    @contextmanager
    def learning(self) -> Generator[Study]:
        """The study, for one thread at a time; never held by the thread that serves."""
        with self._learning:
            yield self.study

    async def studying(self) -> AsyncGenerator[None]:
        """A dependency for handlers that look at the study in the serving thread: all votes are learned from first."""
        with self.learning() as study:
            study.versions.refresh()
            if study.versions.all():
                study.catch_up()
            yield

    def ballot(self, visitor: Visitor) -> Ballot:
        """What a visitor votes on."""
        return self._ballots.setdefault(visitor.session, Ballot(self.study, Sender(visitor.voter, visitor.session)))
