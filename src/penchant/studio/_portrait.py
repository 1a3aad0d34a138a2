"""What the page of the taste shows: the portrait, both ends, how well it guesses, and when to stop."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from penchant.core.contracts import Change
from penchant.core.errors import NotReady
from penchant.studio._gallery import Gallery
from penchant.studio._texts import Texts
from penchant.studio._words import words_of
from penchant.study import HUMAN, Study
from penchant.study.charts import Series, interval_bar, line_chart
from penchant.study.curves import accuracy_over_votes
from penchant.study.portrait import Portrait, portray
from penchant.study.sufficiency import Sufficiency, Verdict

_IMAGES = 1000
_ENDS = 6
_ENDS_OF_A_QUALITY = 3
_LEAST_REPEATS = 5
"""Pairs asked twice below which the study says nothing of how well anybody could guess."""

_Found = tuple[Portrait, Sufficiency, list[dict[str, float]], Change | None]


class PullShown(BaseModel):
    """A quality and how it goes with the taste: a correlation with its 90% interval; whether it is clear of zero."""

    quality: str
    towards: str
    correlation: float
    interval: tuple[float, float]
    clear: bool


class TasteShown(BaseModel):
    """The taste of the owner, or of all where the owner did not vote; images as VERSION-ROW of the latest version.

    ``accuracy`` is the share of pairs picked at random that it expects to guess; ``enough``: more votes would not help.
    """

    votes: int
    sentence: str
    advice: list[str]
    accuracy: float
    enough: bool
    pulls: list[PullShown]
    most: list[str]
    least: list[str]


@dataclass
class TastePage:
    """Computed once for each state of the taste: some tenths of a second."""

    study: Study
    gallery: Gallery
    _through: int = -1
    _found: _Found | None = None

    def context(self, texts: Texts) -> dict[str, Any]:
        """For the template, in the language of ``texts``."""
        portrait, stand, curve, change = self._known()
        version = self.study.versions.named("latest").number
        most, least = self.gallery.ends(version, _ENDS)
        pulls = [
            {
                "pull": pull,
                "bar": interval_bar(pull.interval[0], pull.correlation, pull.interval[1]),
                "ends": self._ends_of(version, pull.quality, pull.group) if pull.clear else None,
            }
            for pull in portrait.pulls
        ]
        return {
            "votes": stand.votes,
            "words": words_of(portrait, stand, change, texts),
            "stand": stand,
            "pulls": pulls,
            "version": version,
            "most": most,
            "least": least,
            "ceiling": stand.consistency.ceiling if _enough_repeats(stand) else None,
            "curve": _drawn(curve, stand, texts) if curve else "",
        }

    def shown(self, texts: Texts) -> TasteShown:
        """The same for programs.

        Raises:
            NotReady: there are no votes yet.
        """
        if not self.study.versions.all() or not self.study.taste.votes:
            raise NotReady("no votes yet, so there is no taste; vote on a few pairs first")
        portrait, stand, _, change = self._known()
        words = words_of(portrait, stand, change, texts)
        version = self.study.versions.named("latest").number
        most, least = self.gallery.ends(version, _ENDS)
        pulls = [
            PullShown(
                quality=words.qualities[place],
                towards=words.towards[place],
                correlation=pull.correlation,
                interval=pull.interval,
                clear=pull.clear,
            )
            for place, pull in enumerate(portrait.pulls)
        ]
        return TasteShown(
            votes=stand.votes,
            sentence=words.sentence,
            advice=list(words.advice),
            accuracy=stand.accuracy,
            enough=stand.verdict is Verdict.ENOUGH,
            pulls=pulls,
            most=[f"{version}-{row}" for row in most],
            least=[f"{version}-{row}" for row in least],
        )

    def _known(self) -> _Found:
        study = self.study
        if self._found is None or self._through != study.taste.through:
            features = np.asarray(study.pool("base").features[:_IMAGES], dtype=np.float64)
            stand = study.sufficiency()
            people = study.taste.people
            posterior = study.taste.of(HUMAN) if HUMAN in people else study.taste.posterior
            portrait = portray(posterior, study.extractor, features, study.rng, standing=stand.standing)
            self._found = portrait, stand, accuracy_over_votes(study, None), posterior.change
            self._through = study.taste.through
        return self._found

    def _ends_of(self, version: int, quality: str, group: str) -> tuple[list[int], list[int]]:
        """Rows of the pool with little and with much of a quality."""
        for owner in self.study.extractor.groups:
            if owner.name == group and quality in owner.names:
                column = owner.start + owner.names.index(quality)
                values = np.asarray(self.study.pool(version).features[:_IMAGES, column])
                order = np.argsort(values, kind="stable")
                few = _ENDS_OF_A_QUALITY
                return [int(row) for row in order[:few]], [int(row) for row in order[::-1][:few]]
        return [], []


def _drawn(curve: list[dict[str, float]], stand: Sufficiency, texts: Texts) -> str:
    points = [(row["votes"], row["accuracy"]) for row in curve]
    band = [(row["low"], row["high"]) for row in curve]
    series = [Series(texts("taste.accuracy"), points, band)]
    ceiling = stand.consistency.ceiling
    if ceiling is not None and _enough_repeats(stand):
        last = points[-1][0]
        series += [Series(texts("help.word_ceiling"), [(0, height), (last, height)]) for height in ceiling]
    return line_chart(series, texts("taste.axis_votes"), texts("taste.accuracy"), (0.0, 1.0), 0.5)


def _enough_repeats(stand: Sufficiency) -> bool:
    return stand.consistency.again.trials >= _LEAST_REPEATS
