"""The report of a round: one self-contained page, and the same figures as JSON."""

import base64
import io
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from penchant.core.contracts import Choice, Progress, Report, silent
from penchant.data import contact_sheet, to_float, to_uint8
from penchant.study.charts import Series, interval_bar, line_chart
from penchant.study.curves import accuracy_over_votes, best_of_n_frontier, images_compared, version_point
from penchant.study.evaluation import evaluate, only_voter
from penchant.study.exceptions import Place, disagreements, praised_in_vain
from penchant.study.feeding import fed_versions
from penchant.study.files import storage_errors
from penchant.study.frontier import Row
from penchant.study.portrait import Portrait, Standing, portray
from penchant.study.selecting import asked_for, rounds_of, told_of
from penchant.study.shards import ends
from penchant.study.strengths import measured
from penchant.study.study import Study
from penchant.study.sufficiency import Person, Verdict
from penchant.training.processes import Processes

_SHEET = 36
_ENDS = 12
_AUDITS_THAT_TELL = 20
_VARIETY_KEPT = 0.9
_LEAST_COMPARED = 4
"""Images that the Vendi score needs."""


def write_report(study: Study, figures: Mapping[str, Any] | None = None, report: Report = silent) -> Path:
    """Write ``reports/round-N.html`` and ``.json`` for the latest version; gives the page's path.

    ``figures`` are those of :func:`evaluate`, where they are at hand; they are measured otherwise.
    """
    figures = dict(figures or evaluate(study, report=report))
    with study.stage("reporting"):
        return _write(study, figures, report)


def _write(study: Study, figures: Mapping[str, Any], report: Report) -> Path:
    latest = study.versions.named("latest")
    features = np.asarray(study.pool("base").features[:1000], dtype=np.float64)
    stand = study.sufficiency()
    portrait = portray(study.taste.posterior, study.extractor, features, study.rng, standing=stand.standing)
    report(Progress("report", 0.2))
    curve = accuracy_over_votes(study, only_voter(study))
    report(Progress("report", 0.5))
    comparable = stand.decided and images_compared(study) >= _LEAST_COMPARED
    frontier = best_of_n_frontier(study) if comparable else []
    steps = measured(study, latest.number, only_voter(study)) if comparable else []
    points = [version_point(study, version.number) for version in study.versions.all()] if comparable else []
    report(Progress("report", 0.8))
    exceptions = _exceptions(study, portrait, features)
    intake = study.images.report.to_dict()
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            study=study.path.name,
            source=Path(study.settings.source).name,
            size=study.settings.images.size,
            round=latest.number,
            aligned=latest.number > 1,
            made=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
            figures=figures,
            verdict=verdict(figures),
            portrait=portrait,
            bars=[Markup(interval_bar(*_ordered(p.interval, p.correlation))) for p in portrait.pulls],
            sheets=_sheets(study),
            ends=_ends(study) if stand.decided and stand.standing is not Standing.DOUBTED else None,
            advice=stand.sentences if stand.votes else (),
            people=_people(study, features),
            exceptions=exceptions,
            accuracy_chart=_accuracy_chart(curve),
            strength_chart=_strength_chart(frontier, points),
            steps=steps,
            steps_chart=_steps_chart(steps),
            selection=_selection(study),
            fed=fed_versions(study),
            intake=intake,
            next_steps=next_steps(study, figures, portrait),
        )
    )
    folder = study.path / "reports"
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
        path = folder / f"round-{latest.number}.html"
        path.write_text(page, encoding="utf-8")
        record = {
            **figures,
            "exceptions": exceptions and {"count": exceptions["count"], "decided": exceptions["decided"]},
            "portrait": {"sentence": portrait.sentence, "pulls": [vars(pull) for pull in portrait.pulls]},
            "accuracy_over_votes": curve,
            "best_of_n": frontier,
            "versions": points,
            "strengths": steps,
            "fed": dict(fed_versions(study)),
            "intake": intake,
        }
        path.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    report(Progress("report", 1.0))
    return path


