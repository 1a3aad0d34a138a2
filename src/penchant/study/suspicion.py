"""When answers call for a check: what makes a study ask again a little more often."""

from collections.abc import Mapping
from math import log

from penchant.core.contracts import Choice, Posterior
from penchant.study.answers import Answers, consistency, evidence

MORE = 2.0
"""How many times as often pairs are asked again while there is suspicion: enough to know sooner, too few to annoy."""

_LEAST_REPEATS, _AGREES, _SURPRISE = 4, 0.85, 1.0
"""Repeats looked at; how many of them somebody who means it answers alike, where a coin does in half; and by how many
nats they must speak for the coin."""

_LEAST_CHOICES, _LEAST_PROOF = 40, 1.0
"""Choices after which the guesses should have come true by so many nats."""


def suspicious(answers: Answers, voters: Mapping[int, str], voter: str, belief: Posterior) -> bool:
    """Whether ``voter``'s answers should be checked: any of three signs.

    The voter chose another image so often when asked again (four times at least) that a coin's answers are e times as
    probable as those of somebody who agrees in 85%: two of 4 repeats, three of 5 to 7, four of 8 to 11. Or the
    ``belief`` noticed a change of mind; or, after 40 choices, they were guessed no better than a coin's would be.
    """
    own = {seq: answer for seq, answer in answers.items() if voters[seq] == voter}
    again = consistency(own, voters).again
    if again.value is not None and again.trials >= _LEAST_REPEATS:
        alike = again.value * again.trials
        if alike * log(0.5 / _AGREES) + (again.trials - alike) * log(0.5 / (1 - _AGREES)) > _SURPRISE:
            return True
    if belief.change is not None:
        return True
    decided = sum(choice in (Choice.LEFT, Choice.RIGHT) for _, choice in own.values())
    return decided >= _LEAST_CHOICES and evidence(own) < _LEAST_PROOF
