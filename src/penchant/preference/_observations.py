"""Votes as what the likelihood sees: signed feature differences, checked, without what says nothing about the taste."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from penchant.core.contracts import Choice, Votes
from penchant.core.errors import BadVote

SILENT = frozenset({Choice.SKIP, Choice.BOTH_BAD})
"""Answers without information on which of the two is better; they are logged and change no pairwise belief."""

_OFTEN = 3
"""From so many votes on, what is particular to an image can be told from slips."""
_MOST = 200
"""Images with an effect of their own, at most: those shown most often. The cost of a refit grows with them."""


@dataclass(frozen=True)
class Observations:
    """Row t of ``differences`` is φ(winner) − φ(loser), or for a tie the difference with either sign.

    ``images`` says which of the images that were shown often stand in a vote: 1 for the winner, −1 for the loser.
    ``when`` is the vote's place among all votes, those that say nothing included, from 0.
    """

    differences: Float[np.ndarray, "t d"]
    ties: Bool[np.ndarray, " t"]
    images: Float[np.ndarray, "t m"]
    when: Int[np.ndarray, " t"]

    def __len__(self) -> int:
        return len(self.ties)

    def first(self, width: int) -> "Observations":
        """The same votes as the first ``width`` features see them."""
        return replace(self, differences=self.differences[:, :width])

    def ordered(self, order: Int[np.ndarray, " t"]) -> "Observations":
        """The same votes in another order."""
        return Observations(self.differences[order], self.ties[order], self.images[order], self.when[order])

    def where(self, kept: Bool[np.ndarray, " t"]) -> "Observations":
        """Some of the votes, with effects of the images that were shown often in them."""
        images = self.images[kept]
        often = (images != 0).sum(0) >= _OFTEN
        return Observations(self.differences[kept], self.ties[kept], images[:, often], self.when[kept])


def observe(votes: Votes, width: int) -> Observations:
    """The votes that say something, in an order and orientation of their own.

    The same votes in any order, or with the sides swapped, give the same arrays to the bit, but for ``when``.

    Raises:
        BadVote: features of another width, or NaN or infinite ones; the text names the vote.
    """
    if not len(votes.left) == len(votes.right) == len(votes.choices):
        raise BadVote(f"{len(votes)} choices for {len(votes.left)} left and {len(votes.right)} right images")
    if not len(votes):
        return Observations(
            np.zeros((0, width)), np.zeros(0, dtype=bool), np.zeros((0, 0)), np.zeros(0, dtype=np.int64)
        )
    left, right = checked(votes.left, width), checked(votes.right, width)
    rows: list[tuple[bytes, bool, Float[np.ndarray, " d"], bytes, bytes, int]] = []
    for place, (a, b, choice) in enumerate(zip(left, right, votes.choices, strict=True)):
        if choice in SILENT:
            continue
        difference = oriented(a, b, choice)
        if difference.any():
            first, second = (a, b) if np.array_equal(difference, a - b) else (b, a)
            key = difference.tobytes()
            rows.append((key, choice == Choice.TIE, difference, first.tobytes(), second.tobytes(), place))
    rows.sort(key=lambda row: (*row[:2], *row[3:]))
    differences = np.array([row[2] for row in rows]).reshape(len(rows), width)
    ties = np.array([row[1] for row in rows], dtype=bool)
    images = _incidence([row[3] for row in rows], [row[4] for row in rows])
    return Observations(differences, ties, images, np.array([row[5] for row in rows], dtype=np.int64))


def _incidence(first: Sequence[bytes], second: Sequence[bytes]) -> Float[np.ndarray, "t m"]:
    """Column i: 1 where the i-th image shown often stands first, −1 where it stands second."""
    shown = Counter([*first, *second])
    often = sorted((name for name in shown if shown[name] >= _OFTEN), key=lambda name: (-shown[name], name))[:_MOST]
    columns = {name: column for column, name in enumerate(often)}
    result = np.zeros((len(first), len(often)))
    for names, sign in ((first, 1.0), (second, -1.0)):
        for row, name in enumerate(names):
            if name in columns:
                result[row, columns[name]] += sign
    return result


def oriented(left: Float[np.ndarray, " d"], right: Float[np.ndarray, " d"], choice: Choice) -> Float[np.ndarray, " d"]:
    """Winner minus loser; for a tie the sign that makes the first non-zero number positive."""
    difference = right - left if choice == Choice.RIGHT else left - right
    if choice == Choice.TIE:
        nonzero = np.flatnonzero(difference)
        if len(nonzero) and difference[nonzero[0]] < 0:
            difference = -difference
    return difference + 0.0  # -0.0 becomes 0.0, so equal numbers are equal bytes


def checked(features: Float[np.ndarray, "..."], width: int) -> Float[np.ndarray, "..."]:
    """The features in double precision.

    Raises:
        BadVote: not ``width`` wide, or not finite.
    """
    if features.shape[-1] != width:
        raise BadVote(f"features are {features.shape[-1]} wide; this taste was begun with {width}")
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(np.atleast_2d(features)).all(axis=1))
        columns = np.flatnonzero(~np.isfinite(np.atleast_2d(features)).all(axis=0))
        raise BadVote(
            f"features must be finite; NaN or infinity in row {rows[0]} (of {len(rows)} such), columns "
            f"{', '.join(map(str, columns[:5]))}. Leave these images out, or the group of features that fails on them."
        )
    return features.astype(np.float64)
