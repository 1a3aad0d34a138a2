"""How far a taste known before, such as that of other people, can be trusted for somebody new."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from penchant.core.contracts import Choice, PriorTaste, Votes
from penchant.preference._likelihood import VoteLikelihood

_LIKELIHOOD = VoteLikelihood(lapse=0.03)
_NODES = np.linspace(-4, 8, 241)
_TRUSTS = np.linspace(0, 3, 61)
_DOUBTS = np.geomspace(0.1, 2, 14)


def trusted(weights: Sequence[Float[np.ndarray, " d"]], people: Sequence[Votes]) -> tuple[float, float]:
    """``trust`` and ``doubt`` of a :class:`~penchant.core.contracts.PriorTaste`, from people who are not in it.

    Person p's utility is a_p times that of ``weights[p]`` (what is known without p's own votes), a_p ~
    N(trust, doubt²); the two numbers are the mean over their posterior, under a flat prior on a grid, marginalised over
    every a_p by quadrature. A choice is Bradley-Terry with 3% lapses; other answers are left out.
    Cost: 12,000 evaluations a person; 10 ms for 20 people of 5 answers.
    """
    if not len(people):
        return PriorTaste.trust, PriorTaste.doubt
    trust, doubt = np.meshgrid(_TRUSTS, _DOUBTS, indexing="ij")
    log_prior = -(((_NODES - trust[..., None]) / doubt[..., None]) ** 2) / 2
    log_prior -= np.logaddexp.reduce(log_prior, axis=-1, keepdims=True)
    marginal = np.zeros_like(trust)
    for row, votes in zip(weights, people, strict=True):
        marginal += np.logaddexp.reduce(log_prior + _log_likelihood(row, votes), axis=-1)
    posterior = np.exp(marginal - np.logaddexp.reduce(marginal, axis=None))
    return float((posterior * trust).sum()), float((posterior * doubt).sum())


def _log_likelihood(weights: Float[np.ndarray, " d"], votes: Votes) -> Float[np.ndarray, " k"]:
    """Of the factor a person has on the known utility, at the nodes."""
    signs = np.array([{Choice.LEFT: 1.0, Choice.RIGHT: -1.0}.get(choice, 0.0) for choice in votes.choices])
    width = len(weights)
    known = (signs * ((votes.left[:, :width] - votes.right[:, :width]) @ weights))[signs != 0]
    field = known[:, None] * _NODES
    return _LIKELIHOOD.log_probability(field, np.zeros(field.shape, dtype=bool)).sum(0)
