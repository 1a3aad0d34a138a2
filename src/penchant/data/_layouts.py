"""Compositions of the embedded picture set: each turns a few numbers into the soft masks of one to three elements.

Every function takes coordinates ``x`` and ``y`` (n × h × w in [-1, 1], y pointing down; x is folded to |x| in
mirrored pictures), uniform numbers ``u`` (k × n × 1 × 1), ``mirrored``, and ``elements`` (n × 1 × 1; 1 for the plainer
form, 2 for the richer). It returns the masks in the order they are painted, each with the element colour (0, 1, 2)
that it takes.
"""

from collections.abc import Callable

import numpy as np

Mask = tuple[np.ndarray, int]
SOFTNESS = 0.09
"""Half the width of an edge: at 32 px an edge takes not quite three pixels, at every size the same share."""


def soft(distance: np.ndarray, softness: float = SOFTNESS) -> np.ndarray:
    """1 inside a shape, 0 outside, a smooth step across its edge; ``distance`` is negative inside."""
    t = np.clip(0.5 - distance * np.float32(0.5 / softness), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _beside(u: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Where the main element sits from left to right: on the axis in mirrored pictures, else anywhere."""
    return np.where(mirrored, 0, 1.1 * u - 0.55)


def _height(u: np.ndarray) -> np.ndarray:
    """How high the main element sits."""
    return 0.7 * u - 0.35


def discs(x: np.ndarray, y: np.ndarray, u: np.ndarray, mirrored: np.ndarray, elements: np.ndarray) -> list[Mask]:
    """A large disc, and a small one opposite."""
    cx, cy = _beside(u[0], mirrored), _height(u[1])
    radius = 0.4 + 0.22 * u[2]
    distance = np.hypot(x - cx, y - cy)
    opposite = np.hypot(x + np.where(mirrored, 0, cx), y + cy * 1.5)
    return [
        (soft(distance - radius), 0),
        (soft(opposite - radius * 0.5) * (elements > 1), 1),
    ]


def rings(x: np.ndarray, y: np.ndarray, u: np.ndarray, mirrored: np.ndarray, elements: np.ndarray) -> list[Mask]:
    """A ring, and a disc in it."""
    cx, cy = _beside(u[0], mirrored), _height(u[1])
    radius = 0.5 + 0.3 * u[2]
    distance = np.hypot(x - cx, y - cy)
    return [
        (soft(np.abs(distance - radius) - 0.1), 0),
        (soft(distance - radius * 0.45) * (elements > 1), 1),
    ]


def bars(x: np.ndarray, y: np.ndarray, u: np.ndarray, mirrored: np.ndarray, elements: np.ndarray) -> list[Mask]:
    """Two or three parallel bars with round ends, growing from one to the next; chevrons where they are folded."""
    angle = np.where(mirrored, 0.5 * np.pi - 0.9 * np.maximum(0, 2 * u[0] - 1), np.pi * (0.25 + 0.5 * u[0]))
    across = x * np.cos(angle) + y * np.sin(angle)
    along = y * np.cos(angle) - x * np.sin(angle)
    spacing = 0.46 + 0.12 * u[1]
    masks: list[Mask] = []
    for k in range(3):
        place = k - elements / 2
        beyond = np.maximum(np.abs(along) - 0.55 - 0.14 * place, 0)
        distance = np.hypot(beyond, across - spacing * place) - spacing * 0.3
        masks.append((soft(distance) * (elements >= k), k))
    return masks


def _box(
    x: np.ndarray, y: np.ndarray, cx: np.ndarray, cy: np.ndarray, wide: np.ndarray, high: np.ndarray
) -> np.ndarray:
    round_by = np.float32(0.08)
    qx, qy = np.abs(x - cx) - wide + round_by, np.abs(y - cy) - high + round_by
    return np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0) - round_by


def blocks(x: np.ndarray, y: np.ndarray, u: np.ndarray, mirrored: np.ndarray, elements: np.ndarray) -> list[Mask]:
    """Two fields of colour: one within the other, or one above the other."""
    cx, wide = np.where(mirrored, 0, 0.7 * u[0] - 0.35), 0.5 + 0.2 * u[1]
    stacked = elements > 1
    end, gap, cut = np.float32(0.78), np.float32(0.07), 0.8 * u[2] - 0.4
    under, low = np.where(stacked, cut - gap, end), np.where(stacked, cut + gap, -0.3)
    high, narrow = np.where(stacked, end, 0.3), np.where(stacked, wide, 0.3)
    return [
        (soft(_box(x, y, cx, (under - end) / 2, wide, (under + end) / 2)), 0),
        (soft(_box(x, y, cx, (low + high) / 2, narrow, (high - low) / 2)), 1),
    ]


def arcs(x: np.ndarray, y: np.ndarray, u: np.ndarray, mirrored: np.ndarray, elements: np.ndarray) -> list[Mask]:
    """Two or three bands of a rainbow about a point on the border."""
    angle = 2 * np.pi * u[0]
    cx = np.where(mirrored, 0, 0.95 * np.clip(1.4 * np.cos(angle), -1, 1))
    cy = np.where(mirrored, np.where(u[0] > 0.5, -0.95, 0.95), 0.95 * np.clip(1.4 * np.sin(angle), -1, 1))
    radius = 1.0 + 0.4 * u[1]
    distance = np.hypot(x - cx, y - cy)
    return [
        (soft(distance - radius), 0),
        (soft(distance - radius * 0.72), 1),
        (soft(distance - radius * 0.44) * (elements > 1), 2),
    ]


def gradients(x: np.ndarray, y: np.ndarray, u: np.ndarray, mirrored: np.ndarray, elements: np.ndarray) -> list[Mask]:
    """One or two wide glows and nothing else."""
    cx, cy = np.where(mirrored, 0, 1.2 * u[0] - 0.6), 1.2 * u[1] - 0.6
    first = ((x - cx) ** 2 + (y - cy) ** 2) / (0.36 + 0.24 * u[2]) ** 2
    second = ((x + cx * 1.2) ** 2 + (y + cy * 1.2) ** 2) / np.float32(0.4**2)
    return [
        (np.exp(-0.5 * second) * (elements > 1) * np.float32(0.8), 0),
        (np.exp(-0.5 * first) * np.float32(0.95), 1),
    ]


def tilings(x: np.ndarray, y: np.ndarray, u: np.ndarray, mirrored: np.ndarray, elements: np.ndarray) -> list[Mask]:
    """A lattice of dots or, turned, of diamonds, in one or two colours."""
    diamonds = u[0] > 0.5
    angle = np.where(diamonds, np.pi / 4, 0) + np.where(mirrored, 0, 0.35)
    period = 0.7 + 0.25 * u[1]
    across = (x * np.cos(angle) + y * np.sin(angle)) / period
    along = (y * np.cos(angle) - x * np.sin(angle)) / period
    column, row = np.floor(across + 0.5), np.floor(along + 0.5)
    dx, dy = np.abs(across - column), np.abs(along - row)
    reach = np.where(diamonds, np.maximum(dx, dy) * 1.05, np.hypot(dx, dy))
    mask = soft((reach - 0.32) * period)
    other = (np.mod(column + row, 2) > 0.5) & (elements > 1)
    return [(mask * ~other, 0), (mask * other, 1)]


def hills(x: np.ndarray, y: np.ndarray, u: np.ndarray, mirrored: np.ndarray, elements: np.ndarray) -> list[Mask]:
    """A sun over one or two waves of land."""
    phase = np.where(mirrored, np.pi * (u[0] > 0.5), 2 * np.pi * u[0])
    height = 0.4 - 0.4 * u[1]
    sun_x = np.where(mirrored, 0, -0.4 * np.sin(phase))
    masks: list[Mask] = [(soft(np.hypot(x - sun_x, y - height + 0.55) - 0.25), 1)]
    for k, colour in enumerate((0, 2)):
        crest = height + 0.38 * k + 0.15 * np.cos(np.pi * x + phase + np.pi * k)
        masks.append((soft(crest - y) * (elements > k), colour))
    return masks


LAYOUTS: dict[str, tuple[Callable[..., list[Mask]], float]] = {
    "discs": (discs, 0.17),
    "rings": (rings, 0.13),
    "bars": (bars, 0.12),
    "blocks": (blocks, 0.13),
    "arcs": (arcs, 0.14),
    "gradients": (gradients, 0.11),
    "tilings": (tilings, 0.08),
    "hills": (hills, 0.12),
}
"""Each layout with its share of the pictures."""
