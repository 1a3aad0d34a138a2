"""The votes of the person at the screen, round after round."""

from collections.abc import Sequence

from penchant.core.contracts import Choice
from penchant.store import Query
from penchant.study import BrowserVoting, Study
from penchant.study.voting import VotingState


class Rounds:
    """A voting session that begins when there is a generator, and has a next round after each.

    Args:
        study: what is voted on.
        votes: in a round. A studio that is opened again goes on with the round that was begun.
    """

    def __init__(self, study: Study, votes: int):
        self._study = study
        self._votes = votes
        self._begun: BrowserVoting | None = None

    def next_round(self, more: int | None = None) -> None:
        """Want ``more`` votes (or a whole round's) on top of those there are, on the latest candidates."""
        self._voting.next_round(self._votes if more is None else more)

    def ask(self) -> Query:
        """The pair to answer now."""
        return self._voting.ask()

    def prefetch(self, count: int) -> Sequence[Query]:
        """Up to ``count`` pairs after it."""
        return self._voting.prefetch(count)

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
        """Store a vote."""
        return self._voting.tell(
            query,
            choice,
            client_key=client_key,
            shown_at=shown_at,
            response_ms=response_ms,
            hidden_ms=hidden_ms,
            input=input,
            viewport=viewport,
        )

    def undo(self) -> bool:
        """Take back the last vote."""
        return self._voting.undo()

    def progress(self) -> VotingState:
        """Where the round stands."""
        return self._voting.progress()

    def image_png(self, sha256: str) -> bytes:
        """An image that was shown."""
        return self._study.store.image_png(sha256)

    @property
    def _voting(self) -> BrowserVoting:
        if self._begun is None:
            learned_from = int(self._study.versions.named("latest").figures.get("votes", 0))
            fresh = len(self._study.taste.votes) - learned_from
            left = self._votes - fresh if 0 <= fresh < self._votes else max(1, self._votes // 2)
            self._begun = BrowserVoting(self._study, left)
        return self._begun
