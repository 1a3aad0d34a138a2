"""What the answers show by themselves, whatever is believed now: audits, evidence, agreement with oneself."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt

from penchant.core.contracts import Choice
from penchant.metrics import wilson
from penchant.store import Query

Answers = Mapping[int, tuple[Query, Choice]]
"""The current votes by their number in the log."""

_DECIDED = (Choice.LEFT, Choice.RIGHT)


@dataclass(frozen=True)
class Share:
    """``successes`` of ``trials``; ``value`` and the 95% ``interval`` (Wilson) are None where there were no trials."""

    successes: float
    trials: int

    @property
    def value(self) -> float | None:
        """The share."""
        return self.successes / self.trials if self.trials else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """What holds it with 95%."""
        return wilson(self.successes, self.trials) if self.trials else None


@dataclass(frozen=True)
class Consistency:
    """How often a person agrees with themselves where a pair was asked twice, its sides swapped.

    ``again`` counts those who chose a side both times and chose the same image; whoever did not chose the same side.
    ``undecided`` were chosen the first time only. ``left`` is the share of left among all choices: sides are a fair
    coin, so what is not one half there was decided by the side.
    """

    again: Share
    undecided: int
    left: Share

    @property
    def ceiling(self) -> tuple[float, float] | None:
        """Between what the best possible model can be right about this person's answers to random pairs.

        If a person chooses the likelier image of pair i with probability m_i each time, they agree with themselves with
        probability a_i = m_i² + (1 − m_i)², and no model can be right more often than m_i. As a_i ≤ m_i, and as a is
        convex in m, the means hold A ≤ M ≤ (1 + √(2A − 1))/2: below where some pairs are clear and the others coin
        tosses, above where all are equally hard. It is assumed that the second answer does not depend on the first
        (nothing is remembered, no taste has changed). The ends are those of the 95% interval of A.
        """
        if self.again.interval is None:
            return None
        low, high = self.again.interval
        return max(low, 0.5), (1 + sqrt(max(2 * high - 1, 0.0))) / 2


def audited(answers: Answers) -> list[tuple[float, Choice]]:
    """The decided audits with the P(left) that was predicted before."""
    return [
        (query.predicted, choice)
        for query, choice in answers.values()
        if query.audit and query.predicted is not None and choice in _DECIDED
    ]


def audit_accuracy(answers: Answers) -> Share:
    """How often audits were predicted right; no prediction (before anything is known) counts half."""
    credits = [0.5 if p == 0.5 else float((p > 0.5) == (choice is Choice.LEFT)) for p, choice in audited(answers)]
    return Share(sum(credits), len(credits))


def evidence(answers: Answers) -> float:
    """How much better than a coin all choices were predicted before they were given, in nats: Σ log 2p.

    Whatever is asked, the exponential of this is a fair game for who tosses a coin: it ever reaches e^x with
    probability e^(−x) at most (Ville 1939). Pairs asked again are left out.
    """
    fresh = [
        query.predicted if choice is Choice.LEFT else 1 - query.predicted
        for query, choice in answers.values()
        if query.predicted is not None and query.repeat_of is None and choice in _DECIDED
    ]
    return sum(log(2 * max(p, 1e-12)) for p in fresh)


def consistency(answers: Answers, voters: Mapping[int, str]) -> Consistency:
    """From the pairs that the same voter answered twice."""
    first = {(query.number, voters[seq]): choice for seq, (query, choice) in answers.items()}
    twice = [
        (first[query.repeat_of, voters[seq]], choice)
        for seq, (query, choice) in answers.items()
        if query.repeat_of is not None and first.get((query.repeat_of, voters[seq])) in _DECIDED
    ]
    decided = [(one, other) for one, other in twice if other in _DECIDED]
    sides = [choice for _, choice in answers.values() if choice in _DECIDED]
    return Consistency(
        Share(sum(other is one.swapped for one, other in decided), len(decided)),
        len(twice) - len(decided),
        Share(sides.count(Choice.LEFT), len(sides)),
    )
