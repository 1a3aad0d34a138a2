"""Print the tables of taste.md from what ``penchant bench taste --json taste.jsonl`` wrote.

``python docs/benchmarks/taste_tables.py taste.jsonl``; several files are read as one. A table is printed where
its figures are there.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FIGURES = ("accuracy", "log-loss", "calibration error", "regret, sd")
Rows = dict[str, dict[str, Any]]


def main(paths: list[str]) -> None:
    """All tables."""
    lines = [line for path in paths for line in Path(path).read_text(encoding="utf-8").splitlines()]
    rows: Rows = {row["what"]: row for row in map(json.loads, lines)}
    honest = "embedded · honest"
    learners = ("random + logistic", "random", "bald", "favourites")
    for kind in ("linear tastes", "other tastes", "all tastes"):
        for figure in FIGURES:
            wanted = [(who, f"{honest} · {who} · {kind} · {figure}") for who in learners]
            table(rows, f"{kind} · {figure}", wanted, (10, 20, 50, 100, 200))
    for figure in FIGURES:  # on the tastes that all learners met; who met no others has them under "all tastes"
        wanted = []
        for who in _names(rows, honest):
            kinds = [f"{honest} · {who} · {kind} · {figure}" for kind in ("tastes of all learners", "all tastes")]
            wanted.append((who, next((kind for kind in kinds if f"{kind} · 20" in rows), kinds[0])))
        table(rows, f"learners compared · {figure}", wanted, (20, 50, 100))
    tastes = [name for name in _tastes(rows, f"{honest} · bald") if name.count(" ") == 0]
    for figure in FIGURES:
        wanted = [(taste, f"{honest} · bald · {taste} · {figure}") for taste in tastes]
        table(rows, f"bald, by taste · {figure}", wanted, (20, 50, 100))
    manners = list(dict.fromkeys(what.split(" · ")[1] for what in rows if what.startswith("embedded · ")))
    for taste in ("all tastes", "mixture", "twilight"):
        for who in ("bald", "random"):
            for figure in FIGURES[:3]:
                wanted = [(manner, f"embedded · {manner} · {who} · {taste} · {figure}") for manner in manners]
                table(rows, f"ways of answering · {who} · {taste} · {figure}", wanted, (10, 20, 50, 100))
    for figure in FIGURES:
        wanted = [
            (f"{pictures}, {who}", f"{pictures} · honest · {who} · {kind} · {figure}")
            for pictures in ("flowers", "emoji", "fashion")
            for who in ("random + logistic", "random", "bald")
            for kind in ("all tastes",)
        ]
        table(rows, f"real pictures · {figure}", wanted, (20, 50, 100, 200))
    rest = [what for what in rows if what.split(" · ")[0] not in ("embedded", "flowers", "emoji", "fashion")]
    rest += [what for what in rows if any(word in what for word in ("ceiling", "votes to reach", "lead of", "worst"))]
    for what in dict.fromkeys(rest):
        say(f"{what}: {said(rows[what])}")


def say(line: str) -> None:
    """One line of what is printed."""
    sys.stdout.write(line + "\n")


def table(rows: Rows, title: str, wanted: Sequence[tuple[str, str]], votes: Sequence[int]) -> None:
    """One table, of the rows and the columns that have figures."""
    there = [number for number in votes if any(f"{where} · {number}" in rows for _, where in wanted)]
    body = [(name, where) for name, where in wanted if any(f"{where} · {number}" in rows for number in there)]
    if not body:
        return
    say(f"\n{title}\n\n| | {' | '.join(map(str, there))} |\n|---|{'---|' * len(there)}")
    for name, where in body:
        say(f"| {name} | {' | '.join(said(rows.get(f'{where} · {number}')) for number in there)} |")


def said(row: dict[str, Any] | None) -> str:
    """The value with its error; bold where a bar is missed."""
    if row is None or row["value"] is None:
        return "" if row is None else str(row["note"])
    text = f"{row['value']:.3f}"
    if row["error"] is not None:
        text += f" ± {row['error']:.3f}"
    text = text.replace("0.", ".")
    return f"**{text}**" if row["met"] is False else text


def _names(rows: Rows, where: str) -> list[str]:
    return list(dict.fromkeys(what.split(" · ")[2] for what in rows if what.startswith(f"{where} · ")))


def _tastes(rows: Rows, where: str) -> list[str]:
    return list(dict.fromkeys(what.split(" · ")[3] for what in rows if what.startswith(f"{where} · ")))


if __name__ == "__main__":
    main(sys.argv[1:])
