"""Colour harmonies of the embedded picture set: two rings of curated palettes, walked continuously."""

import numpy as np

# Two ground colours (joined by a gradient), then three colours for the elements. Neighbours in a ring are related
# hues, so that a point between two palettes is a palette as well: wine, coral, ember, terracotta, gold, olive,
# forest, teal, slate, blue, indigo, plum, and round to wine.
_DARK = """
    2a0e1c 7a2038 e8647a fbc9b8 f2a24f
    3a1230 8a2b4a ff7e5f feb47b ffe3d3
    2b0f14 7a2420 f26b38 f7c35f ffe8c2
    3d241d 824a34 dd8a5b efd5ae 93a58a
    33210f 7f4d14 e8a13a f6d88a d0563c
    1e2a17 4f6431 b7c66b f0e2a3 e08d4f
    0c2a26 1f5e4e 5cc59c d2f0cf f3c66e
    06283a 0f5f72 38b6b0 bfeee2 f6a96b
    171d26 46566a 8fa6bd e3eaf0 e8b273
    0c1c45 1f4b8f 5aa2ee cfe6fb ffd27a
    1b1340 4a3a94 9a86ea e2d8fb 6fd3e0
    2d1038 7a2e74 e07ab8 fbd5e6 ffb37a
"""
_LIGHT = """
    fdebe8 f4bdb8 b22d4a e27b82 e0913f
    ffeee2 ffc7b0 e8556d f59a6b 8c2f52
    fbe9d7 f6c9a0 d1483b e98a4b 7a2432
    f4e9da e5cdb0 b9603f d99b6c 6f8467
    fdf3d8 f5d99a c9772b e3a83f 8a3b1e
    f4f4dc d5dfa8 6d8a3c a9b95b c9683a
    eaf7ec b9e2c9 2f8a6c 78bd97 e39a5a
    e6f6f5 a9dcdc 17808a 5bb5b5 ee8a66
    f3f4f4 ccd4da 54677c 8fa1b2 d0805a
    e9f2fc b3d2f2 2a62b5 6ca5de f2a65a
    f0ecfb cdc2ef 5d48b0 9784d8 3f9fbe
    fcecf3 f1bdd6 b03b81 dd7fae 5a3a8c
"""

# Björn Ottosson, "A perceptual color space for image processing" (2020): linear sRGB to LMS, cube roots to OKLab.
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] (last axis) to OKLab: lightness, green to red, blue to yellow."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """OKLab (last axis) to sRGB, clipped to [0, 1]."""
    linear = ((lab @ np.linalg.inv(_TO_LAB).T) ** 3) @ np.linalg.inv(_TO_LMS).T
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _rings() -> np.ndarray:
    rows = [[line.split() for line in text.strip().splitlines()] for text in (_DARK, _LIGHT)]
    codes = [[[list(bytes.fromhex(code)) for code in row] for row in ring] for ring in rows]
    return to_oklab(np.array(codes) / 255)


def palettes(position: np.ndarray, light: np.ndarray, contrast: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Five sRGB colours a picture (n × 5 × 3): ground start, ground end, three element colours.

    Args:
        position: where on the ring, in [0, 1); the curated palettes are at multiples of 1/12.
        light: true for a light ground with darker elements.
        contrast: how far the elements stand out from the ground's middle; 1 is as curated.
        chroma: factor on the distance from grey; 1 is as curated.
    """
    rings = _rings()
    length = rings.shape[1]
    step = position * length
    low = np.floor(step).astype(int)
    weight = step - low
    weight = (weight**2 * (3 - 2 * weight))[:, None, None]
    side = light.astype(int)
    lab = rings[side, low % length] * (1 - weight) + rings[side, (low + 1) % length] * weight
    middle = lab[:, :2].mean(axis=1, keepdims=True)
    lab = np.concatenate(
        [
            middle + (lab[:, :2] - middle) * (0.45 + 0.55 * contrast)[:, None, None],
            middle + (lab[:, 2:] - middle) * contrast[:, None, None],
        ],
        axis=1,
    )
    lab[..., 1:] *= chroma[:, None, None]
    return from_oklab(lab)
