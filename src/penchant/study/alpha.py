"""How far several voters agree on what several of them answered: Krippendorff's α, as figures and in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from penchant.core.contracts import Choice
from penchant.core.rng import Rng
from penchant.metrics import Agreement, agreement
from penchant.store import Query

WORTH: Mapping[Choice, float] = {Choice.LEFT: 1.0, Choice.TIE: 0.5, Choice.RIGHT: 0.0}
"""A tie lies half way; *both bad* and skipped pairs say nothing of which is better and are no answers."""


def agreement_of(given: Mapping[tuple[str, Any], float], rng: Rng) -> Agreement:
    """Of what each voter said about each thing: ``given[voter, thing]``."""
    voters = {voter: row for row, voter in enumerate(sorted({voter for voter, _ in given}))}
    things = {thing: column for column, thing in enumerate(sorted({thing for _, thing in given}))}
    table = np.full((len(voters), len(things)), np.nan)
    for (voter, thing), worth in given.items():
        table[voters[voter], things[thing]] = worth
    return agreement(table, rng)


def agreement_of_votes(votes: Mapping[int, tuple[Query, Choice]], voters: Mapping[int, str], rng: Rng) -> Agreement:
    """Of the votes that teach a taste, on pairs that several voters were asked; each voter's first answer counts."""
    given: dict[tuple[str, Any], float] = {}
    for seq, (query, choice) in sorted(votes.items()):
        if choice in WORTH:
            turned = query.left_row > query.right_row
            worth = 1 - WORTH[choice] if turned else WORTH[choice]
            rows = sorted((query.left_row, query.right_row))
            given.setdefault((voters[seq], (query.pool, *rows)), worth)
    return agreement_of(given, rng)


def agreement_figures(found: Agreement) -> dict[str, Any]:
    """Plain numbers."""
    return {
        "krippendorff_alpha": found.alpha,
        "krippendorff_alpha_interval": None if found.low is None else [found.low, found.high],
        "answered_by_several": found.things,
    }


def agreement_sentence(found: Agreement) -> str:
    """How far the voters agree; empty where nothing tells."""
    if found.alpha is None or found.low is None or found.high is None:
        same = f"All {found.answers} answers to the {found.things} pairs that several voters answered are the same."
        return same if found.things else ""
    return (
        f"The voters agree by {found.alpha:.2f} (Krippendorff's α, {found.low:.2f} to {found.high:.2f}; 0 is chance, 1 "
        f"in everything) on {found.things} pairs that several answered."
    )
