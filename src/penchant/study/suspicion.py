"""When answers call for a check: what makes a study ask again a little more often."""

from collections.abc import Mapping

from penchant.core.contracts import Choice, Posterior
from penchant.study.answers import Answers, consistency, evidence

MORE = 2.0
"""How many times as often pairs are asked again while there is suspicion: enough to know sooner, too few to annoy."""

_LEAST_REPEATS, _AGREES = 4, 0.7
"""Repeats, and the agreement below which they are suspicious: whoever tosses coins agrees in half of them."""

_LEAST_CHOICES, _LEAST_PROOF = 40, 1.0
"""Choices after which the guesses should have come true by so many nats."""


def suspicious(answers: Answers, voters: Mapping[int, str], voter: str, belief: Posterior) -> bool:
    """Whether ``voter``'s answers should be checked: any of three signs.

    The voter chose another image in more than three of ten repeats (of four at least); the ``belief`` noticed a change
    of mind; or, after 40 choices, they were guessed no better than a coin's would be.
    """
    own = {seq: answer for seq, answer in answers.items() if voters[seq] == voter}
    again = consistency(own, voters).again
    if again.value is not None and again.trials >= _LEAST_REPEATS and again.value < _AGREES:
        return True
    if belief.change is not None:
        return True
    decided = sum(choice in (Choice.LEFT, Choice.RIGHT) for _, choice in own.values())
    return decided >= _LEAST_CHOICES and evidence(own) < _LEAST_PROOF
