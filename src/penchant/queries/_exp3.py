"""The bandit over strategies, replayed from the answered pairs: which one makes the audited predictions better?"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Asked
from penchant.core.exp3 import Exp3

UNKNOWING = float(np.log(2))
"""Surprise of a coin toss: what every audit costs before the first vote."""

_LARGEST_GAIN = 1.0
_LONGEST_TURN = 20


def replay(bandit: Exp3, history: Sequence[Asked], arms: Sequence[str]) -> tuple[Float[np.ndarray, " k"], str | None]:
    """The weights after all audits of ``history``, and the arm whose turn goes on (None: one is to be drawn).

    An arm keeps its turn, so that the gain is its own, but for no more than 20 questions. The gain of a turn is
    the drop in surprise from the audit before it to the one that ends it, at most ±1 nat so that one odd answer
    decides nothing; the first is compared with a coin toss. Audits that nobody answered end no turn.
    """
    weights = np.zeros(len(arms))
    level, played, last = UNKNOWING, Counter[str](), None
    for asked in history:
        if not asked.audit:
            if asked.strategy in arms:
                last = asked.strategy
                played[last] += 1
        elif asked.surprise is not None:
            gain = max(-_LARGEST_GAIN, min(_LARGEST_GAIN, level - asked.surprise))
            if played:
                shares = np.array([played[arm] for arm in arms]) / played.total()
                weights = bandit.updated(weights, shares, gain)
            level, played = asked.surprise, Counter[str]()
    return weights, last if played.total() % _LONGEST_TURN else None
