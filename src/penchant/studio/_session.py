"""What the voting page needs: whoever offers these methods can be voted on in a browser."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from penchant.core.contracts import Choice


class Pair(Protocol):
    """Two images to choose between: the query's number, and the sha256 of each image's PNG bytes."""

    @property
    def number(self) -> int:
        """The query's number; a vote names it."""
        ...

    @property
    def left(self) -> str:
        """The left image's sha256."""
        ...

    @property
    def right(self) -> str:
        """The right image's sha256."""
        ...


class VotingProgress(Protocol):
    """How far the voting is, and what was learned so far in plain sentences (shown in this order)."""

    @property
    def votes(self) -> int:
        """Votes given."""
        ...

    @property
    def wanted(self) -> int:
        """Votes after which the page says thank you and the server ends."""
        ...

    @property
    def learned(self) -> Mapping[str, str]:
        """Sentences by topic, for example ``{"sureness": "Fairly sure …", "taste": "Warm colours pull."}``."""
        ...


class VotingSession(Protocol):
    """One person voting on one study. All methods are called from one thread, the one that serves."""

    def ask(self) -> Pair:
        """The pair to answer now: the oldest that was asked and not answered; the same one until it is."""
        ...

    def prefetch(self, count: int) -> Sequence[Pair]:
        """Up to ``count`` pairs that come after :meth:`ask`, so that their images can be loaded already."""
        ...

    def tell(
        self,
        query: int,
        choice: Choice,
        *,
        client_key: str,
        shown_at: float | None,
        response_ms: float | None,
        hidden_ms: float | None,
        input: str | None,
        viewport: str | None,
    ) -> int:
        """Store a vote, and only then return the number of votes so far. The same key again counts once.

        Raises:
            BadVote: an unknown query, one that was answered already, or the key was used for something else.
        """
        ...

    def undo(self) -> bool:
        """Take back the last vote (whose pair :meth:`ask` then gives again); False where there is none."""
        ...

    def progress(self) -> VotingProgress:
        """Where the voting stands."""
        ...

    def image_png(self, sha256: str) -> bytes:
        """The PNG bytes of an image of this study; raises BadVote where there is none."""
        ...
