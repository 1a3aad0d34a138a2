"""The versions of a study in order, by all blind comparisons of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from penchant.core.errors import NotReady
from penchant.core.rng import Rng
from penchant.metrics import Agreement, bradley_terry, connected
from penchant.study.alpha import agreement_figures
from penchant.study.comparing import KINDS, Compared, agreement_on, comparisons
from penchant.study.study import Study

_RESAMPLES = 400
_OUTCOMES = {"left": 1.0, "right": 0.0, "tie": 0.5}
_FEW_VOTERS = 5


@dataclass(frozen=True)
class Standing:
    """A version: how often it would be preferred to the reference, with a 95% interval, and from how many answers."""

    version: int
    value: float
    low: float
    high: float
    votes: int


@dataclass(frozen=True)
class Leaderboard:
    """The versions linked to the ``reference`` by comparisons, best first; ``apart`` are not linked to it."""

    reference: int
    standings: tuple[Standing, ...]
    apart: tuple[int, ...]
    voters: int
    votes: int
    ties: float
    notes: tuple[str, ...]
    agreement: Agreement
    """Of the voters with each other, on what several answered."""

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {**asdict(self), "agreement": agreement_figures(self.agreement)}


def leaderboard(study: Study) -> Leaderboard:
    """Bradley-Terry strengths with Davidson's ties under a normal prior; intervals by resampling voters.

    Only blind comparisons count: their pairs are drawn at random, whereas pairs chosen to learn a taste would bias it.
    *Both bad* and skipped pairs say nothing of which is better. Voters are resampled whole, since one person's answers
    hang together; of one voter alone the answers are resampled, which says nothing of other people.

    Raises:
        NotReady: nothing was compared yet.
    """
    found = [each for each in comparisons(study.store.events(kinds=KINDS)) if str(each.choice) in _OUTCOMES]
    if not found:
        raise NotReady(
            f"no versions were compared yet; `penchant compare {study.path} base latest` asks which is better, and "
            f"`penchant leaderboard {study.path} --by votes` has a model of the votes guess"
        )
    return rank(found, study.rng.child("leaderboard"))


def rank(found: Sequence[Compared], rng: Rng) -> Leaderboard:
    """The leaderboard of these answers; the reference is the lowest version of the largest group of linked ones."""
    versions = sorted({version for each in found for version in each.versions})
    place = {version: index for index, version in enumerate(versions)}
    pairs = np.array([[place[version] for version in each.versions] for each in found])
    groups = connected(len(versions), pairs)
    largest = max(groups, key=len)
    linked = [each for each in found if place[each.versions[0]] in largest]
    members = [versions[index] for index in largest]
    strength = _strengths(linked, members)
    voters = sorted({each.voter for each in linked})
    clusters = [[each for each in linked if each.voter == voter] for voter in voters]
    if len(voters) == 1:
        clusters = [[each] for each in linked]
    numbers = rng.numpy()
    draws: list[np.ndarray] = []
    for _ in range(_RESAMPLES):
        chosen = numbers.integers(len(clusters), size=len(clusters))
        draws.append(_strengths([each for index in chosen for each in clusters[index]], members))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    standings = [
        Standing(version, float(strength[i]), float(low[i]), float(high[i]), sum(version in e.versions for e in linked))
        for i, version in enumerate(members)
    ]
    apart = tuple(version for version in versions if version not in members)
    return Leaderboard(
        reference=members[0],
        standings=tuple(sorted(standings, key=lambda one: -one.value)),
        apart=apart,
        voters=len(voters),
        votes=len(linked),
        ties=sum(str(each.choice) == "tie" for each in linked) / len(linked),
        notes=tuple(_notes(voters, apart, members[0])),
        agreement=agreement_on(linked, rng.child("agreement")),
    )


def _strengths(found: Sequence[Compared], members: Sequence[int]) -> np.ndarray:
    """P(preferred to the first of the members) of each."""
    place = {version: index for index, version in enumerate(members)}
    pairs = np.array([[place[version] for version in each.versions] for each in found])
    scores = bradley_terry(len(members), pairs, [_OUTCOMES[str(each.choice)] for each in found]).scores
    return 1 / (1 + np.exp(scores[0] - scores))


def _notes(voters: Sequence[str], apart: Sequence[int], reference: int) -> list[str]:
    notes = notes_of_voters(voters)
    if apart:
        names = ", ".join(map(str, apart))
        notes.append(f"Not linked to these by any comparison: {names}; compare one of them with {reference}")
    return notes


def notes_of_voters(voters: Sequence[str]) -> list[str]:
    """What intervals of so many voters do not hold."""
    if len(voters) == 1:
        return [f"All answers are those of {voters[0]}: the intervals say nothing of other people"]
    if len(voters) < _FEW_VOTERS:
        return [f"With {len(voters)} voters the intervals are too narrow: there are few people to draw from"]
    return []
