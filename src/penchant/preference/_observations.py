"""Votes as what the likelihood sees: signed feature differences, checked, without what says nothing about the taste."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from penchant.core.contracts import Choice, Singles, Votes
from penchant.core.errors import BadVote

SILENT = frozenset({Choice.SKIP, Choice.BOTH_BAD})
"""Answers without information on which of the two is better; they change no pairwise belief."""

BOTH_BAD = "both bad"
"""The channel of whether an image is good enough to be chosen: both of a pair are not, a chosen one is."""

_OFTEN = 3
"""From so many votes on, what is particular to an image can be told from slips."""
_MOST = 200
"""Images with an effect of their own, at most: those shown most often. The cost of a refit grows with them."""

_PAIR = -1


@dataclass(frozen=True)
class Observations:
    """Row t of ``differences`` is φ(winner) − φ(loser), for a tie the difference with either sign, and for a single
    image φ or −φ: ``signs`` says which (1 where the left one was chosen or the image was liked, else −1).

    ``images`` says which of the images that were shown often stand in a vote: 1 for the winner, −1 for the loser.
    ``channels`` are places in ``names``, −1 for pairs. ``weights`` say how many votes a row counts for. ``when`` is the
    vote's place among all votes, those that say nothing included, from 0.
    """

    differences: Float[np.ndarray, "t d"]
    ties: Bool[np.ndarray, " t"]
    images: Float[np.ndarray, "t m"]
    signs: Float[np.ndarray, " t"]
    channels: Int[np.ndarray, " t"]
    weights: Float[np.ndarray, " t"]
    when: Int[np.ndarray, " t"]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ties)

    @property
    def pairs(self) -> Bool[np.ndarray, " t"]:
        """Which rows are about two images."""
        return self.channels == _PAIR

    @property
    def nuisance(self) -> Float[np.ndarray, "t e"]:
        """What an answer owes to the side, then to the threshold of each channel."""
        channels = [self.channels == place for place in range(len(self.names))]
        return np.stack([self.signs * self.pairs, *(-self.signs * mask for mask in channels)], axis=1)

    def first(self, width: int) -> "Observations":
        """The same votes as the first ``width`` features see them."""
        return replace(self, differences=self.differences[:, :width])

    def rows(self, kept: Int[np.ndarray, " k"]) -> "Observations":
        """Some of the rows, with the same images having effects of their own."""
        return replace(self.where(kept), images=self.images[kept])

    def where(self, kept: Bool[np.ndarray, " t"] | Int[np.ndarray, " k"]) -> "Observations":
        """Some of the rows, or all in another order, with effects of the images that are often among them."""
        images = self.images[kept]
        often = (images != 0).sum(0) >= _OFTEN
        return Observations(
            self.differences[kept], self.ties[kept], images[:, often], self.signs[kept], self.channels[kept],
            self.weights[kept], self.when[kept], self.names,
        )  # fmt: skip


def observe(votes: Votes, width: int) -> Observations:
    """The votes that say something, in an order of their own: the same votes in any order give the same arrays, but
    for ``when``.

    Raises:
        BadVote: features of another width, or NaN or infinite ones; the text names the vote.
    """
    if not len(votes.left) == len(votes.right) == len(votes.choices):
        raise BadVote(f"{len(votes)} choices for {len(votes.left)} left and {len(votes.right)} right images")
    pairs = _pairs(votes, width)
    names, differences, signs, channels, weights, when = _singles(_with_rejected(votes), width)
    count = len(pairs.ties)
    rows = count + len(signs)
    return Observations(
        np.concatenate([pairs.differences, differences]),
        np.concatenate([pairs.ties, np.zeros(rows - count, dtype=bool)]),
        np.concatenate([pairs.images, np.zeros((rows - count, pairs.images.shape[1]))]),
        np.concatenate([pairs.signs, signs]),
        np.concatenate([pairs.channels, channels]),
        np.concatenate([pairs.weights, weights]),
        np.concatenate([pairs.when, when]),
        names,
    )


def _pairs(votes: Votes, width: int) -> Observations:
    rows: list[tuple[bytes, bool, float, Float[np.ndarray, " d"], bytes, bytes, int]] = []
    if len(votes):
        left, right = checked(votes.left, width), checked(votes.right, width)
        for place, (a, b, choice) in enumerate(zip(left, right, votes.choices, strict=True)):
            if choice in SILENT:
                continue
            difference = oriented(a, b, choice)
            if difference.any():
                sign = side_of(a, b, difference)
                first, second = (a, b) if sign > 0 else (b, a)
                key = difference.tobytes()
                rows.append((key, choice == Choice.TIE, sign, difference, first.tobytes(), second.tobytes(), place))
    rows.sort(key=lambda row: (*row[:3], *row[4:]))
    return Observations(
        np.array([row[3] for row in rows]).reshape(len(rows), width),
        np.array([row[1] for row in rows], dtype=bool),
        _incidence([row[4] for row in rows], [row[5] for row in rows]),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.full(len(rows), _PAIR),
        np.ones(len(rows)),
        np.array([row[6] for row in rows], dtype=np.int64),
    )


def _with_rejected(votes: Votes) -> Singles:
    """The single images, and from each *both bad* two that were not good enough.

    Where somebody rejects pairs, each choice also says that its winner was good enough.
    """
    singles = votes.singles
    if Choice.BOTH_BAD not in votes.choices:
        return replace(singles, after=_after(singles, len(votes)))
    images: list[Float[np.ndarray, " d"]] = []
    good: list[bool] = []
    after: list[int] = []
    for place, (left, right, choice) in enumerate(zip(votes.left, votes.right, votes.choices, strict=True)):
        shown = {Choice.BOTH_BAD: [left, right], Choice.LEFT: [left], Choice.RIGHT: [right]}.get(choice, [])
        images += shown
        good += [choice is not Choice.BOTH_BAD] * len(shown)
        after += [place] * len(shown)
    return Singles(
        np.concatenate([singles.images, images]) if len(singles) else np.array(images),
        [*singles.positive, *good],
        [*singles.channels, *[BOTH_BAD] * len(good)],
        [*singles.exposure, *[1.0] * len(good)],
        [*_after(singles, len(votes)), *after],
    )


def _after(singles: Singles, votes: int) -> Sequence[int]:
    """After how many votes each single image was answered; all are taken to be new where that is not known."""
    return singles.after if len(singles.after) else [max(votes - 1, 0)] * len(singles)


def _singles(
    singles: Singles, width: int
) -> tuple[
    tuple[str, ...],
    Float[np.ndarray, "s d"],
    Float[np.ndarray, " s"],
    Int[np.ndarray, " s"],
    Float[np.ndarray, " s"],
    Int[np.ndarray, " s"],
]:
    """Names of the channels, then differences, signs, channels, weights and places of the rows.

    What was not done with an image that was seen with probability p counts p: log(1 − p·σ(f)) ≈ p·log σ(−f), the
    position-based model of clicks (Craswell et al. 2008) to first order in σ(f).
    """
    count = len(singles)
    if not count == len(singles.positive) == len(singles.channels) == len(singles.exposure) == len(singles.after):
        raise BadVote(f"{count} images for {len(singles.positive)} answers in {len(singles.channels)} channels")
    if not count:
        return (
            (),
            np.zeros((0, width)),
            np.zeros(0),
            np.zeros(0, dtype=np.int64),
            np.zeros(0),
            np.zeros(0, dtype=np.int64),
        )
    exposure = np.asarray(singles.exposure, dtype=np.float64)
    if not ((exposure > 0) & (exposure <= 1)).all():
        raise BadVote("the exposure of an image is a probability above 0 and at most 1; found another number")
    positive = np.asarray(singles.positive, dtype=bool)
    signs = np.where(positive, 1.0, -1.0)
    images = checked(singles.images, width)
    names = tuple(sorted(set(singles.channels)))
    channels = np.array([names.index(name) for name in singles.channels])
    weights = np.where(positive, 1.0, exposure)
    keys = [
        (int(c), float(s), float(w), row.tobytes())
        for c, s, w, row in zip(channels, signs, weights, images, strict=True)
    ]
    order = sorted(range(count), key=lambda place: keys[place])
    after = np.asarray(singles.after, dtype=np.int64)
    return names, (signs[:, None] * images)[order] + 0.0, signs[order], channels[order], weights[order], after[order]


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


def side_of(
    left: Float[np.ndarray, " d"], right: Float[np.ndarray, " d"], difference: Float[np.ndarray, " d"]
) -> float:
    """1 where ``difference`` is left minus right, −1 where it is right minus left."""
    return 1.0 if np.array_equal(difference, left - right) else -1.0


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
