"""The convolutional preference model against the linear head, on equal terms: taught without the audit votes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from penchant.core.contracts import Budget, Choice
from penchant.core.rng import Rng
from penchant.data import to_float
from penchant.preference import Convolutional
from penchant.store import Query
from penchant.study.study import Study

_PAIRS_SEEN = 1500
_LEAST_VOTES = 5

Answered = Sequence[tuple[Query, Choice]]


def compare_models(study: Study) -> dict[str, Any] | None:
    """Accuracy and log-loss of both on the audit votes; None where there are too few votes to teach or to judge.

    Both learn from the same votes, those that are neither audits nor audits asked again, and are judged on the decided
    audits. With sixty votes that is six pairs: the figures say how it stands, not who is better.
    """
    decided = [(query, choice) for query, choice in study.taste.votes.values() if choice in (Choice.LEFT, Choice.RIGHT)]
    taught = [vote for vote in decided if not vote[0].audit and vote[0].repeat_of is None]
    judged = [vote for vote in decided if vote[0].audit]
    if len(taught) < _LEAST_VOTES or not judged:
        return None
    left = np.array([choice is Choice.LEFT for _, choice in judged])
    plain = study.untaught_taste()  # features that were learned have seen the audit votes
    votes = plain.stacked(judged)
    head = plain.prior(None).refit(plain.stacked(taught)).predict(votes.left, votes.right)
    network = _predictions(study, taught, judged, study.rng.child("comparison"))
    return {
        "audit_votes": len(judged),
        "audit_accuracy": float(((network > 0.5) == left).mean()),
        "audit_log_loss": _log_loss(network, left),
        "head_audit_accuracy": float(((head > 0.5) == left).mean()),
        "head_audit_log_loss": _log_loss(head, left),
    }


def _predictions(study: Study, taught: Answered, judged: Answered, rng: Rng) -> np.ndarray:
    first, second = _images(study, taught)
    choices = [choice for _, choice in taught]
    model = Convolutional(members=1).fit(first, second, choices, Budget(images=_PAIRS_SEEN), rng)
    first, second = _images(study, judged)
    with torch.no_grad():
        return np.asarray(model.predict(to_float(first), to_float(second)), dtype=np.float64)


def _images(study: Study, votes: Answered) -> tuple[np.ndarray, np.ndarray]:
    left = [study.versions.pool(query.pool).images[query.left_row] for query, _ in votes]
    right = [study.versions.pool(query.pool).images[query.right_row] for query, _ in votes]
    return np.stack(left), np.stack(right)


def _log_loss(predicted: np.ndarray, left: np.ndarray) -> float:
    given = np.clip(np.where(left, predicted, 1 - predicted), 1e-6, 1)
    return float(-np.log(given).mean())
