"""Small drawn figures for the report: inline SVG that follows the page's colours, light or dark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 44


@dataclass(frozen=True)
class Series:
    """Points (x, y) joined by a line; ``band`` gives (low, high) a point; ``marks`` draws dots without a line."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float]] = ()
    marks: bool = False
    labels: Sequence[str] = ()


def line_chart(
    series: Sequence[Series], x_title: str, y_title: str, y_range: tuple[float, float], baseline: float | None = None
) -> str:
    """An SVG with up to three series, axes from 0 (x) and ``y_range``, and a dashed line at ``baseline``."""
    largest = max((x for one in series for x, _ in one.points), default=1.0) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        low, high = y_range
        share = (min(max(y, low), high) - low) / (high - low)
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * x / largest,
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share,
        )

    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_title)}">']
    for step in range(5):
        value = y_range[0] + (y_range[1] - y_range[0]) * step / 4
        _, y = place(0, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_tick(value)}</text>')
        x, _ = place(largest * step / 4, y_range[0])
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_tick(largest * step / 4)}</text>'
        )
    if baseline is not None:
        _, y = place(0, baseline)
        parts.append(f'<line class="baseline" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for index, one in enumerate(series):
        parts += _drawn(one, index, place)
    parts.append(f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_title)}</text>')
    parts.append("</svg>")
    return "".join(parts) + _legend(series)


def interval_bar(low: float, middle: float, high: float) -> str:
    """An interval on a line from −1 to 1 with its middle marked."""
    start, end, dot = (110 + 100 * value for value in (low, high, middle))
    return (
        '<svg class="interval" viewBox="0 0 220 16" aria-hidden="true">'
        '<line class="grid" x1="10" x2="210" y1="8" y2="8"/><line class="grid" x1="110" x2="110" y1="1" y2="15"/>'
        f'<line class="span" x1="{start:.1f}" x2="{end:.1f}" y1="8" y2="8"/>'
        f'<circle class="dot" cx="{dot:.1f}" cy="8" r="4"/></svg>'
    )


def _drawn(one: Series, index: int, place: Callable[[float, float], tuple[float, float]]) -> list[str]:
    parts: list[str] = []
    if one.band:
        upper = [place(x, high) for (x, _), (_, high) in zip(one.points, one.band, strict=True)]
        lower = [place(x, low) for (x, _), (low, _) in zip(one.points, one.band, strict=True)]
        parts.append(f'<polygon class="band s{index}" points="{_path([*upper, *reversed(lower)])}"/>')
    placed = [place(x, y) for x, y in one.points]
    if not one.marks:
        parts.append(f'<polyline class="line s{index}" points="{_path(placed)}"/>')
    for number, (x, y) in enumerate(placed):
        parts.append(f'<circle class="point s{index}" cx="{x:.1f}" cy="{y:.1f}" r="{4 if one.marks else 2.5}"/>')
        if number < len(one.labels):
            parts.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{escape(one.labels[number])}</text>')
    return parts


def _legend(series: Sequence[Series]) -> str:
    if len(series) < 2:
        return ""
    items = "".join(f'<span><i class="key s{i}"></i>{escape(one.name)}</span>' for i, one in enumerate(series))
    return f'<p class="legend">{items}</p>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _tick(value: float) -> str:
    return f"{value:.3g}"
