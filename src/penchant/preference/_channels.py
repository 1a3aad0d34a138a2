"""How far likes, rejections and implicit signals are believed: as far as they make the answers more probable."""

from collections.abc import Callable, Mapping, Sequence

from penchant.core.contracts import LIKE
from penchant.preference._design import Design
from penchant.preference._fitting import Hyperparameters
from penchant.preference._observations import BOTH_BAD

_ANSWERED = frozenset({LIKE, BOTH_BAD})
_TRIED = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5)
_EARNED = 1.0
"""What a signal must add to the log evidence, in nats, before it is believed at all."""


def at_first(names: Sequence[str]) -> Mapping[str, float]:
    """Strengths before they are fitted: an answer counts like a vote, a signal for nothing."""
    return {name: float(name in _ANSWERED) for name in names}


def strengths(
    design: Callable[[Mapping[str, float]], Design], hyper: Hyperparameters, names: Sequence[str]
) -> Mapping[str, float]:
    """For each channel the factor on its utility differences with the largest evidence; 0 where it does not help.

    The log evidence is the sum of all one-step-ahead log predictive probabilities (Dawid 1984), so this is the choice
    by prequential log-loss, over all orders at once. One Laplace fit for each factor tried.
    """
    found = dict(at_first(names))
    for name in names:

        def value(strength: float, name: str = name) -> float:
            return hyper.evidence(design({**found, name: strength})).value

        silent = value(0.0)
        best = max(_TRIED, key=value)
        found[name] = best if value(best) > silent + _EARNED * (name not in _ANSWERED) else 0.0
    return found
