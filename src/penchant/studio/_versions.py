"""What the page of the versions shows: each with its figures, a sheet, and what strength bought."""

from collections.abc import Mapping
from typing import Any

from penchant.studio._texts import Texts
from penchant.study import Study
from penchant.study.charts import Series, line_chart
from penchant.study.feeding import kept_generated

_SHEET = 16


def versions_listed(study: Study, texts: Texts) -> dict[str, Any]:
    """For the template: the versions, the newest first, and how many votes came since."""
    versions = study.versions.all()
    if not versions:
        return {"versions": [], "fresh": 0, "votes": 0, "train_seconds": f"{study.settings.train_seconds:.0f}"}
    votes = len(study.taste.votes)
    learned_from = int(versions[-1].figures.get("votes", 0))
    rows = [
        {
            "number": version.number,
            "aligned": version.kind == "aligned",
            "fed": version.figures.get("fed"),
            "figures": version.figures,
            "sheet": list(range(min(_SHEET, len(study.versions.pool(version.number))))),
            "strength": float(version.figures.get("like_best_of", 1.0)),
            "whose": _whose(version.figures.get("of")),
            "frontier": _frontier(version.figures.get("frontier") or [], texts),
        }
        for version in reversed(versions)
    ]
    asked = study.settings.like_best_of
    return {
        "versions": rows,
        "fresh": max(0, votes - learned_from),
        "votes": votes,
        "train_seconds": "",
        "kept": len(kept_generated(study)),
        "people": list(study.taste.people),
        "asked": asked if isinstance(asked, str) else f"{asked:g}",
    }


def _whose(of: str | Mapping[str, float] | None) -> str:
    """Whose taste a version follows, as shares of a hundred; empty where it is that of all votes together."""
    if of is None or isinstance(of, str):
        return of or ""
    total = sum(abs(share) for share in of.values()) or 1.0
    return ", ".join(name if len(of) == 1 else f"{name} {share / total:.0%}" for name, share in of.items())


def _frontier(rows: list[dict[str, float]], texts: Texts) -> str:
    points = [(row["kl_nats"], row["reward"]) for row in rows]
    if len(points) < 2:
        return ""
    low, high = min(0.0, *(y for _, y in points)), max(y for _, y in points)
    if high - low < 1e-9:
        return ""
    return line_chart([Series(texts("runs.reward"), points)], texts("runs.kl"), texts("runs.reward"), (low, high))