def verdict(figures: Mapping[str, Any]) -> str:
    """What came out, in one sentence that claims nothing its interval does not hold."""
    if not figures.get("votes"):
        return "The generator is trained; nothing is known of the taste yet."
    rate, interval = figures.get("win_rate"), figures.get("win_rate_interval")
    if figures.get("version") == 1:
        return f"After {figures['votes']} votes the taste is being learned; the generator is not aligned yet."
    if rate is None and "win_rate_by_model" not in figures:
        return f"No vote of {figures['votes']} prefers one image to another, so nothing is known of the taste yet."
    if rate is None or interval is None:
        model = figures["win_rate_by_model"]["value"]
        return (
            f"After {figures['votes']} votes the preference model prefers the aligned image in {model:.0%} of pairs. "
            "That is the model's own opinion: only your eyes, or a blind comparison, can tell whether it is right."
        )
    if interval[0] <= 0.5:
        return (
            f"After {figures['votes']} votes the aligned generator is not shown to be better than the one it "
            f"started from: it wins {rate:.0%} of pairs ({_span(interval)})."
        )
    return (
        f"After {figures['votes']} votes the aligned generator wins {rate:.0%} of pairs against the one it started "
        f"from ({_span(interval)}, judged by {figures['win_rate_judge']})."
    )


def _span(interval: Sequence[float]) -> str:
    """Both ends in percent, with a decimal where whole numbers would hide that they differ."""
    low, high = (f"{end:.0%}" for end in interval)
    if low == high:
        low, high = (f"{end:.1%}" for end in interval)
    return f"{low} to {high}"


def next_steps(study: Study, figures: Mapping[str, Any], portrait: Portrait) -> list[str]:
    """What is worth doing now, by what the figures say."""
    path = shlex.quote(str(study.path))
    steps: list[str] = []
    accuracy = figures.get("accuracy_vs_hidden_taste")
    if accuracy is None and figures["audit_votes"] >= _AUDITS_THAT_TELL:
        accuracy = figures["audit_accuracy"]
    if figures.get("verdict_on_votes") == Verdict.CHANCE:
        steps.append("Look at some pairs again without hurry; if you do have a taste, choose other features (docs)")
    elif not any(pull.clear for pull in portrait.pulls):
        steps.append(f"Vote more before trusting anything here: penchant vote {path} --votes 40")
    elif accuracy is not None and accuracy < 0.85:
        steps.append(f"The taste is only partly known; 40 more votes will tell more: penchant vote {path} --votes 40")
    if figures.get("version") == 1:
        steps.append(f"Bend the generator to the taste: penchant align {path}")
    else:
        steps.append(_strength_step(figures, f"penchant align {path} --like-best-of"))
        steps.append(f"Go round again on the new images: penchant vote {path} --votes 20 && penchant align {path}")
    steps.append(f"Get the images: penchant sample {path} --count 64 --out images")
    return steps


def _strength_step(figures: Mapping[str, Any], again: str) -> str:
    """Less where it cost variety, more where it was free and something is left to win."""
    base, aligned = figures.get("vendi_base"), figures.get("vendi_aligned")
    strength = figures.get("like_best_of") or 6
    less, more = math.sqrt(strength), min(1e6, strength * 4)
    kept = aligned / base if base and aligned else 1.0
    if kept < _VARIETY_KEPT:
        return f"{1 - kept:.0%} of the variety went; for more of it, ask for less: {again} {less:.2g}"
    return f"Variety is kept, so more is possible: {again} {more:.0f}"


def _selection(study: Study) -> dict[str, Any] | None:
    """What each round of selecting training images chose and brought; None where all were trained on."""
    rounds = rounds_of(study)
    if not rounds:
        return None
    totals = list(accumulate(len(one.rows) for one in rounds))
    last = rounds[-1].rows
    known = [
        (total, one.figures["coverage"])
        for total, one in zip(totals, rounds, strict=True)
        if one.figures["coverage"]["value"] is not None
    ]
    curve = Series(
        "coverage",
        [(total, found["value"] or 0.0) for total, found in known],
        [(found["low"] or 0.0, found["high"] or 0.0) for _, found in known],
    )
    floor = rounds[0].figures["coverage"]["floor"]
    return {
        "sentence": told_of(rounds, len(study.images.train), asked_for(study)),
        "rounds": list(zip(totals, rounds, strict=True)),
        "chart": Markup(line_chart([curve], "images trained on", "coverage", (0.0, 1.0), floor)) if known else "",
        "sheet": _sheet_uri(to_float(np.asarray(study.images.train[last[:_SHEET]])), 12),
    }


