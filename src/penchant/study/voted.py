"""The versions of a study in order by the votes that teach its taste, made fair to pairs that were chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from penchant.core.errors import NotReady
from penchant.metrics import effective_number, linear_strengths
from penchant.study.alpha import WORTH, agreement_of_votes
from penchant.study.leaderboard import Leaderboard, Standing, notes_of_voters
from penchant.study.study import Study

Which = Literal["audits", "votes"]
"""Only the audit stream, whose pairs are uniformly random; or all votes, by the inverse of their propensities."""

_FEWEST = 5
_CANDIDATES = 300
_RESAMPLES = 200
_SPREAD = 2.0
"""What utilities are expected to vary by, in logits."""
_MOST = 20.0
"""A vote counts at most so many times the median one: of a pair that was hardly ever asked, one says little."""


@dataclass(frozen=True)
class _Vote:
    voter: str
    difference: Float[np.ndarray, " d"]
    outcome: float
    weight: float


def leaderboard_of_votes(study: Study, which: Which = "votes") -> Leaderboard:
    """P(an image of a version is preferred to one of the first version), by a taste of the votes that fits no better
    to pairs that were chosen than to others.

    Nobody has to compare versions for it: a logistic regression on the features of the candidates is taught by the
    votes, each as often as the inverse of its propensity says (``votes``) or by the audits alone, and then asked about
    every version's candidates. Intervals by resampling voters whole (of one voter alone, their answers). It is the word
    of a model: where versions were compared themselves, :func:`penchant.study.leaderboard.leaderboard` is better.

    A strategy that always asks the same pair gives every other pair no chance, which no weight makes up for: audits
    have no such gap. Pairs asked again, *both bad* and skipped ones are left out. Cost: 200 small regressions.

    Raises:
        NotReady: fewer than five such votes, or no version with candidates.
    """
    votes = _votes(study, which)
    if len(votes) < _FEWEST:
        kind = "audits (uniformly random pairs)" if which == "audits" else "votes that say which is better"
        raise NotReady(
            f"a leaderboard from votes needs at least {_FEWEST} {kind}; found {len(votes)}. "
            f"`penchant compare {study.path} base latest` asks people about the versions themselves"
        )
    versions = sorted(version.number for version in study.versions.all())
    rng = study.rng.child("leaderboard", which)
    shown = {version: _candidates(study, version, rng.child(version).numpy()) for version in versions}
    ridge = float(np.concatenate(list(shown.values())).var(axis=0).sum()) / _SPREAD**2
    rates = _rates(votes, shown, max(ridge, 1e-6))
    voters = sorted({vote.voter for vote in votes})
    clusters = [[vote for vote in votes if vote.voter == voter] for voter in voters]
    if len(voters) == 1:
        clusters = [[vote] for vote in votes]
    numbers = rng.child("resamples").numpy()
    draws: list[Float[np.ndarray, " v"]] = []
    for _ in range(_RESAMPLES):
        chosen = numbers.integers(len(clusters), size=len(clusters))
        draws.append(_rates([vote for index in chosen for vote in clusters[index]], shown, max(ridge, 1e-6)))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    counted = {version: sum(query.pool == version for query, _ in study.taste.votes.values()) for version in versions}
    standings = [
        Standing(version, float(rates[i]), float(low[i]), float(high[i]), counted[version])
        for i, version in enumerate(versions)
    ]
    return Leaderboard(
        reference=versions[0],
        standings=tuple(sorted(standings, key=lambda one: -one.value)),
        apart=(),
        voters=len(voters),
        votes=len(votes),
        ties=sum(vote.outcome == 0.5 for vote in votes) / len(votes),
        notes=(*_notes(votes, which), *notes_of_voters(voters)),
        agreement=agreement_of_votes(study.taste.votes, study.taste.voters, rng.child("agreement")),
    )


def _votes(study: Study, which: Which) -> list[_Vote]:
    taste = study.taste
    kept = [
        (taste.voters[seq], query, WORTH[choice])
        for seq, (query, choice) in taste.votes.items()
        if choice in WORTH and query.repeat_of is None and (query.audit or which == "votes")
    ]
    if not kept:
        return []
    inverse = np.array([1.0 if which == "audits" else 1 / max(query.propensity, 1e-12) for _, query, _ in kept])
    weights = np.minimum(inverse, _MOST * float(np.median(inverse)))
    weights *= len(weights) / weights.sum()
    return [
        _Vote(
            voter,
            taste.features_of(query.pool, query.left_row) - taste.features_of(query.pool, query.right_row),
            outcome,
            weight,
        )
        for (voter, query, outcome), weight in zip(kept, weights.tolist(), strict=True)
    ]


def _candidates(study: Study, version: int, numbers: np.random.Generator) -> Float[np.ndarray, "n d"]:
    features = study.extractors.features(study.taste.learned, version)
    rows = np.sort(numbers.permutation(len(features))[:_CANDIDATES])
    return np.asarray(features[rows], dtype=np.float64)


def _rates(votes: Sequence[_Vote], shown: dict[int, Float[np.ndarray, "n d"]], ridge: float) -> Float[np.ndarray, " v"]:
    """Of each version: how often one of its candidates is preferred to one of the first version's."""
    taste = linear_strengths(
        np.array([vote.difference for vote in votes]),
        np.array([vote.outcome for vote in votes]),
        np.array([vote.weight for vote in votes]),
        ridge,
    )
    worth = [features @ taste for features in shown.values()]
    return np.array([float(expit(own[:, None] - worth[0][None]).mean()) for own in worth])


def _notes(votes: Sequence[_Vote], which: Which) -> list[str]:
    told = ["A model of the votes says so: nobody was shown images of two versions side by side"]
    if which == "votes":
        enough = effective_number(np.array([vote.weight for vote in votes]))
        told.append(f"Weighted by the inverse of their propensities, {len(votes)} votes count as {enough:.0f}")
    return told
