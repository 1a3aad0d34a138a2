"""What the gallery shows: candidates of a version in some order, at any strength, and what is liked."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from penchant.core.contracts import LIKE
from penchant.study import HUMAN, Study
from penchant.study.files import png_bytes
from penchant.study.labels import KEEP, Labels
from penchant.study.strengths import Strengths

PAGE = 24
"""Images on a page of the gallery."""

Order = Literal["drawn", "best", "liked", "kept"]


@dataclass
class Gallery:
    """The candidates of each version; likes are stored like answers and taken back like them."""

    study: Study
    strengths: Strengths = field(init=False)

    def __post_init__(self) -> None:
        self.strengths = Strengths(self.study)

    def listed(self, version: str, order: Order, page: int) -> dict[str, Any]:
        """A page of candidates: their rows, which of them are liked, and the strengths they can be seen at.

        ``drawn`` is the order in which they were made, which nothing chose; ``best`` that of the taste learned so far.
        """
        number = self.study.versions.named(version).number
        liked, kept = self.liked(), self.kept(number)
        only = kept if order == "kept" else [row for pool, row in liked if pool == number]
        rows = self._ordered(number, order, only)
        shown = rows[page * PAGE : (page + 1) * PAGE]
        return {
            "version": number,
            "rows": shown,
            "liked": [row for row in shown if (number, row) in liked],
            "kept": [row for row in shown if row in kept],
            "count": len(rows),
            "first": page * PAGE + 1 if shown else 0,
            "page_size": PAGE,
            "strengths": list(self.strengths.of(number)),
        }

    def liked(self, voter: str = HUMAN) -> dict[tuple[int, int], int]:
        """The liked candidates as (version, row), with the event that says so."""
        self.study.catch_up()
        return {
            (single.pool, single.row): seq
            for seq, single in self.study.taste.singles.items()
            if single.voter == voter and single.channel == LIKE and single.positive
        }

    def kept(self, version: int, voter: str = HUMAN) -> list[int]:
        """The candidates of a version that are kept for training."""
        return [row for row, name in Labels.of(self.study, voter).made(version).items() if name == KEEP]

    def strip(self, version: int, rows: list[int], like_best_of: float) -> bytes:
        """The candidates side by side in one PNG, so that a page is one request a strength."""
        images = self.strengths.images(version, rows, like_best_of)
        return png_bytes(np.concatenate(list(images), axis=2))

    def ends(self, version: int, count: int) -> tuple[list[int], list[int]]:
        """The rows most and least to the taste."""
        rows = self._ordered(version, "best", [])
        return rows[:count], rows[-count:][::-1]

    def _ordered(self, version: int, order: Order, only: list[int]) -> list[int]:
        if order in ("liked", "kept"):
            return sorted(only)
        pool = self.study.pool(version)
        if order == "drawn":
            return list(range(len(pool)))
        means = self.study.taste.posterior.mean(np.asarray(pool.features, dtype=np.float64))
        return [int(row) for row in np.argsort(-means, kind="stable")]
