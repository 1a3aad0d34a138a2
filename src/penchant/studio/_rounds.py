"""The owner's votes, round after round: after each the studio offers to align."""

from penchant.study import HUMAN, Study


class Rounds:
    """How many votes the owner is asked for now; nothing before there is a generator.

    Args:
        study: what is voted on.
        votes: in a round. A studio that is opened again goes on with the round that was begun.
    """

    def __init__(self, study: Study, votes: int):
        self.votes = votes
        self._study = study
        self._wanted: int | None = None

    @property
    def wanted(self) -> int:
        """The number of the owner's votes at which the round is complete."""
        if self._wanted is None:
            learned_from = int(self._study.versions.named("latest").figures.get("votes", 0))
            fresh = len(self._study.store.votes()) - learned_from
            left = self.votes - fresh if 0 <= fresh < self.votes else max(1, self.votes // 2)
            self._wanted = self._given + left
        return self._wanted

    def next_round(self, more: int | None = None) -> None:
        """Want ``more`` votes (or a whole round's) on top of those there are."""
        self._wanted = self._given + (self.votes if more is None else more)

    @property
    def _given(self) -> int:
        return self._study.store.count_votes(HUMAN)
