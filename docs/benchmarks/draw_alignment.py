"""Draw the figures of alignment.md from what ``penchant bench alignment --json alignment.jsonl`` wrote.

``python docs/benchmarks/draw_alignment.py [TITLE=]FILE …`` writes alignment-gold.svg and alignment-votes.svg beside
itself, of whichever it finds rows for: a panel for each title, and rows of the same name under one title are averaged.
Needs nothing but Python.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
COLOURS = {
    "best tilt there can be": "#8a8a8a", "best_of_n": "#3b6ea5", "latent_tilt": "#b5483a", "joint": "#5a8f4e",
    "weighted": "#8d5fa8", "noise_search": "#c98a1b", "bald": "#b5483a", "random": "#3b6ea5",
}  # fmt: skip
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 320, 52, 150, 12, 44
Line = list[tuple[float, float]]


def main(paths: list[str]) -> None:
    """Both figures."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for argument in paths:
        title, _, path = argument.rpartition("=")
        for text in Path(path).read_text(encoding="utf-8").splitlines():
            row: dict[str, Any] = json.loads(text)
            if row["value"] is not None:
                found[title][row["what"]].append(row["value"])
    gold: dict[str, dict[str, Line]] = defaultdict(lambda: defaultdict(list))
    votes: dict[str, dict[str, Line]] = defaultdict(lambda: defaultdict(list))
    for title, rows in found.items():
        for what, values in rows.items():
            parts, mean = what.split(" · "), sum(values) / len(values)
            if parts[0] == "gold against nats":
                gold[title][parts[1].partition("(")[0]].append((float(parts[2]), mean))
            elif parts[0] == "votes to gain" and parts[3] == "all tastes":
                votes[title][parts[1]].append((float(parts[2].split()[0]), mean))
    if gold:
        draw("alignment-gold.svg", gold, "KL from the original, nats", "gain in the hidden taste, sd")
    if votes:
        draw("alignment-votes.svg", votes, "votes", "share of the oracle's gain", bar=0.8)


def draw(name: str, panels: Mapping[str, Mapping[str, Line]], across: str, up: str, bar: float | None = None) -> None:
    """Panels beside each other, each from 0 on both axes, one legend to the right; equal rows give equal files."""
    labels = sorted({label for lines in panels.values() for label in lines}, key=list(COLOURS).index)
    wide = WIDTH - LEFT - RIGHT
    total = RIGHT + len(panels) * (LEFT + wide)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {HEIGHT}" font-family="sans-serif" '
        'font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for number, (title, lines) in enumerate(panels.items()):
        panel = drawn_panel(title, lines, labels, across, up if number == 0 else "", bar)
        parts += [f'<g transform="translate({number * (LEFT + wide)} 0)">', *panel, "</g>"]
    at = total - RIGHT + 12
    for number, label in enumerate(labels):
        y = TOP + 16 * number + 10
        parts.append(f'<rect x="{at}" y="{y - 8}" width="10" height="10" fill="{COLOURS[label]}"/>')
        parts.append(f'<text x="{at + 15}" y="{y + 1}">{label}</text>')
    (HERE / name).write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def drawn_panel(
    title: str, lines: Mapping[str, Line], labels: Sequence[str], across: str, up: str, bar: float | None
) -> list[str]:
    """Axes, title and lines of one panel."""
    far = max(x for line in lines.values() for x, _ in line)
    high = max(1.0 if bar else 0.0, *(y for line in lines.values() for _, y in line)) * 1.05
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + wide * x / far, HEIGHT - BOTTOM - tall * y / high

    parts: list[str] = []
    for step in range(6):
        x, y = place(far * step / 5, high * step / 5)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{high * step / 5:.2g}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{far * step / 5:.2g}</text>')
    if bar is not None:
        _, y = place(0, bar)
        parts.append(f'<path d="M{LEFT},{y:.1f} H{LEFT + wide}" stroke="#000" stroke-dasharray="2 3"/>')
    for label in (label for label in labels if label in lines):
        parts += drawn([place(x, y) for x, y in sorted(lines[label])], label)
    middle, halfway = LEFT + wide / 2, (HEIGHT - BOTTOM) / 2
    if title:
        parts.append(f'<text x="{LEFT + 8}" y="{TOP + 12}" font-weight="bold">{title}</text>')
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{across}</text>')
    if up:
        parts.append(f'<text transform="translate(12 {halfway}) rotate(-90)" text-anchor="middle">{up}</text>')
    return parts


def drawn(points: Sequence[tuple[float, float]], label: str) -> list[str]:
    """A line with its dots."""
    colour = COLOURS[label]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if label == "best tilt there can be" else ""
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>' for x, y in points),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
