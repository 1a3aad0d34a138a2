"""Draw the figures of taste.md from what ``penchant bench taste --json taste.jsonl`` wrote.

``python docs/benchmarks/draw_taste.py taste.jsonl`` writes taste-accuracy.svg and taste-calibration.svg beside itself.
Needs matplotlib (``pip install 'penchant[plots]'``).
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
COLOURS = {"bald": "#b5483a", "random": "#3b6ea5", "random + logistic": "#8a8a8a"}
Row = dict[str, Any]


def main(paths: list[str]) -> None:
    """Both figures."""
    rows = [json.loads(line) for path in paths for line in Path(path).read_text(encoding="utf-8").splitlines()]
    found = {row["what"]: row for row in rows}
    mpl.rcParams.update({"font.size": 9, "svg.hashsalt": "taste", "axes.spines.top": False, "axes.spines.right": False})
    accuracy(found)
    calibration(found)


def accuracy(found: dict[str, Row]) -> None:
    """Accuracy by votes on the embedded pictures, for both kinds of tastes."""
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 2.9), sharey=True)
    for panel, kind, bars in zip(
        panels, ("linear tastes", "other tastes"), ((0.84, 0.90, 0.93), (0.75, 0.82, 0.87)), strict=True
    ):
        for learner, colour in COLOURS.items():
            where = f"embedded · honest · {learner} · {kind} · accuracy · "
            votes, values, errors = zip(*points(found, where), strict=True)
            panel.errorbar(votes, values, errors, color=colour, marker="o", ms=3, lw=1.4, capsize=2, label=learner)
        panel.plot((20, 50, 100), bars, "k_", ms=12, label="bar")
        for way, style in (("linear", ":"), ("kernel", "--")):
            ceiling = found[f"embedded · ceiling of {way} regression on all utilities · {kind}"]["value"]
            panel.axhline(ceiling, color="k", lw=0.7, ls=style, label=f"ceiling, {way}")
        panel.set(title=kind, xlabel="votes", xscale="log", xticks=(10, 20, 50, 100, 200), ylim=(0.5, 1))
        panel.set_xticklabels(("10", "20", "50", "100", "200"))
        panel.minorticks_off()
    panels[0].set_ylabel("accuracy on unseen images")
    panels[0].legend(frameon=False, fontsize=7, loc="lower right")
    save(figure, "taste-accuracy.svg")


def calibration(found: dict[str, Row]) -> None:
    """Calibration error and log-loss after 100 votes by the way of answering, for the taste ``mixture``."""
    manners = list(dict.fromkeys(what.split(" · ")[1] for what in found if what.startswith("embedded · ")))
    manners = [manner for manner in manners if f"embedded · {manner} · bald · all tastes · log-loss · 100" in found]
    if len(manners) < 2:
        return
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 2.9), sharey=True)
    for panel, name, bar in zip(panels, ("calibration error", "log-loss"), (0.03, 0.693), strict=True):
        for learner in ("bald", "random"):
            picked = [shown(found, manner, learner, name) for manner in manners]
            values, errors = [row["value"] for row in picked], [row["error"] or 0 for row in picked]
            places = [place + (0.12 if learner == "random" else -0.12) for place in range(len(manners))]
            panel.errorbar(values, places, xerr=errors, fmt="o", ms=4, color=COLOURS[learner], label=learner)
        panel.axvline(bar, color="k", lw=0.8, ls=":")
        panel.set(xlabel=f"{name} after 100 votes", yticks=range(len(manners)), yticklabels=manners)
    panels[0].invert_yaxis()
    panels[0].legend(frameon=False, fontsize=7, loc="upper right")
    save(figure, "taste-calibration.svg")


def shown(found: dict[str, Row], manner: str, learner: str, name: str) -> Row:
    """The figure of the taste, or of all where only one was measured."""
    where = f"embedded · {manner} · {learner}"
    several = any(what.startswith(f"{where} · mixture · ") for what in found)
    return found[f"{where} · {'mixture' if several else 'all tastes'} · {name} · 100"]


def points(found: dict[str, Row], where: str) -> Iterator[tuple[int, float, float]]:
    """(votes, value, error), in order."""
    rows = [
        (int(what.removeprefix(where)), row["value"], row["error"] or 0.0)
        for what, row in found.items()
        if what.startswith(where)
    ]
    yield from sorted(rows)


def save(figure: Any, name: str) -> None:
    """Without a date, so that equal figures are equal files."""
    figure.tight_layout()
    figure.savefig(HERE / name, metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1:])
