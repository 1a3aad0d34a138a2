"""The columns that explain a vote: features of the images, and what is no taste (side, thresholds, single images)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Group, PriorTaste
from penchant.preference._observations import Observations


@dataclass(frozen=True)
class Block:
    """Columns start:stop of a design, sharing one prior scale: log-normal, ``median`` and ``spread`` of its log.

    ``liked`` blocks say what somebody likes, and shrink together when the answers are little more than chance.
    """

    start: int
    stop: int
    median: float
    spread: float
    liked: bool = True

    @property
    def width(self) -> int:
        """How many columns."""
        return self.stop - self.start


@dataclass(frozen=True)
class Design:
    """Row t of ``columns`` times the weights, plus ``offset``, is how much answer t was called for, in logits.

    The columns: ``features`` ones, then those of the ``nuisance`` (side, then thresholds of the channels), then what
    was known before, if anything, then images shown often.
    """

    observations: Observations
    columns: Float[np.ndarray, "t c"]
    blocks: tuple[Block, ...]
    offset: Float[np.ndarray, " t"]
    features: int
    nuisance: int

    def without_taste(self) -> "Design":
        """As if the voter had none: the nuisance alone."""
        kept = slice(self.features, self.features + self.nuisance)
        blocks = tuple(
            replace(block, start=block.start - kept.start, stop=block.stop - kept.start)
            for block in self.blocks[self.aside]
        )
        seen = self.observations
        return Design(seen, self.columns[:, kept], blocks, np.zeros(len(seen)), 0, self.nuisance)

    def sample(self, most: int) -> "Design":
        """The same weights under ``most`` of the answers, or all where there are no more.

        By a checksum of their features: in whatever order they came, and one more answer changes at most one of them.
        """
        seen = self.observations
        if len(seen) <= most:
            return self
        sums = np.array([crc32(row.tobytes()) for row in seen.differences])
        kept = np.sort(np.argsort(sums, kind="stable")[:most])
        return replace(self, observations=seen.rows(kept), columns=self.columns[kept], offset=self.offset[kept])

    @property
    def aside(self) -> slice:
        """Which blocks are the nuisance's: one for each of its columns."""
        starts = [block.start for block in self.blocks]
        first = starts.index(self.features)
        return slice(first, first + self.nuisance)


@dataclass(frozen=True)
class Scales:
    """Medians and spreads of the prior scales of all blocks but the features' own."""

    feature: float
    feature_spread: float
    optional_share: float
    side: float
    side_spread: float
    threshold: float
    image: float
    image_spread: float


def design(
    observations: Observations,
    groups: Sequence[Group],
    scales: Scales,
    strengths: Mapping[str, float],
    known: PriorTaste | None = None,
) -> Design:
    """The design for the features of ``groups``; channels that are not in ``strengths`` say nothing about the taste."""
    width = groups[-1].stop
    believed = np.array([strengths.get(name, 0.0) for name in observations.names] + [1.0])[observations.channels]
    seen = observations.differences[:, :width] * believed[:, None]
    nuisance, images = observations.nuisance, observations.images
    blocks = [
        Block(
            group.start,
            group.stop,
            scales.feature * (scales.optional_share if group.optional else 1.0),
            scales.feature_spread,
        )
        for group in groups
    ]
    blocks.append(Block(width, width + 1, scales.side, scales.side_spread, False))
    columns = [seen, nuisance]
    at = width + nuisance.shape[1]
    blocks += [Block(column, column + 1, scales.threshold, 0.0, False) for column in range(width + 1, at)]
    offset = np.zeros(len(observations))
    if known is not None:
        column = observations.differences[:, : len(known.weights)] @ known.weights * believed
        columns.append(column[:, None])
        offset = known.trust * column
        blocks.append(Block(at, at + 1, known.doubt, 0.0, False))
        at += 1
    if images.shape[1]:
        columns.append(images)
        count = images.shape[1]
        blocks.append(Block(at, at + count, scales.image * np.sqrt(count), scales.image_spread))
    return Design(observations, np.hstack(columns), tuple(blocks), offset, width, nuisance.shape[1])