def _people(study: Study, features: np.ndarray) -> list[Person]:
    """Each of several voters, by the own taste; nobody where there is but one."""
    people = study.taste.people
    found: list[Person] = []
    for name in people if len(people) > 1 else ():
        stand = study.sufficiency(name)
        portrait = portray(study.taste.of(name), study.extractor, features, study.rng, standing=stand.standing)
        found.append(Person(name, stand, portrait.sentence))
    return found


def _sheets(study: Study) -> dict[str, str]:
    versions = {"before": "base", "after": "latest"} if len(study.versions.all()) > 1 else {"before": "base"}
    return {which: _sheet_uri(study.sample(_SHEET, 0, version), 6) for which, version in versions.items()}


def _ends(study: Study) -> dict[str, str]:
    """Base images at both ends of the taste."""
    pool = study.pool("base")
    liked, disliked = ends(pool.features, study.taste.posterior, _ENDS, Processes.alone())
    rows = {"liked": liked, "disliked": disliked}
    return {which: _sheet_uri(to_float(np.asarray(pool.images[chosen])), 6) for which, chosen in rows.items()}


def _exceptions(study: Study, portrait: Portrait, features: np.ndarray) -> dict[str, Any] | None:
    """Counter-examples with their pictures; None where there is no clear taste for them to contradict."""
    if not any(pull.clear for pull in portrait.pulls):
        return None
    count, pairs = disagreements(study.taste)
    praised = praised_in_vain(study.taste, portrait, study.extractor, features)

    def pictures(places: Sequence[Place], columns: int) -> str:
        return _sheet_uri(to_float(np.stack([study.versions.pool(pool).images[row] for pool, row in places])), columns)

    decided = sum(
        choice in (Choice.LEFT, Choice.RIGHT) and query.repeat_of is None
        for query, choice in study.taste.votes.values()
    )
    return {
        "count": count,
        "decided": decided,
        "pairs": [(pictures((pair.chosen, pair.other), 2), pair.sentence) for pair in pairs],
        "praised": pictures([one.image for one in praised], 6) if praised else None,
        "praised_count": len(praised),
    }


def _sheet_uri(images: torch.Tensor, columns: int) -> str:
    shown = to_uint8(images)
    scale = max(1, round(84 / shown.shape[-1]))
    buffer = io.BytesIO()
    contact_sheet(shown, columns, scale).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _accuracy_chart(curve: list[dict[str, float]]) -> Markup:
    if not curve:
        return Markup("")
    points = [(row["votes"], row["accuracy"]) for row in curve]
    band = [(row["low"], row["high"]) for row in curve]
    return Markup(line_chart([Series("accuracy", points, band)], "votes", "accuracy", (0.4, 1.0), 0.5))


def _strength_chart(frontier: list[dict[str, float]], points: list[dict[str, float]]) -> Markup:
    if not frontier:
        return Markup("")
    full = frontier[0]["vendi"]
    best = Series("keeping the best of N", [(row["kl_nats"], row["vendi"] / full) for row in frontier])
    labels = ["base" if p["version"] == 1 else f"version {p['version']:.0f}" for p in points]
    made = Series("generators", [(p["kl_nats"], p["vendi"] / full) for p in points], marks=True, labels=labels)
    top = max(1.2, *(y + 0.1 for _, y in made.points))
    return Markup(line_chart([best, made], "strength: KL from the base generator, nats", "variety kept", (0, top), 1.0))


def _steps_chart(steps: list[Row]) -> Markup:
    """Gains by whom they are told, against nats; a taste that nobody knows has no third line."""
    if len(steps) < 3:
        return Markup("")
    lines = [
        Series(name, [(row["kl_nats"], row[key] - steps[0][key]) for row in steps])
        for name, key in (("the reward", "reward"), ("a judge with other features", "judge"), ("hidden taste", "gold"))
        if steps[0][key] is not None
    ]
    reached = [y for line in lines for _, y in line.points]
    return Markup(
        line_chart(lines, "strength: KL from the base generator, nats", "gain, sd", (min(reached), max(reached)), 0.0)
        if max(reached) - min(reached) > 1e-9
        else ""
    )


def _ordered(interval: tuple[float, float], middle: float) -> tuple[float, float, float]:
    return interval[0], middle, interval[1]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("penchant.study", "."),
        autoescape=select_autoescape(["j2", "html"]),
        undefined=StrictUndefined,
    )
    environment.filters["figure"] = _figure
    environment.filters["percent"] = _percent
    return environment


def _figure(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
