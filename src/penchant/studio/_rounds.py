"""The owner's votes, round after round: after each the studio offers to align."""

from penchant.study import HUMAN, Study


class Rounds:
    """How many votes the owner is asked for now; nothing before there is a generator. A new version begins a new round.

    Args:
        study: what is voted on.
        votes: in a round. A studio that is opened again goes on with the round that was begun.
    """

    def __init__(self, study: Study, votes: int):
        self.votes = votes
        self._study = study
        self._wanted = 0
        self._version = 0

    @property
    def wanted(self) -> int:
        """The number of the owner's votes at which the round is complete."""
        latest = self._study.versions.named("latest")
        if self._version != latest.number:
            learned_from = int(latest.figures.get("votes", 0))
            fresh = len(self._study.store.votes()) - learned_from
            left = self.votes - fresh if 0 <= fresh < self.votes else max(1, self.votes // 2)
            self._wanted, self._version = self._given + left, latest.number
        return self._wanted

    def extend(self, more: int) -> None:
        """Want ``more`` votes on top of those there are."""
        self._version = self._study.versions.named("latest").number
        self._wanted = self._given + more

    @property
    def _given(self) -> int:
        return self._study.store.count_votes(HUMAN)
