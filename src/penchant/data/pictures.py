"""The embedded picture set: seeded code that draws calm abstract compositions whose factors are known."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from penchant.core.errors import BadConfiguration
from penchant.core.rng import Rng
from penchant.data._layouts import LAYOUTS
from penchant.data._palettes import palettes, to_oklab

LAYOUT_NAMES = tuple(LAYOUTS)
"""Names of the layouts; the factor ``layout`` is an index into them."""

_NUMBERS = 10
_PIXELS_AT_ONCE = 1 << 16
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Pictures:
    """Drawn pictures with what is true of each; every factor is an array of ``n`` numbers.

    Measured on the pixels: ``brightness`` (mean luma, 0 to 1), ``contrast`` (standard deviation of luma), ``warmth``
    (mean red minus mean blue, −1 to 1), ``saturation`` (mean of largest minus smallest channel), ``hue`` (of the mean
    colour in OKLab, in turns, 0 to 1), ``symmetry`` (1 for left-right mirror images, about 0 for unrelated halves)
    and ``complexity`` (mean luma step, summed over a picture's width and height: how much edge there is).
    Chosen when drawing: ``layout`` (index into :data:`LAYOUT_NAMES`), ``mirrored`` (0 or 1), ``light`` (1 for a light
    ground), ``elements`` (1 for the plainer form of a layout, 2 for the richer), ``palette`` (position on the ring of
    palettes, 0 to 1), and ``vividness`` (how far elements were made to stand out from the ground).
    """

    images: UInt8[np.ndarray, "n c h w"]
    factors: Mapping[str, Float[np.ndarray, " n"]]


def draw_pictures(count: int, size: int, rng: Rng, channels: int = 3, first: int = 0) -> Pictures:
    """Pictures ``first`` to ``first + count − 1`` of the endless set of ``rng``.

    Each has ``size`` × ``size`` pixels, in colour or (``channels=1``) grey: curated palettes × eight layouts (discs,
    rings, bars, blocks, arcs, gradients, tilings, hills), left-right mirrored or not, over a gradient. Six continuous
    numbers and four choices decide a picture, edges are soft and elements few, so that a small generator learns the
    set in a minute or two. Picture i depends on ``rng`` and i alone: it is the same composition at every size, and a
    smaller count gives the first ones of a larger. One core draws 12,000 pictures of 32 px in a few seconds.

    Use it to see the system work and to measure against known factors; use :func:`penchant.data.open_images` for
    real images.

    Raises:
        BadConfiguration: a count or size below 1, or channels other than 1 and 3.

    >>> pictures = draw_pictures(4, 32, Rng(0))
    >>> pictures.images.shape, sorted(pictures.factors)[:3]
    ((4, 3, 32, 32), ['brightness', 'complexity', 'contrast'])
    """
    if count < 1 or size < 1 or first < 0 or channels not in (1, 3):
        raise BadConfiguration(
            f"pictures need a count and a size of at least 1, a first one from 0, and 1 or 3 channels; "
            f"found count={count}, size={size}, first={first}, channels={channels}"
        )
    numbers = rng.child("pictures").numpy().random((first + count, _NUMBERS), dtype=np.float32)[first:]
    plan = _plan(numbers)
    colours = palettes(plan["palette"], plan["light"] > 0, plan["vividness"], 0.62 + 0.4 * plan["vividness"])
    images = np.empty((count, channels, size, size), dtype=np.uint8)
    measured = np.empty((len(_MEASURED), count), dtype=np.float32)
    for layout in range(len(LAYOUTS)):
        members = np.flatnonzero(plan["layout"] == layout)
        for rows in np.array_split(members, max(1, len(members) * size * size // _PIXELS_AT_ONCE)):
            drawn = _draw({name: values[rows] for name, values in plan.items()}, numbers[rows], colours[rows], size)
            if channels == 1:
                drawn = np.einsum("nchw,c->nhw", drawn, _LUMA)[:, None]
            images[rows] = np.rint(drawn * 255)
            measured[:, rows] = _measure(np.broadcast_to(drawn, (len(rows), 3, size, size)))
    factors = {**dict(zip(_MEASURED, measured, strict=True)), **plan}
    return Pictures(images, {name: np.asarray(values, dtype=np.float64) for name, values in factors.items()})


def _plan(numbers: np.ndarray) -> dict[str, np.ndarray]:
    """What is to be drawn, from the first uniform numbers of each picture."""
    shares = np.cumsum([share for _, share in LAYOUTS.values()])
    return {
        "layout": np.searchsorted(shares / shares[-1], numbers[:, 0], side="right").clip(0, len(shares) - 1),
        "mirrored": (numbers[:, 1] < 0.45).astype(np.float32),
        "palette": numbers[:, 2],
        "light": (numbers[:, 3] < 0.5).astype(np.float32),
        "vividness": 0.38 + 0.87 * numbers[:, 4],
        "elements": 1 + (numbers[:, 5] < 0.55).astype(np.float32),
    }


def _draw(plan: dict[str, np.ndarray], numbers: np.ndarray, colours: np.ndarray, size: int) -> np.ndarray:
    """Pictures of one layout as floats, n × 3 × h × w: a gradient, then each element painted over it."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
    mirrored = plan["mirrored"][:, None, None] > 0
    x, y = np.broadcast_arrays(axis[None, None, :], axis[None, :, None])
    x = np.where(mirrored, np.abs(x), x)
    colours = colours.astype(np.float32)[:, :, :, None, None]

    turn = 2 * np.pi * numbers[:, 6, None, None]
    down = np.where(np.sin(turn) > 0, 1, -1)
    slope = np.where(mirrored, y * down, x * np.cos(turn) + y * np.sin(turn))
    along = np.clip(0.5 + 0.42 * slope, 0, 1)[:, None]
    canvas = colours[:, 0] + (colours[:, 1] - colours[:, 0]) * along

    paint, _ = LAYOUTS[LAYOUT_NAMES[int(plan["layout"][0])]] if len(numbers) else LAYOUTS[LAYOUT_NAMES[0]]
    shape = numbers[:, 7:].T[:, :, None, None]
    for mask, colour in paint(x, y, shape, mirrored, plan["elements"][:, None, None]):
        canvas += mask[:, None].astype(np.float32) * (colours[:, 2 + colour] - canvas)
    return np.clip(canvas, 0, 1)


_MEASURED = ("brightness", "contrast", "warmth", "saturation", "hue", "symmetry", "complexity")


def _measure(images: np.ndarray) -> np.ndarray:
    """The measured factors, in the order of ``_MEASURED``, of float images n × 3 × h × w."""
    luma = np.einsum("nchw,c->nhw", images, _LUMA)
    mean = images.mean(axis=(2, 3))
    _, green_red, blue_yellow = to_oklab(mean.astype(np.float64)).T
    grey = np.hypot(green_red, blue_yellow) < 1e-4
    hue = np.where(grey, 0, np.arctan2(blue_yellow, green_red) / (2 * np.pi) % 1)
    change = np.abs(images - images[..., ::-1]).mean(axis=(1, 2, 3))
    variation = np.abs(images - mean[:, :, None, None]).mean(axis=(1, 2, 3))
    steps = np.abs(np.diff(luma, axis=1)).sum(axis=(1, 2)) + np.abs(np.diff(luma, axis=2)).sum(axis=(1, 2))
    return np.stack(
        [
            luma.mean(axis=(1, 2)),
            luma.std(axis=(1, 2)),
            mean[:, 0] - mean[:, 2],
            (images.max(axis=1) - images.min(axis=1)).mean(axis=(1, 2)),
            hue,
            1 - change / (1.5 * variation + 1e-3),
            steps / luma.shape[-1],
        ]
    )
