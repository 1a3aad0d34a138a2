"""Where a learned taste is wrong: choices it would not have expected, and images that its words would praise."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Choice, Extractor
from penchant.store import Query
from penchant.study.portrait import Portrait
from penchant.study.taste import Taste

Place = tuple[int, int]
"""Of an image: its pool and its row there."""

_UNEXPECTED, _CLOSE = 0.5, 0.4
_PRAISED = 0.5


@dataclass(frozen=True)
class Exceptional:
    """A choice that the learned taste would have given ``chance`` only; ``again`` says what the same voter chose when
    the pair was asked a second time: the same image, the other, or None where it was not asked or not decided."""

    chosen: Place
    other: Place
    chance: float
    again: bool | None

    @property
    def sentence(self) -> str:
        """What to make of it."""
        start = f"You chose the first; it gave that {self.chance:.0%}."
        if self.again is None:
            return f"{start} {'Close to call.' if self.chance > _CLOSE else 'A slip, or an exception.'}"
        if self.again:
            return f"{start} You chose it both times you were asked: an exception, no slip."
        return f"{start} Asked again, you chose the other: a slip, or too close to call."


@dataclass(frozen=True)
class Praised:
    """An image that has what the words say is liked and was turned down ``lost`` times for one that has less of it."""

    image: Place
    lost: int


def disagreements(taste: Taste, most: int = 4) -> tuple[int, Sequence[Exceptional]]:
    """How many choices the taste, as it is now, would not have made, and those it finds least likely.

    A pair that was asked twice is counted once, by its first answer.
    """
    decided = [
        (seq, query, choice)
        for seq, (query, choice) in taste.votes.items()
        if choice in (Choice.LEFT, Choice.RIGHT) and query.repeat_of is None
    ]
    if not decided:
        return 0, ()
    votes = taste.stacked((query, choice) for _, query, choice in decided)
    left = np.array([choice is Choice.LEFT for _, _, choice in decided])
    believed = taste.posterior.predict(votes.left, votes.right)
    chances = np.where(left, believed, 1 - believed)
    least = [int(i) for i in np.argsort(chances, kind="stable") if chances[i] < _UNEXPECTED][:most]
    found = [
        Exceptional(*_winner_first(decided[i][1], decided[i][2]), float(chances[i]), _again(taste, *decided[i]))
        for i in least
    ]
    return int((chances < 0.5).sum()), found


def praised_in_vain(
    taste: Taste, portrait: Portrait, extractor: Extractor, features: Float[np.ndarray, "n d"], most: int = 6
) -> Sequence[Praised]:
    """Images of the votes that the clear words of the ``portrait`` would praise and that were turned down nonetheless.

    An image's praise is the sum of its clear qualities, standardised on ``features`` and weighted by their pulls, in
    standard deviations over ``features``. Told are images with a praise of at least 0.5 that lost more often than they
    won, at least once to an image of less praise; most such losses first.
    """
    clear = {(pull.group, pull.quality): pull.correlation for pull in portrait.pulls if pull.clear}
    if not clear:
        return ()
    columns = {
        (group.name, name): column
        for group in extractor.groups
        for name, column in zip(group.names, range(group.start, group.stop), strict=False)
    }
    chosen = [columns[key] for key in clear]
    weights = np.array(list(clear.values())) / features[:, chosen].std(axis=0)
    over_all = features[:, chosen] @ weights
    centre, spread = float(over_all.mean()), max(float(over_all.std()), 1e-12)

    def praise(place: Place) -> float:
        return (float(taste.features_of(*place)[chosen] @ weights) - centre) / spread

    wins, losses, upsets = Counter[Place](), Counter[Place](), Counter[Place]()
    for query, choice in taste.votes.values():
        if choice in (Choice.LEFT, Choice.RIGHT):
            winner, loser = _winner_first(query, choice)
            wins[winner] += 1
            losses[loser] += 1
            upsets[loser] += praise(loser) > praise(winner)
    found = [
        (upsets[place], praise(place), place)
        for place in losses
        if upsets[place] and losses[place] > wins[place] and praise(place) >= _PRAISED
    ]
    return [Praised(place, lost) for lost, _, place in sorted(found, reverse=True)[:most]]


def _winner_first(query: Query, choice: Choice) -> tuple[Place, Place]:
    left, right = (query.pool, query.left_row), (query.pool, query.right_row)
    return (left, right) if choice is Choice.LEFT else (right, left)


def _again(taste: Taste, seq: int, query: Query, choice: Choice) -> bool | None:
    for later, (repeat, answer) in taste.votes.items():
        same = repeat.repeat_of == query.number and taste.voters[later] == taste.voters[seq]
        if same and answer in (Choice.LEFT, Choice.RIGHT):
            return answer is choice.swapped
    return None
