"""How reliable each voter is: with themselves, with the others, how quickly."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median

import numpy as np

from penchant.core.contracts import Choice
from penchant.study.answers import Consistency, Share, consistency
from penchant.study.study import Study

_LEAST_SURE = 0.05
"""A voter's taste is taken for a choice where it gives one side at least this much more than one half."""


@dataclass(frozen=True)
class VoterFigures:
    """One voter's reliability.

    ``agreement``: of this voter's decided audits (uniformly random pairs), how often the taste of the others foretells
    the choice, counted where it leans clearly to a side; people seldom see the same pair, so their choices cannot be
    compared themselves. Empty where there is nobody else.
    """

    voter: str
    votes: int
    consistency: Consistency
    agreement: Share
    median_response_ms: float | None


def figures_of_voters(study: Study) -> list[VoterFigures]:
    """All voters' figures, in the order of the alphabet; a refit for each where there are several."""
    taste = study.taste
    times: dict[str, list[float]] = defaultdict(list)
    for event in study.store.votes():
        if event.response_ms is not None:
            times[event.voter].append(max(event.response_ms - (event.hidden_ms or 0), 0))
    figures: list[VoterFigures] = []
    for voter in taste.people:
        own = {seq: vote for seq, vote in taste.votes.items() if taste.voters[seq] == voter}
        spent = times[voter]
        figures.append(
            VoterFigures(
                voter,
                len(own),
                consistency(own, taste.voters),
                _agreement(study, voter),
                median(spent) if spent else None,
            )
        )
    return figures


def _agreement(study: Study, voter: str) -> Share:
    taste = study.taste
    others = [vote for seq, vote in taste.votes.items() if taste.voters[seq] != voter]
    audits = [
        vote
        for seq, vote in taste.votes.items()
        if taste.voters[seq] == voter and vote[0].audit and vote[1] in (Choice.LEFT, Choice.RIGHT)
    ]
    if not others or not audits:
        return Share(0, 0)
    crowd = taste.prior(None).refit(taste.stacked(others))
    asked = taste.stacked(audits)
    leaning = np.asarray(crowd.foretell(asked.left, asked.right)) - 0.5
    right = [
        (lean > 0) == (choice is Choice.LEFT)
        for lean, (_, choice) in zip(leaning, audits, strict=True)
        if abs(lean) >= _LEAST_SURE
    ]
    return Share(sum(right), len(right))
