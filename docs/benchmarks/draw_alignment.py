"""Draw the figures of alignment.md from what ``penchant bench alignment --json alignment.jsonl`` wrote.

``python docs/benchmarks/draw_alignment.py alignment.jsonl …`` writes alignment-gold.svg and alignment-votes.svg beside
itself. Needs matplotlib (``pip install 'penchant[plots]'``).
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
COLOURS = {
    "best tilt there can be": "#8a8a8a", "best_of_n": "#3b6ea5", "latent_tilt": "#b5483a", "joint": "#5a8f4e",
    "weighted": "#8d5fa8", "noise_search": "#c98a1b",
}  # fmt: skip
Row = dict[str, Any]


def main(paths: list[str]) -> None:
    """Both figures; rows of the same name in several files are averaged."""
    found: dict[str, list[Row]] = defaultdict(list)
    for path in paths:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["value"] is not None:
                found[row["what"]].append(row)
    mpl.rcParams.update(
        {"font.size": 9, "svg.hashsalt": "alignment", "axes.spines.top": False, "axes.spines.right": False}
    )
    gold(found)
    votes(found)


def gold(found: dict[str, list[Row]]) -> None:
    """The hidden taste's gain against nats, a line an engine."""
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for what, rows in found.items():
        parts = what.split(" · ")
        if parts[0] == "gold against nats":
            mean = sum(row["value"] for row in rows) / len(rows)
            lines[parts[1].partition("(")[0]].append((float(parts[2]), mean))
    if not lines:
        return
    figure, panel = plt.subplots(figsize=(5.2, 3.2))
    for name, colour in COLOURS.items():
        if name in lines:
            nats, gains = zip(*sorted(lines[name]), strict=True)
            style = "--" if name == "best tilt there can be" else "-"
            panel.plot(nats, gains, style, color=colour, marker="o", ms=3, lw=1.4, label=name)
    panel.set(xlabel="KL from the original, nats", ylabel="gain in the hidden taste, sd")
    panel.legend(frameon=False, fontsize=7)
    save(figure, "alignment-gold.svg")


def votes(found: dict[str, list[Row]]) -> None:
    """Share of the oracle's gain by votes, active and random."""
    figure, panel = plt.subplots(figsize=(4.2, 2.9))
    for strategy, colour in (("bald", "#b5483a"), ("random", "#3b6ea5")):
        points: list[tuple[int, float, float]] = []
        for what, rows in found.items():
            parts = what.split(" · ")
            if parts[0] == "votes to gain" and parts[1] == strategy and parts[3] == "all tastes":
                points.append((int(parts[2].split()[0]), rows[0]["value"], rows[0]["error"] or 0.0))
        if points:
            counts, values, errors = zip(*sorted(points), strict=True)
            panel.errorbar(counts, values, errors, color=colour, marker="o", ms=3, lw=1.4, capsize=2, label=strategy)
    panel.axhline(0.8, color="k", lw=0.8, ls=":", label="bar, 60 votes")
    panel.set(xlabel="votes", ylabel="share of the oracle's gain", ylim=(0, 1))
    panel.legend(frameon=False, fontsize=7, loc="lower right")
    save(figure, "alignment-votes.svg")


def save(figure: Any, name: str) -> None:
    """Without a date, so that equal figures are equal files."""
    figure.tight_layout()
    figure.savefig(HERE / name, metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1:])
