"""A taste in words: which qualities pull which way, with intervals, and nothing said that is not known."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Change, Extractor, Posterior
from penchant.core.rng import Rng
from penchant.features import words

_DRAWS = 400
_INTERVAL = (5, 95)
_CLEAR = 0.2
_ALIKE = 0.6
NEWS = 100
"""Votes for which a change of mind is told."""


class Standing(StrEnum):
    """How far choices have borne out, before they were given, what was believed."""

    CONFIRMED = "confirmed"
    OPEN = "open"
    DOUBTED = "doubted"


@dataclass(frozen=True)
class Pull:
    """A quality and how it goes with the taste: a correlation from −1 (towards ``low``) to 1 (towards ``high``).

    ``interval`` holds 90% of the posterior. ``clear`` says whether it lies on one side of zero, with room to spare.
    """

    quality: str
    group: str
    low: str
    high: str
    correlation: float
    interval: tuple[float, float]
    clear: bool

    @property
    def towards(self) -> str:
        """The word for what is liked."""
        return self.high if self.correlation > 0 else self.low

    @property
    def away(self) -> str:
        """The word for what is not."""
        return self.low if self.correlation > 0 else self.high


@dataclass(frozen=True)
class Portrait:
    """The qualities that matter most, each saying something new, and the sentence that sums them up."""

    pulls: tuple[Pull, ...]
    sentence: str


def portray(
    posterior: Posterior,
    extractor: Extractor,
    features: Float[np.ndarray, "n d"],
    rng: Rng,
    most: int = 6,
    standing: Standing = Standing.CONFIRMED,
) -> Portrait:
    """The portrait of a taste on the images with these ``features`` (a thousand of the base generator's will do).

    ``standing`` says how far choices have borne the belief out; where it is doubted, nothing is clear.

    A quality's pull is the correlation of the utility with the quality over the images, not its weight: weights of
    qualities that go together can be traded against each other, correlations cannot. Draws from the posterior give
    the interval. Of qualities that go together (|r| > 0.6) only the strongest is told. A change of mind
    in the last hundred votes is told first.
    """
    readable = [
        (group.name, name, column)
        for group in extractor.groups
        for name, column in zip(group.names, range(group.start, group.stop), strict=False)
        if features[:, column].std() > 1e-6
    ]
    if not readable:
        return Portrait((), "These features have no words, so the taste cannot be told in words.")
    values = features[:, [column for _, _, column in readable]].astype(np.float64)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    utilities = posterior.draw(features.astype(np.float64), _DRAWS, rng.child("portrait").numpy())
    utilities = utilities - utilities.mean(axis=1, keepdims=True)
    spread = np.maximum(utilities.std(axis=1, keepdims=True), 1e-12)
    correlations = (utilities / spread) @ values / len(values)
    low, high = np.percentile(correlations, _INTERVAL, axis=0)
    middle = correlations.mean(axis=0)
    alike = np.abs(values.T @ values) / len(values)
    told: list[int] = []
    sure = np.sign(middle) * np.where(middle > 0, low, high)
    for index in np.argsort(-sure):
        if len(told) < most and all(alike[index, other] < _ALIKE for other in told):
            told.append(int(index))
    room = max(_CLEAR, 2 / len(values) ** 0.5)  # few images go together with any quality by chance
    pulls = tuple(_pull(readable[i], float(middle[i]), float(low[i]), float(high[i]), room) for i in told)
    if standing is Standing.DOUBTED:
        pulls = tuple(replace(pull, clear=False) for pull in pulls)
    return Portrait(pulls, _news(posterior.change) + _sentence(pulls, standing))


def _pull(readable: tuple[str, str, int], middle: float, low: float, high: float, room: float) -> Pull:
    group, name, _ = readable
    return Pull(name, group, *words(name), middle, (low, high), low > room or high < -room)


def _sentence(pulls: tuple[Pull, ...], standing: Standing) -> str:
    clear = [pull for pull in pulls if pull.clear]
    if standing is Standing.DOUBTED:
        return "No clear taste yet: it has guessed your choices hardly better than a coin would."
    if not clear:
        return "No clear taste yet: more votes are needed before anything can be said."
    wanted = [f"{pull.towards} rather than {pull.away}" for pull in clear[:3]]
    if standing is Standing.OPEN:
        return f"You may like images that are {_listed(wanted)}; too few guesses have come true yet to be sure."
    return f"You like images that are {_listed(wanted)}."


def _news(change: Change | None) -> str:
    if change is None or change.ago > NEWS:
        return ""
    return f"Your taste seems to have changed about {change.ago} votes ago; what came before counts less now. "


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
