"""What was gained, measured so that it holds: figures with intervals and floors, on images nobody voted on."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from penchant.core.contracts import Choice, Generator, Progress, Report, Voter, silent
from penchant.core.errors import BadConfiguration, BadFeatures, UnknownName, VoterFailed
from penchant.data import to_float, to_uint8
from penchant.metrics import WinRate, measure_all, wilson, win_rate
from penchant.study.alpha import agreement_figures, agreement_of_votes
from penchant.study.answers import audit_accuracy, audited
from penchant.study.comparison import compare_models
from penchant.study.study import Study

PAIRS = 1000
"""Paired latents (and pairs of images) that a figure rests on, where no person has to answer."""

ASKED_PAIRS = 200
"""The same where a Python function is asked, which may be slow."""


def evaluate(study: Study, version: str | int = "latest", report: Report = silent) -> dict[str, Any]:
    """All figures of a version against the base generator and the real images, as plain numbers for JSON.

    Accuracy on the audit stream uses the predictions made before each vote was given. The win rate compares images of
    the same latents; the hidden taste judges where the voter is simulated, the function itself where it is one.
    Figures of images are computed by the study's judge, which the reward never saw.
    """
    with study.stage("evaluating"):
        return _evaluate(study, version, report)


def _evaluate(study: Study, version: str | int, report: Report) -> dict[str, Any]:
    started = time.monotonic()
    base, chosen = study.versions.named("base"), study.versions.named(version)
    figures: dict[str, Any] = {"version": chosen.number, "kind": chosen.kind, **_about_votes(study)}
    report(Progress("evaluating", 0.1))
    voter = only_voter(study)
    figures |= _about_taste(study, voter)
    report(Progress("evaluating", 0.3))
    decided = any(choice in (Choice.LEFT, Choice.RIGHT) for _, choice in study.taste.votes.values())
    if chosen.number != base.number and decided:
        figures |= _about_winning(study, study.generator(chosen.number), voter)
    figures |= _about_alignment(chosen.figures)
    report(Progress("evaluating", 0.6))
    figures |= _about_images(study, chosen.number)
    report(Progress("evaluating", 0.8))
    figures["convolutional"] = compare_models(study)
    report(Progress("evaluating", 1.0))
    figures["seconds"] = {
        "train": base.figures.get("seconds"),
        "align": chosen.figures.get("seconds") if chosen.number != base.number else None,
        "evaluate": time.monotonic() - started,
    }
    return figures


def _about_votes(study: Study) -> dict[str, Any]:
    choices = [choice for _, choice in study.taste.votes.values()]
    audit, judged = audit_accuracy(study.taste.votes), audited(study.taste.votes)
    loss = [-np.log(p if choice is Choice.LEFT else 1 - p) for p, choice in judged]
    return {
        "votes": len(choices),
        "votes_by_choice": {str(choice): choices.count(choice) for choice in Choice},
        "audit_votes": audit.trials,
        "audit_accuracy": audit.value,
        "audit_accuracy_interval": audit.interval and list(audit.interval),
        "audit_log_loss": float(np.mean(loss)) if loss else None,
        **study.sufficiency().figures(),
        **agreement_figures(
            agreement_of_votes(study.taste.votes, study.taste.voters, study.rng.child("evaluate", "agreement"))
        ),
        "voters": _about_voters(study),
    }


def _about_voters(study: Study) -> dict[str, dict[str, Any]]:
    """The same for each of several, by their own answers and tastes; empty where there is one."""
    taste, people = study.taste, study.taste.people
    found: dict[str, dict[str, Any]] = {}
    for name in people if len(people) > 1 else ():
        own = {seq: vote for seq, vote in taste.votes.items() if taste.voters[seq] == name}
        audit = audit_accuracy(own)
        found[name] = {
            "votes": len(own),
            "audit_votes": audit.trials,
            "audit_accuracy": audit.value,
            "audit_accuracy_interval": audit.interval and list(audit.interval),
            **study.sufficiency(name).figures(),
        }
    return found


def _about_taste(study: Study, voter: Voter | None) -> dict[str, Any]:
    """Accuracy on fresh random pairs of base images, where the hidden taste is known."""
    images = study.generator("base").sample(2 * PAIRS, study.rng.child("evaluate", "pairs"))
    hidden = voter.utility(images) if voter else None
    if hidden is None:
        return {"accuracy_vs_hidden_taste": None, "accuracy_vs_hidden_taste_interval": None}
    features = study.extractor(images).numpy().astype(np.float64)
    predicted = study.taste.posterior.predict(features[:PAIRS], features[PAIRS:])
    right = int(((predicted > 0.5) == (hidden[:PAIRS] > hidden[PAIRS:])).sum())
    return {
        "accuracy_vs_hidden_taste": right / PAIRS,
        "accuracy_vs_hidden_taste_interval": list(wilson(right, PAIRS)),
    }


def _about_winning(study: Study, aligned: Generator, voter: Voter | None) -> dict[str, Any]:
    latents = study.generator("base").latents(PAIRS, study.rng.child("evaluate", "latents"))
    before, after = _decoded(study.generator("base"), latents), _decoded(aligned, latents)
    reward = study.reward()
    with torch.no_grad():
        gain = (reward(after) - reward(before)).numpy()
    figures: dict[str, Any] = {
        "reward_gain_sd": float(gain.mean()),
        "win_rate_by_model": _as_figures(
            win_rate(int((gain > 0).sum()), int((gain < 0).sum()), int((gain == 0).sum()))
        ),
        "win_rate": None,
        "win_rate_interval": None,
        "win_rate_judge": None,
    }
    judged = _judge(study, voter, before, after)
    if judged is not None:
        kind, result = judged
        figures |= {
            "win_rate": result.value,
            "win_rate_interval": [result.low, result.high],
            "win_rate_ties": result.tie_rate,
            "win_rate_pairs": result.n,
            "win_rate_judge": kind,
        }
    hidden = (voter.utility(before), voter.utility(after)) if voter else (None, None)
    if hidden[0] is not None and hidden[1] is not None:
        figures["hidden_taste_gain_sd"] = float(hidden[1].mean() - hidden[0].mean())
    return figures


def _judge(study: Study, voter: Voter | None, before: torch.Tensor, after: torch.Tensor) -> tuple[str, WinRate] | None:
    """Wins of ``after``: by the hidden taste where it is known, else by asking the function, sides at random."""
    if voter is None:
        return None
    old, new = voter.utility(before), voter.utility(after)
    if old is not None and new is not None:
        return "the hidden taste", _counted(new - old)
    rng = study.rng.child("evaluate", "asking").numpy()
    wins = losses = ties = 0
    for first, second in zip(before[:ASKED_PAIRS], after[:ASKED_PAIRS], strict=True):
        swapped = bool(rng.random() < 0.5)
        answer = voter.answer(second, first, rng) if swapped else voter.answer(first, second, rng)
        answer = answer.swapped if swapped else answer
        wins += answer is Choice.RIGHT
        losses += answer is Choice.LEFT
        ties += answer in (Choice.TIE, Choice.BOTH_BAD)
    return "the voter", win_rate(wins, losses, ties)


def _about_alignment(figures: Mapping[str, Any]) -> dict[str, Any]:
    names = ("like_best_of", "kl_nats", "kl_estimator", "note", "frontier")
    return {name: figures.get(name, 0.0 if name == "kl_nats" else None) for name in names}


def _about_images(study: Study, version: int) -> dict[str, Any]:
    """Every metric of base and aligned, beside their floors."""
    real, holdout = study.images.train, study.images.holdout
    count = min(1000, len(real), len(holdout))
    rng = study.rng.child("evaluate", "images")
    real_features = _features(study, to_float(np.asarray(real[:count])))
    floor_features = _features(study, to_float(np.asarray(holdout[:count])))
    generated = {
        "base": study.generator("base").sample(count, rng),
        "aligned": study.generator(version).sample(count, rng),
    }
    figures: dict[str, Any] = {"judge": study.judge.hash, "judge_images": count}
    for which, images in generated.items():
        features = _features(study, images)
        found = measure_all(real_features, features, floor_features, study.judge.hash, rng)
        for name, measured in found.items():
            if isinstance(measured, BadFeatures):  # too few images are held out; the report shows a dash
                figures |= {f"{name}_{which}": None, f"{name}_{which}_interval": None, f"{name}_floor": None}
                continue
            figures[f"{name}_{which}"] = measured.value
            figures[f"{name}_{which}_interval"] = [measured.low, measured.high]
            figures[f"{name}_floor"] = measured.floor
            if measured.p_value is not None:
                figures[f"{name}_{which}_p_value"] = measured.p_value
    return figures


def _features(study: Study, images: Float[torch.Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
    with torch.no_grad():
        return study.judge(images).numpy().astype(np.float64)


def _decoded(generator: Generator, latents: Float[torch.Tensor, "n z"]) -> Float[torch.Tensor, "n c h w"]:
    """Images as they are shown, in bytes."""
    with torch.no_grad():
        return torch.cat([to_float(to_uint8(generator.decode(part))) for part in latents.split(256)])


def only_voter(study: Study) -> Voter | None:
    """The simulated voter or function that gave all votes; None for people, and where it cannot be loaded here."""
    names = {vote.voter for vote in study.store.votes()}
    if len(names) != 1:
        return None
    try:
        return study.voter(names.pop())
    except (UnknownName, BadConfiguration, VoterFailed):
        return None


def _as_figures(result: WinRate) -> dict[str, Any]:
    return {"value": result.value, "interval": [result.low, result.high], "ties": result.tie_rate}


def _counted(gain: Float[np.ndarray, " n"]) -> WinRate:
    return win_rate(int((gain > 0).sum()), int((gain < 0).sum()), int((gain == 0).sum()))
