"""Draw the figures of alignment.md from what ``penchant bench alignment --json alignment.jsonl`` wrote.

``python docs/benchmarks/draw_alignment.py alignment.jsonl …`` writes alignment-gold.svg and alignment-votes.svg beside
itself, of whichever it finds rows for. Needs nothing but Python.
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
    """Both figures; rows of the same name in several files are averaged."""
    found: dict[str, list[float]] = defaultdict(list)
    for path in paths:
        for text in Path(path).read_text(encoding="utf-8").splitlines():
            row: dict[str, Any] = json.loads(text)
            if row["value"] is not None:
                found[row["what"]].append(row["value"])
    gold: dict[str, Line] = defaultdict(list)
    votes: dict[str, Line] = defaultdict(list)
    for what, values in found.items():
        parts, mean = what.split(" · "), sum(values) / len(values)
        if parts[0] == "gold against nats":
            gold[parts[1].partition("(")[0]].append((float(parts[2]), mean))
        elif parts[0] == "votes to gain" and parts[3] == "all tastes":
            votes[parts[1]].append((float(parts[2].split()[0]), mean))
    if gold:
        draw("alignment-gold.svg", gold, "KL from the original, nats", "gain in the hidden taste, sd")
    if votes:
        draw("alignment-votes.svg", votes, "votes", "share of the oracle's gain", bar=0.8)


def draw(name: str, lines: Mapping[str, Line], across: str, up: str, bar: float | None = None) -> None:
    """One chart from 0 on both axes, its legend to the right; equal rows give equal files."""
    far = max(x for line in lines.values() for x, _ in line)
    high = max(1.0 if bar else 0.0, *(y for line in lines.values() for _, y in line)) * 1.05

    def place(x: float, y: float) -> tuple[float, float]:
        wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + wide * x / far, HEIGHT - BOTTOM - tall * y / high

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="11"><rect width="100%" height="100%" fill="white"/>'
    ]
    for step in range(6):
        x, y = place(far * step / 5, high * step / 5)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{high * step / 5:.2g}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{far * step / 5:.2g}</text>')
    if bar is not None:
        _, y = place(0, bar)
        parts.append(f'<path d="M{LEFT},{y:.1f} H{WIDTH - RIGHT}" stroke="#000" stroke-dasharray="2 3"/>')
    for number, (label, line) in enumerate(sorted(lines.items(), key=lambda item: list(COLOURS).index(item[0]))):
        parts += drawn([place(x, y) for x, y in sorted(line)], label, number)
    middle, halfway = (LEFT + WIDTH - RIGHT) / 2, (HEIGHT - BOTTOM) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{across}</text>')
    parts.append(f'<text transform="translate(12 {halfway}) rotate(-90)" text-anchor="middle">{up}</text>')
    (HERE / name).write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def drawn(points: Sequence[tuple[float, float]], label: str, number: int) -> list[str]:
    """A line with its dots and its place in the legend."""
    colour, y = COLOURS[label], TOP + 16 * number + 10
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if label == "best tilt there can be" else ""
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>' for x, y in points),
        f'<rect x="{WIDTH - RIGHT + 12}" y="{y - 8}" width="10" height="10" fill="{colour}"/>',
        f'<text x="{WIDTH - RIGHT + 27}" y="{y + 1}">{label}</text>',
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
